package feasibilitycmd

import (
	"strconv"

	"jitnic/cache"
	"jitnic/cmd/internal/report"
	"jitnic/nic/feasibility"
)

// A csvRow is a run with what it is of.
type csvRow struct {
	Program string `json:"program"`
	Capture string `json:"capture"`
	NIC     string `json:"nic"`
	Host    string `json:"host"`
	Run     string `json:"run"`
	*feasibility.Figures
	Pays *feasibility.Payback `json:"trace_pays,omitempty"` // of the run from an empty cache
	// Tier are its tiers.
	Tier map[string]*feasibility.TierPayback `json:"tier,omitempty"`
}

// records are a row for each run: the points at the study's rate, the variants of
// them, the memory models, the designs and the points of the load curves. Rates
// are in packets/s, times in ns, PCIe in bytes a packet offered.
func (r *Report) records() report.Records {
	out := report.Records{Name: "rows.csv", Columns: report.Columns("program", "capture", "nic", "host", "run", "mode", "packets", "offered_pps", "throughput_pps", "loss",
		"lost_ingress", "lost_host", "lost_transmit", "lost_egress", "lost_needs_host", "latency_mean_ns", "latency_p50_ns", "latency_p99_ns", "latency_p999_ns",
		"latency_max_ns", "hit_latency_mean_ns", "miss_latency_mean_ns", "host_cores_busy", "host_cores_needed", "pcie_up_bytes_per_packet", "pcie_down_bytes_per_packet",
		"installs_per_second", "installed", "reordered", "held", "hit_ratio",
		"span_ns", "beyond_wire", "left_behind", "installs_begun", "refused", "stale", "recording_lost", "not_compiled")}
	for _, name := range []string{"paths", "paid", "packets", "median_ns", "p90_ns"} {
		out.Columns = append(out.Columns, report.Column{Name: "pays_" + name, Key: "trace_pays." + name})
	}
	for _, tier := range []string{"0", "1", "2"} {
		for _, name := range []string{"spent_ns", "gain_ns", "hits", "after_ns", "never"} {
			out.Columns = append(out.Columns, report.Column{Name: "tier" + tier + "_" + name, Key: "tier." + tier + "." + name})
		}
	}
	for _, name := range []string{"traces", "found", "hot_ns", "wait_ns", "swap_ns"} {
		out.Columns = append(out.Columns, report.Column{Name: "tier2_" + name, Key: "tier.2." + name})
	}
	for _, name := range []string{"hot", "searched", "found", "swapped", "unfinished", "paid", "median_ns"} {
		out.Columns = append(out.Columns, report.Column{Name: "swaps_" + name, Key: "trace_pays.swaps." + name})
	}
	for o := range cache.Outcomes {
		name := cache.Outcome(o).String()
		out.Columns = append(out.Columns, report.Column{Name: name, Key: "outcomes." + name})
	}
	for _, s := range r.Studies {
		row := func(run string, f *feasibility.Figures) {
			if f != nil {
				out.Rows = append(out.Rows, &csvRow{s.Program, s.Capture, s.NIC.Name, s.Host.Name, run, f, nil, nil})
			}
		}
		for _, f := range s.Point {
			row("point", f)
		}
		row("other order", s.Ordered)
		if row("cold", s.Cold); s.Cold != nil {
			cold := out.Rows[len(out.Rows)-1].(*csvRow)
			cold.Pays, cold.Tier = s.Pays, map[string]*feasibility.TierPayback{}
			for i := range s.Pays.Tiers {
				t := &s.Pays.Tiers[i]
				cold.Tier[strconv.Itoa(t.Tier)] = t
			}
		}
		for i := range s.Memory {
			row("memory "+s.Memory[i].Model, s.Memory[i].Figures)
		}
		if s.Designs != nil {
			for i, f := range s.Loaded {
				row("design "+s.Designs.Results[i].Design, f)
			}
		}
		for _, v := range s.Curves {
			for _, p := range v.Points {
				row("curve", p)
			}
		}
	}
	return out
}
