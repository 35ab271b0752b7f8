package feasibilitycmd

import (
	"fmt"
	"strings"

	"jitnic/cmd/internal/report"
	"jitnic/nic/device"
	"jitnic/nic/feasibility"
)

// overview is all devices side by side, a column each.
func (r *Report) overview() *report.Table {
	t := &report.Table{ID: "overview", Open: true, PageNote: "Break-even: the hit ratio below which the offload loses; any: it wins at every one, never: it loses at every one. Host cores needed are for all that the host is offered, lost packets included.", Title: "Devices side by side", Left: 1, Head: []string{""}}
	for _, s := range r.Studies {
		t.Head = append(t.Head, s.NIC.Name)
	}
	row := func(name string, cell func(s *feasibility.Study) string) {
		cells := []string{name}
		for _, s := range r.Studies {
			cells = append(cells, cell(s))
		}
		for _, c := range cells[1:] {
			if c != none {
				t.Add(cells...)
				return
			}
		}
	}
	// of is a cell that needs the runs of the verdict.
	of := func(cell func(s *feasibility.Study, both, host *feasibility.Figures) string) func(s *feasibility.Study) string {
		return func(s *feasibility.Study) string {
			if !judged(s) {
				return none
			}
			return cell(s, at(s, device.Both), at(s, device.HostOnly))
		}
	}
	row("answer", answer)
	row("packets that can be offloaded", func(s *feasibility.Study) string {
		if !judged(s) {
			return none
		}
		return percent(s.Need.Offload)
	})
	row("hit ratio", of(func(s *feasibility.Study, both, _ *feasibility.Figures) string { return percent(both.HitRatio) }))
	row("break-even hit ratio, cores", of(func(s *feasibility.Study, _, _ *feasibility.Figures) string { return even(s.BreakEven.Cores) }))
	row("break-even hit ratio, latency", of(func(s *feasibility.Study, both, host *feasibility.Figures) string { return latencyEven(s) }))
	row("host cores needed", of(func(s *feasibility.Study, both, _ *feasibility.Figures) string {
		return digits(both.CoresNeeded + s.Need.CompileCores)
	}))
	row("  of these, making traces", of(func(s *feasibility.Study, _, _ *feasibility.Figures) string { return digits(s.Need.CompileCores) }))
	row("  host only", of(func(_ *feasibility.Study, _, host *feasibility.Figures) string { return digits(host.CoresNeeded) }))
	row("latency, mean", of(func(_ *feasibility.Study, both, _ *feasibility.Figures) string { return latency(both.Mean) }))
	row("  host only", of(func(_ *feasibility.Study, _, host *feasibility.Figures) string { return latency(host.Mean) }))
	row("latency, p99", of(func(_ *feasibility.Study, both, _ *feasibility.Figures) string { return latency(both.P99) }))
	row("  host only", of(func(_ *feasibility.Study, _, host *feasibility.Figures) string { return latency(host.P99) }))
	row("loss", of(func(_ *feasibility.Study, both, _ *feasibility.Figures) string { return percent(both.Loss) }))
	row("  host only", of(func(_ *feasibility.Study, _, host *feasibility.Figures) string { return percent(host.Loss) }))
	for _, m := range []device.Mode{device.Both, device.HostOnly, device.NICOnly} {
		name := "  " + modeName(m.String())
		if m == device.Both {
			name = "loss-free rate (MLFFR), NIC + host"
		}
		text := func(s *feasibility.Study, optimised bool) string {
			if m == device.NICOnly {
				return nicRate(s, throughput(s, m, optimised))
			}
			return rateText(throughput(s, m, optimised))
		}
		row(name, func(s *feasibility.Study) string { return text(s, false) })
		if m != device.HostOnly {
			row("    superoptimized", func(s *feasibility.Study) string { return text(s, true) })
		}
	}
	return t
}

// latencyEven is the break-even hit ratio by latency; none where nothing hit, as
// the latency of a hit is then not known.
func latencyEven(s *feasibility.Study) string {
	if s.BreakEven.HitLatency == 0 {
		return none
	}
	return even(s.BreakEven.Latency)
}

// evenTable shows what the break-even hit ratios are made of.
func evenTable(s *feasibility.Study) *report.Table {
	b := &s.BreakEven
	both := at(s, device.Both)
	t := &report.Table{ID: "even", Title: "Break-even hit ratio", Left: 1,
		Head: []string{"on average", "hit", "miss", "making traces, a miss", "host only", "the rest", "host only", "break-even", "reached"},
		PageNote: "The hit ratio, of all packets, at which NIC and host together cost what the host alone costs; any: it loses at none; never: it loses at every one that the packets allow. " +
			"Host core time: hit × h + (miss + making traces) × (s − h) + rest × (1 − s) = host only × s + host only, rest × (1 − s), with s = " + percent(b.Share) + " of the packets that the device can take; the rest runs on the host and reaches for maps that are on the device. Latency: hit × h + miss × (1 − h) = host only, as it was in this run with its waiting.",
	}
	rest, restHost := none, none
	if b.Share < 1 {
		rest, restHost = nanos(b.Rest), nanos(b.RestHost)
	}
	t.Add("host core time", nanos(b.HitCore), nanos(b.MissCore), nanos(b.Compile), nanos(b.HostCore), rest, restHost, even(b.Cores), percent(both.HitRatio))
	t.Add("latency", latency(b.HitLatency), latency(b.MissLatency), none, latency(b.HostLatency), none, none, latencyEven(s), percent(both.HitRatio))
	return t
}

// needs is what the offload asks for and what it gives.
func needs(s *feasibility.Study) (out report.Facts) {
	d := &s.Need
	lim := "none"
	if d.InstallLimit > 0 {
		lim = perSecond(d.InstallLimit)
	}
	out.Add("installs needed", perSecond(d.Installs)+" at this rate, "+perSecond(d.CapturedInstalls)+" at the capture's own; limit "+lim+" (install.base, install.slot, install.rate)")
	out.Add("host cores saved", digits(d.CoresSaved)+", after "+digits(d.CompileCores)+" that make traces")
	out.Add("PCIe saved", digits(d.PCIeSaved)+" B a packet")
	out.Add("latency won", nanos(d.LatencyWon)+" a packet on average")
	return out
}

// mostNamed is how many parameters the verdict's sentence names.
const mostNamed = 4

// verdictFacts are the reasons, and what the offload asks for and gives; whole
// with the answer's own.
func verdictFacts(s *feasibility.Study, whole bool) (out report.Facts) {
	if !judged(s) {
		return nil
	}
	v := &s.Verdict
	add := func(name string, list []string) {
		if len(list) > 0 {
			out.Add(name, strings.Join(list, "; "))
		}
	}
	if whole {
		add("would keep up", v.Would)
		add("for", v.For)
		add("against", v.Against)
	}
	if whole || len(v.On) > mostNamed {
		add("depends on", v.On)
	}
	if text := chanceText(s.Chance); text != "" {
		out.Add("over seeds", text)
	}
	out.Add("break-even", "hit ratio for host cores: "+even(s.BreakEven.Cores)+"; for latency: "+latencyEven(s)+"; reached: "+percent(at(s, device.Both).HitRatio))
	out = append(out, pays(s)...)
	if s.Budget != "" {
		out.Add("trace cache", s.Budget)
	}
	return append(out, needs(s)...)
}

// pays say how long after a path's first packet its trace has paid, and by tier when
// what the compiler did has.
func pays(s *feasibility.Study) (out report.Facts) {
	p, of := s.Pays, "path"
	if s.Segments != nil {
		of = "segment"
	}
	if p == nil || p.Paths == 0 {
		return nil
	}
	text := fmt.Sprintf("from an empty cache none of %s within the run", plural(p.Paths, of, of+"s"))
	if p.Paid > 0 {
		text = fmt.Sprintf("%s after its %s's first packet in the median (nine of ten within %s), compile queue and install included; %d of %s, with %s of the packets, within the run",
			latency(p.Median), of, latency(p.P90), p.Paid, plural(p.Paths, of, of+"s"), percent(p.Packets))
	}
	out.Add("a trace pays", text)
	for i := range p.Tiers {
		t := &p.Tiers[i]
		out.Add(fmt.Sprintf("  tier %d", t.Tier), tierText(t))
	}
	if w := p.Swaps; w != nil && w.Hot > 0 {
		text := fmt.Sprintf("in the run from an empty cache %d traces became hot, %d of %d better ones found were swapped in, %d searches were not done when it ended", w.Hot, w.Swapped, w.Found, w.Unfinished)
		if w.Paid > 0 {
			text += fmt.Sprintf("; %d have paid, %s after the %s's first packet in the median", w.Paid, latency(w.Median), of)
		}
		out.Add("  swaps", text)
	}
	return out
}

// tierText is what a tier costs and gains, and when that has paid.
func tierText(t *feasibility.TierPayback) string {
	text := fmt.Sprintf("%s a trace", latency(t.Spent))
	if t.Tier == 2 && t.Traces > 0 {
		text += fmt.Sprintf(", for %d that are hot %s after the path's first packet (median): %s until a compiler is free (mean), and a swap of %s for the %d better ones found", t.Traces, latency(t.Hot), latency(t.Wait), latency(t.Swap), t.Found)
	}
	switch {
	case t.Tier == 2 && t.Traces == 0 && t.Spent == 0:
		return "no trace becomes hot"
	case t.Hits < 0 && t.Tier > 0:
		return text + "; most hits save no cycle"
	case t.Hits < 0:
		return text + "; most hits save the host nothing"
	}
	return text + fmt.Sprintf("; a hit saves on average %s of %s: paid after %s hits in the median, %s after the path's first packet at its rate", latency(t.Gain), t.Of, report.Count(uint64(t.Hits)), latency(t.After))
}

// chanceText is what the runs compared give over seeds, where that differs: the
// mean, and the interval that holds the true one with 95 %.
func chanceText(c *feasibility.Chance) string {
	if c == nil {
		return ""
	}
	var out []string
	for _, x := range c.Figures {
		if x.One == 0 || x.Mode == "" {
			continue
		}
		text := percent
		switch x.Name {
		case feasibility.SpreadLatency:
			text = nanos
		case feasibility.SpreadCores:
			text = digits
		}
		out = append(out, fmt.Sprintf("%s, %s %s ± %s", strings.TrimSuffix(x.Name, ", ns"), modeName(x.Mode), text(x.Mean), text(x.High-x.Mean)))
	}
	if len(out) == 0 {
		return fmt.Sprintf("%d runs give the same", c.Runs)
	}
	return fmt.Sprintf("%d runs, each from another packet of the capture on; 95 %% interval of the mean: %s", c.Runs, strings.Join(out, "; "))
}
