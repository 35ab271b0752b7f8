package feasibilitycmd

import (
	"fmt"
	"strings"

	"jitnic/cmd/internal/report"
	"jitnic/nic/designs"
	"jitnic/nic/feasibility"
)

// designTable is the designs side by side, a column each.
func designTable(s *feasibility.Study) *report.Table {
	c := s.Designs
	t := &report.Table{ID: "designs", Title: "Designs side by side", Left: 1, Head: []string{""}}
	for _, r := range c.Results {
		t.Head = append(t.Head, r.Design)
	}
	row := func(name string, cell func(r *designs.Result) string) {
		cells := []string{name}
		for _, r := range c.Results {
			cells = append(cells, cell(r))
		}
		t.Add(cells...)
	}
	cached := func(f func(r *designs.Result) string) func(r *designs.Result) string {
		return func(r *designs.Result) string {
			if !r.Cached {
				return none
			}
			return f(r)
		}
	}
	row("wholly on the NIC", func(r *designs.Result) string { return percent(r.HitRatio) })
	row("begun there", func(r *designs.Result) string { return share(r.Part, r.Packets) })
	row("decided wrongly", func(r *designs.Result) string { return share(r.Wrong, r.Packets) })
	row("work on the NIC", func(r *designs.Result) string { return percent(r.WorkShare) })
	row("host time saved", func(r *designs.Result) string { return percent(r.HostSaved) })
	row("host time left a packet", func(r *designs.Result) string { return nanos(r.HostNS) })
	row("device cycles a packet", func(r *designs.Result) string { return digits(r.Cycles) })
	row("latency, idle", func(r *designs.Result) string { return nanos(r.Latency) })
	row("entries asked for", func(r *designs.Result) string { return report.Count(r.Entries) })
	row("entries used at once", func(r *designs.Result) string { return report.Count(r.Used) })
	for i, x := range designs.Targets {
		row(fmt.Sprintf("entries for %.4g %% hits", 100*x), func(r *designs.Result) string {
			if i >= len(r.Need) || !r.Need[i].Reached {
				return none
			}
			return report.Count(r.Need[i].Entries)
		})
	}
	row("slots", func(r *designs.Result) string { return report.Count(r.Slots) })
	row("masks", func(r *designs.Result) string {
		if r.Masks == 0 {
			return none
		}
		return fmt.Sprint(r.Masks)
	})
	row("installs", cached(func(r *designs.Result) string { return report.Count(r.Installs) }))
	row("installs, capture's time", cached(func(r *designs.Result) string { return perSecond(r.InstallRate) }))
	row("evictions", cached(func(r *designs.Result) string { return report.Count(r.Evictions) }))
	row("invalidations", cached(func(r *designs.Result) string { return report.Count(r.Invalidations) }))
	if len(s.Loaded) != len(c.Results) {
		return t
	}
	t.PageNote = "Above: the capture once, beginning with nothing installed, on an idle device. Below: under load and settled, which every design begins having seen the whole capture; where its budget holds them all, a flow cache then knows each flow beforehand, which real traffic does not grant it."
	row("at "+pps(float64(s.Rate)), func(*designs.Result) string { return "" })
	loaded := func(name string, cell func(f *feasibility.Figures) string) {
		cells := []string{name}
		for _, f := range s.Loaded {
			cells = append(cells, cell(f))
		}
		t.Add(cells...)
	}
	loaded("  throughput", func(f *feasibility.Figures) string { return pps(f.Throughput) })
	loaded("  loss", func(f *feasibility.Figures) string { return percent(f.Loss) })
	loaded("  hit ratio", hits)
	loaded("  latency, mean", func(f *feasibility.Figures) string { return latency(f.Mean) })
	loaded("  latency, p99", func(f *feasibility.Figures) string { return latency(f.P99) })
	loaded("  host cores needed", func(f *feasibility.Figures) string { return digits(f.CoresNeeded) })
	loaded("  PCIe B/packet", func(f *feasibility.Figures) string { return digits(f.PCIeUp + f.PCIeDown) })
	return t
}

// designFacts say what the designs are and which is ahead.
func designFacts(s *feasibility.Study) (out report.Facts) {
	for _, r := range s.Designs.Results {
		out.Add(r.Design, r.Is)
	}
	for _, m := range s.Designs.Best {
		out.Addf("best "+m.Measure, "%s (%s %s), of those that decide no packet wrongly", m.Design, digits(m.Value), m.Unit)
	}
	out.Add("latency, idle", designs.Latency)
	return out
}

// claimTable is JITNIC's own claims as numbers.
func claimTable(c *designs.Claim) *report.Table {
	t := &report.Table{ID: "claims", Title: "JITNIC's claims on this capture: few entries suffice, few traces cover most packets", Left: 1,
		PageNote: fmt.Sprintf("Of %d paths that the device can hold; a cache without bound hits %s. Entries by unit size, with no time to install.", c.Paths, percent(c.Ceiling))}
	t.Head = []string{"share of packets"}
	for _, x := range designs.Targets {
		t.Head = append(t.Head, fmt.Sprintf("%.4g %%", 100*x))
	}
	row := func(name string, ns []designs.Need) {
		cells := []string{name}
		for _, n := range ns {
			cells = append(cells, n.String())
		}
		t.Add(cells...)
	}
	row("entries that hit it, lru", c.LRU)
	row("entries that hit it, the best possible", c.Optimal)
	row("paths that cover it", c.Covers)
	return t
}

// topTable is how much the most taken paths cover.
func topTable(c *designs.Claim) *report.Table {
	t := &report.Table{ID: "top", Title: "Share of packets of the most taken paths", Head: []string{"paths", "packets"}}
	for _, v := range c.Coverage {
		t.Add(report.Count(v.Paths), percent(v.Share))
	}
	return t
}

// thrashTable is a cache one smaller than the working set.
func thrashTable(c *designs.Claim) *report.Table {
	x := c.Thrash
	t := &report.Table{ID: "thrash", Title: fmt.Sprintf("Thrashing: hit ratio with one entry fewer than a working set of %d paths, and with as many", x.Entries), Left: 1,
		Head:     []string{"policy", fmt.Sprintf("in turn, %d entries", x.Entries-1), fmt.Sprintf("in turn, %d", x.Entries), fmt.Sprintf("the capture, %d", x.Entries-1), fmt.Sprintf("the capture, %d", x.Entries)},
		PageNote: fmt.Sprintf("In turn: the working set round after round, %d times. The working set is the most taken paths that take 99 %% of the packets.", x.Rounds)}
	for _, r := range x.Rows {
		t.Add(r.Policy, percent(r.CyclicBelow), percent(r.Cyclic), percent(r.CaptureBelow), percent(r.Capture))
	}
	return t
}

// claimLine is the claims in a line.
func claimLine(c *designs.Claim) string {
	var parts []string
	list := func(ns []designs.Need) string {
		var out []string
		for _, n := range ns {
			out = append(out, n.String())
		}
		return strings.Join(out, " / ")
	}
	parts = append(parts, fmt.Sprintf("for 90 / 99 / 99.9 %% hits lru needs %s entries, the best possible cache %s; %s paths cover as much", list(c.LRU), list(c.Optimal), list(c.Covers)))
	if t := c.Thrash; t != nil && len(t.Rows) > 0 {
		r := t.Rows[0]
		parts = append(parts, fmt.Sprintf("%s of %d paths in turn: %s with %d entries, %s with %d", r.Policy, t.Entries, percent(r.CyclicBelow), t.Entries-1, percent(r.Cyclic), t.Entries))
	}
	return strings.Join(parts, "; ")
}

// textDesigns are the designs, a row each.
func textDesigns(s *feasibility.Study) *report.Table {
	t := &report.Table{Title: "Designs on the same capture and budget", Left: 1, Head: []string{"design", "on the NIC", "wrong", "host time saved", "entries used", "for 99 %", "idle latency", "loaded: loss", "mean", "host cores"}}
	for i, r := range s.Designs.Results {
		need := none
		if len(r.Need) > 1 {
			need = r.Need[1].String()
		}
		row := []string{r.Design, percent(r.HitRatio), share(r.Wrong, r.Packets), percent(r.HostSaved), report.Count(r.Used), need, nanos(r.Latency), none, none, none}
		if i < len(s.Loaded) {
			f := s.Loaded[i]
			row[7], row[8], row[9] = percent(f.Loss), latency(f.Mean), digits(f.CoresNeeded)
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// designBars are the designs by what they take off the host.
func designBars(s *feasibility.Study, slug string) *report.Bars {
	if s.Designs == nil {
		return nil
	}
	b := &report.Bars{ID: "designs-" + slug, Text: func(v float64) string { return percent(v / 100) }, Title: "Designs: " + s.Program + " on " + s.NIC.Name, X: "%"}
	on, saved, lost := report.BarGroup{Name: "packets wholly on the NIC"}, report.BarGroup{Name: "host time saved"}, report.BarGroup{Name: "packets lost under load"}
	for i, r := range s.Designs.Results {
		b.Names = append(b.Names, r.Design)
		on.Values, saved.Values = append(on.Values, 100*r.HitRatio), append(saved.Values, 100*r.HostSaved)
		if i < len(s.Loaded) {
			lost.Values = append(lost.Values, 100*s.Loaded[i].Loss)
		}
	}
	b.Groups = []report.BarGroup{on, saved}
	if len(lost.Values) == len(b.Names) {
		b.Groups = append(b.Groups, lost)
	}
	return b
}
