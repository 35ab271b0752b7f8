package feasibilitycmd

import (
	"fmt"

	"jitnic/cmd/internal/report"
	"jitnic/nic/match"
)

// shareText is a number of conditions with the share of packets they stand for.
func shareText(s match.Share, all uint64) string {
	return fmt.Sprintf("%d (%s)", s.Conditions, share(s.Packets, all))
}

// matcherTable is the kinds of matchers side by side.
func matcherTable(r *match.Report) *report.Table {
	t := &report.Table{ID: "matchers", Title: "Matchers side by side", Left: 1,
		Head:     []string{"matcher", "holds conditions (packets)", "entries", "capacity", "key", "memory", "steps", "worst", "look-ups", "hit, cycles", "worst", "miss, cycles", "hit"},
		PageNote: "* the device's own (matcher.kind) with its limits; the others at the same matcher.base, matcher.step and matcher.lookup, without limits. Steps: rounds of the linear matcher, nodes of the guard tree, probes of tuple-space search.",
	}
	for i := range r.Matchers {
		m := &r.Matchers[i]
		name := string(m.Kind)
		if m.Own {
			name += " *"
		}
		key := none
		if m.Width > 0 {
			key = fmt.Sprintf("%d bit", m.Width)
		}
		if m.Holds.Conditions == 0 {
			t.Add(name, shareText(m.Holds, r.Packets), "0", limit(m.Capacity), key, none, none, none, none, none, none, none, none)
			continue
		}
		t.Add(name, shareText(m.Holds, r.Packets), report.Count(m.Entries), limit(m.Capacity), key, bits(m.Bits), digits(m.Steps), fmt.Sprint(m.StepsMax),
			digits(m.Lookups), digits(m.Cycles), fmt.Sprint(m.Max), fmt.Sprint(m.Miss), nanos(m.NS))
	}
	return t
}

// refusalTable is why matchers can't hold conditions.
func refusalTable(r *match.Report) *report.Table {
	t := &report.Table{ID: "refusals", Title: "Why matchers can't hold conditions", Left: 2, Head: []string{"matcher", "reason", "conditions (packets)"}}
	for i := range r.Matchers {
		for _, x := range r.Matchers[i].Refused {
			t.Add(string(r.Matchers[i].Kind), x.Reason, shareText(x.Share, r.Packets))
		}
	}
	return t
}

// classTable is what predicates ask.
func classTable(r *match.Report) *report.Table {
	t := &report.Table{ID: "classes", Title: "What predicates ask", Left: 1, Head: []string{"class", "predicates", "in conditions (packets)"}}
	for _, c := range r.Predicates {
		t.Add(c.Class, fmt.Sprint(c.Predicates), shareText(match.Share{Conditions: c.Conditions, Packets: c.Packets}, r.Packets))
	}
	return t
}

// ternaryTable is what a TCAM or tuple-space search could hold at all.
func ternaryTable(r *match.Report) *report.Table {
	t := &report.Table{ID: "ternary", Title: "What a TCAM or tuple-space search could hold at all", Left: 1, Head: []string{"", "on the bare packet", "behind a parser"},
		PageNote: "Conditions, with the share of packets; whatever the size. A parser finds fields behind headers of variable length and compares lengths.",
	}
	a, b := &r.TCAM, &r.Parsed
	t.Add("TCAM: whole conditions", shareText(a.Whole, r.Packets), shareText(b.Whole, r.Packets))
	t.Add("TCAM: but for what they ask of maps", shareText(a.Stateless, r.Packets), shareText(b.Stateless, r.Packets))
	t.Add("entries, ranges expanded to prefixes", report.Count(a.Expanded), report.Count(b.Expanded))
	t.Add("entries, with priorities", report.Count(a.Priority), report.Count(b.Priority))
	t.Add("entries, with range matching", report.Count(a.Ranged), report.Count(b.Ranged))
	t.Add("key, bits", fmt.Sprint(a.Width), fmt.Sprint(b.Width))
	for _, n := range r.Needs {
		t.Add("beyond entries it takes: "+n.What, shareText(n.Share, r.Packets), shareText(n.Parsed, r.Packets))
	}
	s := &r.TSS
	t.Add("TSS: one masked equality and nothing else", shareText(s.Masked, r.Packets), none)
	t.Add("TSS: after expansion", fmt.Sprintf("%s; %d masks, %s entries", shareText(s.Whole, r.Packets), s.ExpandedTuples, report.Count(s.Expanded)), none)
	t.Add("TSS: with the rest checked after a probe", fmt.Sprintf("%s; %d masks, %d entries", shareText(match.Share{Conditions: r.Conditions, Packets: r.PathPackets}, r.Packets), s.Count, s.Entries), none)
	t.Add("TSS: probes of a hit, mean and worst", fmt.Sprintf("%s, %d", digits(s.Probes), s.ProbesMax), none)
	return t
}

// predicateTable is the predicates that no entry expresses.
func predicateTable(r *match.Report) *report.Table {
	t := &report.Table{ID: "predicates", Title: "Predicates that keep conditions out of a TCAM", Left: 3, Head: []string{"predicate", "class", "a parser does it", "conditions (packets)", "by it alone"}}
	for _, b := range r.Blockers {
		p := "no"
		if b.Parsed {
			p = "yes"
		}
		t.Add(b.Text, b.Class, p, shareText(b.Share, r.Packets), shareText(b.Alone, r.Packets))
	}
	return t
}

// textMatchers are the matchers side by side, as a terminal has room.
func textMatchers(r *match.Report) *report.Table {
	t := &report.Table{Title: "Matchers (* the device's own)", Left: 1, Head: []string{"matcher", "holds packets", "entries", "capacity", "key", "memory (SRAM; TCAM: TCAM)", "hit, cycles", "worst", "hit"}}
	for i := range r.Matchers {
		m := &r.Matchers[i]
		name := string(m.Kind)
		if m.Own {
			name += " *"
		}
		if m.Holds.Conditions == 0 {
			t.Add(name, "none", "0", limit(m.Capacity), none, none, none, none, none)
			continue
		}
		key := none
		if m.Width > 0 {
			key = fmt.Sprintf("%d bit", m.Width)
		}
		t.Add(name, share(m.Holds.Packets, r.Packets), report.Count(m.Entries), limit(m.Capacity), key, bits(m.Bits), digits(m.Cycles), fmt.Sprint(m.Max), nanos(m.NS))
	}
	return t
}

// textTernary is what a TCAM could hold, as a terminal has room.
func textTernary(r *match.Report) *report.Table {
	t := &report.Table{Title: "In a TCAM of any size", Left: 1, Head: []string{"conditions read from", "whole", "but for maps", "entries as ranges", "with priorities", "expanded to prefixes", "key", "TCAM expanded"}}
	for _, x := range []struct {
		name string
		t    *match.Ternary
	}{{"the bare packet", &r.TCAM}, {"behind a parser", &r.Parsed}} {
		t.Add(x.name, shareText(x.t.Whole, r.Packets), shareText(x.t.Stateless, r.Packets), report.Count(x.t.Ranged), report.Count(x.t.Priority), report.Count(x.t.Expanded),
			fmt.Sprintf("%d bit", x.t.Width), bits(x.t.Expanded*uint64(x.t.Width)))
	}
	return t
}
