package feasibilitycmd

import (
	"fmt"
	"strings"

	"jitnic/cmd/internal/report"
	"jitnic/nic/fit"
)

// places names the first places of a blocker.
func places(b *fit.Blocker, most int) string {
	var out []string
	for i, p := range b.Places {
		if i == most {
			break
		}
		out = append(out, p.String())
	}
	if n := len(b.Places) + b.More - len(out); n > 0 {
		out = append(out, fmt.Sprintf("%d more", n))
	}
	return strings.Join(out, ", ")
}

// fitFacts are what fits, in a few lines.
func fitFacts(r *fit.Report) (out report.Facts) {
	out.Addf("can be offloaded", "%s of the packets (%s of %s); %s have a trace at all", percent(r.Share), report.Count(r.Offloadable), report.Count(r.Packets), report.Count(r.Traceable))
	out.Addf("held at once", "%s in %s slots, %s of the packets (limit.slots, limit.entries)", r.AtOnce.Counted(), report.Count(r.AtOnce.Slots), percent(r.AtOnce.Share))
	n, l := &r.Needs, &r.Limits
	has := "; the device has no limit"
	if l.MapMemory > 0 {
		has = fmt.Sprintf(" of %s (limit.map.memory)", bytesText(l.MapMemory))
	}
	out.Addf("maps on the device", "%s entries in %s%s", report.Count(n.MapEntries), bytesText(n.MapMemory), has)
	return out
}

// blockerTable is what keeps packets out.
func blockerTable(r *fit.Report, most int) *report.Table {
	t := &report.Table{ID: "blockers", Title: "What keeps packets out", Left: 4,
		Head:     []string{"#", "blocker", "limit", "where", "packets blocked", "of all", "gained by lifting it alone", "paths"},
		PageNote: "Where: instruction of the program, or the slot of a path's trace.",
	}
	for i := range r.Blockers {
		b := &r.Blockers[i]
		t.Add(fmt.Sprint(i+1), b.Title(), b.Limit, places(b, most), report.Count(b.Blocks), share(b.Blocks, r.Packets), report.Count(b.Alone), report.Count(uint64(b.Paths)))
	}
	return t
}

// stepTable is the order in which lifting pays most.
func stepTable(r *fit.Report) *report.Table {
	t := &report.Table{ID: "steps", Title: "Lifting them, in the order that gains most", Left: 1, Head: []string{"lifting", "packets gained", "then offloaded"}}
	for _, s := range r.Steps {
		var l []string
		for _, i := range s.Lift {
			l = append(l, fmt.Sprintf("#%d %s", i+1, r.Blockers[i].Title()))
		}
		t.Add(strings.Join(l, " with "), report.Count(s.Gain), percent(s.Share))
	}
	return t
}

// coverTable is how much covers so many of the packets.
func coverTable(r *fit.Report) *report.Table {
	t := &report.Table{ID: "coverage", Title: "What it takes to cover the packets", Left: 1,
		Head:     []string{"packets", "paths", "slots", "map entries", "map memory", "on this device: paths", "slots", "map entries", "map memory"},
		PageNote: "The most taken paths first, whether the device takes them or not, then those alone that it takes. A slot is 8 bytes.",
	}
	for i := range r.Coverage {
		row := []string{fmt.Sprintf("%.4g %%", 100*r.Coverage[i].Target)}
		for _, c := range []fit.Cover{r.Coverage[i], r.CoverageFit[i]} {
			if !c.Reached {
				row = append(row, "reaches "+percent(c.Share), none, none, none)
				continue
			}
			paths := report.Count(uint64(c.Paths))
			if c.Segments > 0 {
				paths = fmt.Sprintf("%s of %s segments", paths, report.Count(uint64(c.Segments)))
			}
			row = append(row, paths, report.Count(c.Slots), report.Count(c.MapEntries), bytesText(c.MapMemory))
		}
		t.Add(row...)
	}
	return t
}

// needTable sets needs against limits.
func needTable(r *fit.Report) *report.Table {
	t := &report.Table{ID: "limits", Title: "Needs against the device's limits", Left: 2, Head: []string{"", "limit", "all traces need", "those that fit need", "the device has"}}
	n, l := &r.Needs, &r.Limits
	var all fit.Needs
	if k := len(r.Coverage); k > 0 { // the last covers all there is
		c := &r.Coverage[k-1]
		all = fit.Needs{Traces: uint64(c.Paths), Slots: c.Slots, Trace: r.Trace.Paths.Max, MapEntries: c.MapEntries, MapMemory: c.MapMemory}
	}
	for i := range r.Maps {
		if m := &r.Maps[i]; m.Paths > 0 {
			all.MapEntry = max(all.MapEntry, m.Entry)
		}
	}
	t.Add("traces", "limit.entries", report.Count(all.Traces), report.Count(n.Traces), limit(l.Traces))
	t.Add("slots of traces and conditions", "limit.slots", report.Count(all.Slots), report.Count(n.Slots), limit(l.Slots))
	t.Add("longest trace, instructions", "limit.trace", report.Count(all.Trace), report.Count(n.Trace), limit(l.Trace))
	t.Add("map entries", "limit.map.entries", report.Count(all.MapEntries), report.Count(n.MapEntries), limit(l.MapEntries))
	t.Add("longest map entry, B", "limit.map.entry", report.Count(all.MapEntry), report.Count(n.MapEntry), limit(l.MapEntry))
	t.Add("map memory, B", "limit.map.memory", report.Count(all.MapMemory), report.Count(n.MapMemory), limit(l.MapMemory))
	return t
}

// sizeTable is how long traces and conditions are.
func sizeTable(r *fit.Report) *report.Table {
	t := &report.Table{ID: "sizes", Title: "Sizes", Left: 1, Head: []string{"", "min", "median", "p90", "p99", "max", "mean by path", "mean by packet", "median by packet"}}
	for _, x := range []struct {
		name string
		d    *fit.Dist
	}{{"trace, instructions", &r.Trace}, {"condition, predicates", &r.Cond}, {"entry, slots", &r.Slots}} {
		q := &x.d.Paths
		t.Add(x.name, report.Count(q.Min), report.Count(q.P50), report.Count(q.P90), report.Count(q.P99), report.Count(q.Max), digits(q.Mean), digits(x.d.Packets.Mean), report.Count(x.d.Packets.P50))
	}
	return t
}

// mapTable is the program's maps on the device.
func mapTable(r *fit.Report) *report.Table {
	t := &report.Table{ID: "maps", Title: "Maps", Left: 3, Head: []string{"map", "type", "on the device", "entry, B", "entries", "memory", "paths", "packets"}}
	for i := range r.Maps {
		m := &r.Maps[i]
		placed := "no"
		if m.Placed {
			placed = "yes"
		}
		t.Add(m.Name, m.Type, placed, report.Count(m.Entry), report.Count(m.Entries), bytesText(m.Memory), report.Count(uint64(m.Paths)), share(m.Packets, r.Packets))
	}
	return t
}

// coverFacts are the coverage in a line.
func coverFacts(r *fit.Report) (out report.Facts) {
	var parts []string
	for _, c := range r.Coverage {
		x := fmt.Sprintf("%.4g %%: ", 100*c.Target)
		if c.Reached {
			x += fmt.Sprintf("%s, %s slots", c.Counted(), report.Count(c.Slots))
		} else {
			x += "out of reach"
		}
		parts = append(parts, x)
	}
	q := &r.Trace.Paths
	d := &r.Cond.Paths
	out.Add("to cover packets", strings.Join(parts, "; "))
	out.Addf("sizes", "traces of %d to %d instructions (median %d), conditions of %d to %d predicates (median %d)", q.Min, q.Max, q.P50, d.Min, d.Max, d.P50)
	return out
}
