package feasibilitycmd

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"jitnic/cache"
	"jitnic/cmd/internal/report"
	"jitnic/nic/device"
	"jitnic/nic/feasibility"
)

// A run is one of a study's at its rate, with its name in tables.
type run struct {
	name string
	*feasibility.Figures
}

// runs are those at the study's rate that are there, in the order of display.
func runs(s *feasibility.Study, variants bool) []run {
	var out []run
	add := func(name string, f *feasibility.Figures) {
		if f != nil {
			out = append(out, run{name, f})
		}
	}
	for _, m := range []device.Mode{device.Both, device.HostOnly, device.NICOnly} {
		add(modeName(m.String()), at(s, m))
	}
	if variants {
		add(otherOrder(s), s.Ordered)
		add("cold start", s.Cold)
	}
	return out
}

// otherOrder names the run that keeps flows in order, or the one that does not
// where the study does.
func otherOrder(s *feasibility.Study) string {
	if s.InOrder {
		return "not in order"
	}
	return "flows in order"
}

// across is a table with a column for each run.
func across(t *report.Table, rs []run) func(name string, cell func(f *feasibility.Figures) string) {
	t.Left = 1
	t.Head = []string{""}
	for _, r := range rs {
		t.Head = append(t.Head, r.name)
	}
	return func(name string, cell func(f *feasibility.Figures) string) {
		row := []string{name}
		for _, r := range rs {
			row = append(row, cell(r.Figures))
		}
		t.Rows = append(t.Rows, row)
	}
}

// pointTable is the runs at the study's rate side by side.
func pointTable(s *feasibility.Study) *report.Table {
	t := &report.Table{ID: "point", Title: "At " + atRate(s),
		PageNote: over(s) + " Throughput is what is offered × (1 − loss): each packet is followed to its end. Installs begun end as one of the rows below them. Settled runs: the trace cache is warm before time begins, but for the cold start. Latency is of packets that finished, from fully received to the verdict's end. Host cores needed are for all that the host is offered, lost packets included. A run repeats the capture to its own number of packets, so shares may differ a little from the capture's."}
	row := across(t, runs(s, true))
	row("offered", offeredText)
	row("throughput", func(f *feasibility.Figures) string { return pps(f.Throughput) })
	row("loss", func(f *feasibility.Figures) string { return percent(f.Loss) })
	row("  at ingress", func(f *feasibility.Figures) string { return report.Count(f.Ingress) })
	row("  at the host", func(f *feasibility.Figures) string { return report.Count(f.AtHost) })
	row("  in transmit rings", func(f *feasibility.Figures) string { return report.Count(f.Transmit) })
	row("  at egress", func(f *feasibility.Figures) string { return report.Count(f.Egress) })
	row("  no host to run it", func(f *feasibility.Figures) string { return report.Count(f.NeedsHost) })
	row("latency, mean", func(f *feasibility.Figures) string { return latency(f.Mean) })
	row("  median", func(f *feasibility.Figures) string { return latency(f.P50) })
	row("  p99", func(f *feasibility.Figures) string { return latency(f.P99) })
	row("  p999", func(f *feasibility.Figures) string { return latency(f.P999) })
	row("  max", func(f *feasibility.Figures) string { return latency(f.Max) })
	row("  mean of hits", func(f *feasibility.Figures) string { return latency(f.HitMean) })
	row("  mean of misses", func(f *feasibility.Figures) string { return latency(f.MissMean) })
	row("host cores busy", func(f *feasibility.Figures) string { return digits(f.Cores) })
	row("host cores needed", func(f *feasibility.Figures) string { return digits(f.CoresNeeded) })
	row("  busiest core, of the mean", func(f *feasibility.Figures) string {
		if f.Uneven == 0 {
			return none
		}
		return "×" + digits(f.Uneven)
	})
	row("hit ratio", func(f *feasibility.Figures) string { return hits(f) })
	row("installs begun", func(f *feasibility.Figures) string { return report.Count(f.Begun) })
	row("  a second", func(f *feasibility.Figures) string { return perSecond(f.Installs) })
	row("  installed", func(f *feasibility.Figures) string { return report.Count(f.Installed) })
	row("  refused by the policy", func(f *feasibility.Figures) string { return report.Count(f.Unwanted) })
	row("  stale: invalidated under way", func(f *feasibility.Figures) string { return report.Count(f.Stale) })
	row("  packet to be recorded lost", func(f *feasibility.Figures) string { return report.Count(f.Unrecorded) })
	row("  given up: queue full", func(f *feasibility.Figures) string { return report.Count(f.NotCompiled) })
	row("  matcher stalled", func(f *feasibility.Figures) string { return nanos(f.Stall) })
	row("PCIe to the host", func(f *feasibility.Figures) string { return digits(f.PCIeUp) + " B/packet" })
	row("PCIe from the host", func(f *feasibility.Figures) string { return digits(f.PCIeDown) + " B/packet" })
	row("packets reordered", func(f *feasibility.Figures) string { return report.Count(f.Reordered) })
	row("  extent", func(f *feasibility.Figures) string { return report.Count(f.Extent) })
	row("packets held for order", func(f *feasibility.Figures) string { return report.Count(f.Held) })
	row("  each for", func(f *feasibility.Figures) string {
		if f.Held == 0 {
			return none
		}
		return nanos(f.HoldMean)
	})
	row("  at once", func(f *feasibility.Figures) string { return report.Count(uint64(f.PeakHeld)) })
	return t
}

// beyondWire marks what the link can't bring in.
const beyondWire = " ✗"

// offeredText is a load, marked where it is beyond the wire.
func offeredText(f *feasibility.Figures) string {
	if f.BeyondWire {
		return pps(f.Offered) + beyondWire
	}
	return pps(f.Offered)
}

// atRate is the study's rate, marked likewise.
func atRate(s *feasibility.Study) string {
	if s.LineRate > 0 && s.Rate > s.LineRate {
		return pps(float64(s.Rate)) + beyondWire + " (beyond the wire: the link brings in " + pps(float64(s.LineRate)) + ")"
	}
	return pps(float64(s.Rate))
}

// over says over what packets and time the runs at the study's rate are.
func over(s *feasibility.Study) string {
	if len(s.Point) == 0 {
		return ""
	}
	f := s.Point[0]
	return fmt.Sprintf("Each run is of %s packets that arrive within %s; what is busy or waits is averaged over that time.", report.Count(f.Packets), nanos(f.Span))
}

// wireNote explains the mark of loads beyond the wire, where there are any.
func wireNote(s *feasibility.Study, fs ...*feasibility.Figures) string {
	for _, f := range fs {
		if f != nil && f.BeyondWire {
			return fmt.Sprintf("✗ beyond the wire: link.rate brings in %s of these frames, %s B each with what the link adds.", pps(float64(s.LineRate)), digits(s.Frame))
		}
	}
	return ""
}

// hits is the hit ratio of a run that looks packets up.
func hits(f *feasibility.Figures) string {
	if f.Outcomes == nil {
		return none
	}
	return percent(f.HitRatio)
}

// outcomeTable is the class of each packet looked up.
func outcomeTable(s *feasibility.Study) *report.Table {
	t := &report.Table{ID: "outcomes", Title: "Outcomes of the packets looked up", PageNote: "Every packet looked up is in exactly one; what is lost at ingress is in none."}
	row := across(t, runs(s, true))
	for o := range cache.Outcomes {
		name := cache.Outcome(o).String()
		row(strings.ReplaceAll(name, "_", " "), func(f *feasibility.Figures) string {
			if f.Outcomes == nil {
				return none
			}
			return report.Count(f.Outcomes[name])
		})
	}
	return t
}

// stationTable is where packets and traces wait.
func stationTable(s *feasibility.Study) *report.Table {
	t := &report.Table{ID: "stations", Title: "Stations", Left: 2, Head: []string{"station", "run", "busy", "mean queue", "longest", "mean wait"},
		PageNote: over(s) + " Waiting before service; the matcher's queue is ingress.queue, the units' exec.queue, the cores' ring their receive ring, the port's egress.queue."}
	rs := runs(s, false)
	for i := range stations(rs) {
		for _, r := range rs {
			if st := r.Stations[i]; st.Utilisation > 0 || st.MaxQueue > 0 {
				t.Add(st.Name, r.name, percent(min(st.Utilisation, 1)), digits(st.MeanQueue), report.Count(uint64(st.MaxQueue)), nanos(st.Wait))
			}
		}
	}
	return t
}

func stations(rs []run) []feasibility.Station {
	if len(rs) == 0 {
		return nil
	}
	return rs[0].Stations
}

// causeTable is what crosses PCIe, and why.
func causeTable(s *feasibility.Study) *report.Table {
	t := &report.Table{ID: "pcie", Title: "PCIe, bytes a packet offered, by cause", PageNote: over(s) + " Both directions, with what TLPs and descriptors add (pcie.tlp, pcie.payload, pcie.descriptor)."}
	rs := runs(s, true)
	row := across(t, rs)
	causes := map[string]bool{}
	for _, r := range rs {
		for c := range r.PCIeCauses {
			causes[c] = true
		}
	}
	for _, c := range slices.Sorted(maps.Keys(causes)) {
		row(c, func(f *feasibility.Figures) string { return digits(f.PCIeCauses[c]) })
	}
	row("all", func(f *feasibility.Figures) string { return digits(f.PCIeUp + f.PCIeDown) })
	return t
}

// rateTable is the search for the loss-free rate.
func rateTable(s *feasibility.Study) *report.Table {
	t := &report.Table{ID: "mlffr", Title: "Maximum loss-free forwarding rate (RFC 2544, 26.1) and latency at it (26.2)", Left: 3,
		Head: []string{"mode", "traces", "bound by", "MLFFR", "of host only", "latency, mean", "p99"}}
	if s.Need.Offload < 1 {
		t.PageNote = "NIC only: of the packets that the device can run; those that need the host are not counted as lost."
	}
	host := throughput(s, device.HostOnly, false)
	for i := range s.Throughput {
		x := &s.Throughput[i]
		traces := none
		if x.Mode != device.HostOnly.String() {
			traces = "as recorded"
			if x.Optimised {
				traces = "superoptimized"
			}
		}
		than := none
		if host != nil && host.Rate > 0 {
			than = "×" + digits(float64(x.Rate)/float64(host.Rate))
		}
		mean, p99 := none, none
		if x.Rate > 0 {
			mean, p99 = nanos(x.Mean), nanos(x.P99)
		}
		found := rateText(x)
		if x.Mode == device.NICOnly.String() {
			found = nicRate(s, x)
		}
		t.Add(modeName(x.Mode), traces, x.Bound, found, than, mean, p99)
	}
	return t
}

// curveTable is the points of the load curves.
func curveTable(s *feasibility.Study) *report.Table {
	t := &report.Table{ID: "curves", Title: "Points of the curves", Left: 1, Head: []string{"mode", "offered", "throughput", "loss", "mean", "p50", "p99", "p999", "hit ratio", "host cores needed"}}
	for _, c := range s.Curves {
		t.PageNote = cmp.Or(t.PageNote, wireNote(s, c.Points...))
		for _, p := range c.Points {
			t.Add(modeName(c.Mode), offeredText(p), pps(p.Throughput), percent(p.Loss), latency(p.Mean), latency(p.P50), latency(p.P99), latency(p.P999), hits(p), digits(p.CoresNeeded))
		}
	}
	return t
}

// memoryTable is the four memory models side by side.
func memoryTable(s *feasibility.Study) *report.Table {
	t := &report.Table{ID: "memory", Title: "Memory models at " + atRate(s), Left: 1, TextCols: []int{0, 5, 6, 7, 8, 9, 10, 11, 12, 13},
		Head:     []string{"model", "NIC reads", "writes", "host reads", "writes", "stalls", "NIC stalled a packet", "host stalled a packet", "invalidations", "PCIe B/packet", "loss", "mean", "p99", "host cores needed"},
		PageNote: over(s) + " nic: state on the NIC, the host reaches across PCIe; host: on the host, a trace pays PCIe for each read; shared: ideal coherent memory; replicated: read-mostly copies and invalidation messages. * the device's own (memory.model). PCIe bytes are those of map accesses and invalidations.",
	}
	own := param(s.NIC.Params, "memory.model")
	for i := range s.Memory {
		r := &s.Memory[i]
		name := r.Model
		if name == own {
			name += " *"
		}
		m := r.Figures.Memory
		if m == nil {
			m = &feasibility.Memory{}
		}
		t.Add(name, report.Count(m.NICReads), report.Count(m.NICWrites), report.Count(m.HostReads), report.Count(m.HostWrites), report.Count(m.Stalls),
			nanos(m.StallNIC), nanos(m.StallHost), report.Count(m.Messages), digits(m.Bytes), percent(r.Loss), latency(r.Mean), latency(r.P99), digits(r.CoresNeeded))
	}
	return t
}

// orderText says what keeping flows in order costs.
func orderText(s *feasibility.Study) string {
	both := at(s, device.Both)
	if both == nil || s.Ordered == nil {
		return ""
	}
	free, kept := both, s.Ordered
	if s.InOrder {
		free, kept = kept, free
	}
	cost := "mean latency " + change(kept.Mean, free.Mean)
	if kept.Mean == free.Mean {
		cost = "no latency"
	}
	return fmt.Sprintf("%s of %s packets are reordered (extent %d); keeping the order holds %s packets and costs %s", report.Count(free.Reordered), report.Count(free.Packets), free.Extent, report.Count(kept.Held), cost)
}

// textPoint is the runs at the study's rate, a row each.
func textPoint(s *feasibility.Study) *report.Table {
	t := &report.Table{Title: "At " + atRate(s) + spanText(s), Left: 1, Head: []string{"", "offered", "throughput", "loss", "hits", "mean", "p50", "p99", "p999", "host cores", "PCIe B", "installs/s", "reordered"}}
	for _, r := range runs(s, true) {
		t.Add(r.name, offeredText(r.Figures), pps(r.Throughput), percent(r.Loss), hits(r.Figures), latency(r.Mean), latency(r.P50), latency(r.P99), latency(r.P999),
			digits(r.CoresNeeded), digits(r.PCIeUp+r.PCIeDown), digits(r.Installs), report.Count(r.Reordered))
	}
	return t
}

// spanText is the runs' packets and time, behind a title.
func spanText(s *feasibility.Study) string {
	if len(s.Point) == 0 {
		return ""
	}
	return fmt.Sprintf(", %s packets within %s", report.Count(s.Point[0].Packets), nanos(s.Point[0].Span))
}

// busiest names the stations of the run with NIC and host that are busiest.
func busiest(s *feasibility.Study) string {
	both := at(s, device.Both)
	if both == nil {
		return ""
	}
	var parts []string
	for _, st := range both.Stations {
		if st.Utilisation >= 0.5 || st.MaxQueue > 0 {
			parts = append(parts, fmt.Sprintf("%s %s, queue up to %s", st.Name, percent(min(st.Utilisation, 1)), report.Count(uint64(st.MaxQueue))))
		}
	}
	return strings.Join(parts, "; ")
}
