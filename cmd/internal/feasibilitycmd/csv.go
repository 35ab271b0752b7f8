package feasibilitycmd

import (
	"encoding/csv"
	"io"
	"strconv"

	"jitnic/cache"
	"jitnic/nic/feasibility"
)

// column is one of rows.csv.
type column struct {
	name string
	of   func(f *feasibility.Figures) string
}

func integer(n uint64) string { return strconv.FormatUint(n, 10) }

func number(x float64) string { return strconv.FormatFloat(x, 'g', -1, 64) }

// columns are what a row tells of a run. Rates are in packets/s, times in ns,
// PCIe in bytes a packet offered.
func columns() []column {
	type fig = feasibility.Figures
	out := []column{
		{"packets", func(f *fig) string { return integer(f.Packets) }},
		{"offered_pps", func(f *fig) string { return number(f.Offered) }},
		{"throughput_pps", func(f *fig) string { return number(f.Throughput) }},
		{"loss", func(f *fig) string { return number(f.Loss) }},
		{"lost_ingress", func(f *fig) string { return integer(f.Ingress) }},
		{"lost_host", func(f *fig) string { return integer(f.AtHost) }},
		{"lost_transmit", func(f *fig) string { return integer(f.Transmit) }},
		{"lost_egress", func(f *fig) string { return integer(f.Egress) }},
		{"lost_needs_host", func(f *fig) string { return integer(f.NeedsHost) }},
		{"latency_mean_ns", func(f *fig) string { return number(f.Mean) }},
		{"latency_p50_ns", func(f *fig) string { return number(f.P50) }},
		{"latency_p99_ns", func(f *fig) string { return number(f.P99) }},
		{"latency_p999_ns", func(f *fig) string { return number(f.P999) }},
		{"latency_max_ns", func(f *fig) string { return number(f.Max) }},
		{"hit_latency_mean_ns", func(f *fig) string { return number(f.HitMean) }},
		{"miss_latency_mean_ns", func(f *fig) string { return number(f.MissMean) }},
		{"host_cores_busy", func(f *fig) string { return number(f.Cores) }},
		{"host_cores_needed", func(f *fig) string { return number(f.CoresNeeded) }},
		{"pcie_up_bytes_per_packet", func(f *fig) string { return number(f.PCIeUp) }},
		{"pcie_down_bytes_per_packet", func(f *fig) string { return number(f.PCIeDown) }},
		{"installs_per_second", func(f *fig) string { return number(f.Installs) }},
		{"installed", func(f *fig) string { return integer(f.Installed) }},
		{"reordered", func(f *fig) string { return integer(f.Reordered) }},
		{"held", func(f *fig) string { return integer(f.Held) }},
		{"hit_ratio", func(f *fig) string { return number(f.HitRatio) }},
	}
	for o := range cache.Outcomes {
		name := cache.Outcome(o).String()
		out = append(out, column{name, func(f *fig) string { return integer(f.Outcomes[name]) }})
	}
	return out
}

// CSV writes a row for each run: the points at the study's rate, the variants of
// them, the memory models, the designs and the points of the load curves.
func (r *Report) CSV(w io.Writer) error {
	c := csv.NewWriter(w)
	cols := columns()
	head := []string{"program", "capture", "nic", "host", "run", "mode"}
	for _, x := range cols {
		head = append(head, x.name)
	}
	c.Write(head)
	for _, s := range r.Studies {
		row := func(run string, f *feasibility.Figures) {
			if f == nil {
				return
			}
			cells := []string{s.Program, s.Capture, s.NIC.Name, s.Host.Name, run, f.Mode}
			for _, x := range cols {
				cells = append(cells, x.of(f))
			}
			c.Write(cells)
		}
		for _, f := range s.Point {
			row("point", f)
		}
		row("other order", s.Ordered)
		row("cold", s.Cold)
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
	c.Flush()
	return c.Error()
}
