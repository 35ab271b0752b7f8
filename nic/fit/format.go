package fit

import (
	"fmt"
	"math"
	"strings"
	"text/tabwriter"
)

// Format prints the report as text. Where names a path's place in the program
// it is the instruction of the recorded run, else the slot of the trace.
func (r *Report) Format() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s on %s", r.Program, r.NIC)
	if r.Capture != "" {
		fmt.Fprintf(&b, ", %s", r.Capture)
	}
	fmt.Fprintf(&b, ": %d of %d packets can be offloaded (%s); %d have a trace\n", r.Offloadable, r.Packets, percent(r.Share), r.Traceable)

	if len(r.Blockers) > 0 {
		b.WriteByte('\n')
		t := table(&b)
		fmt.Fprintln(t, "#\tblocker\tblocks\talone\tpaths\twhere\t")
		for i := range r.Blockers {
			x := &r.Blockers[i]
			fmt.Fprintf(t, "%d\t%s\t%d\t+%d\t%d\t%s\t\n", i+1, x.Title(), x.Blocks, x.Alone, x.Paths, x.where())
		}
		t.Flush()
		b.WriteByte('\n')
		t = table(&b)
		fmt.Fprintln(t, "lifting\tgains\tthen offloaded\t")
		for _, s := range r.Steps {
			var l []string
			for _, i := range s.Lift {
				l = append(l, fmt.Sprintf("#%d", i+1))
			}
			fmt.Fprintf(t, "%s\t+%d\t%s\t\n", strings.Join(l, " "), s.Gain, percent(s.Share))
		}
		t.Flush()
	}

	b.WriteByte('\n')
	t := table(&b)
	fmt.Fprintln(t, "packets\tpaths\tslots\tmap entries\tmap bytes\tof those that fit: paths\tslots\tmap entries\tmap bytes\t")
	for i := range r.Coverage {
		fmt.Fprintf(t, "%s", percent(Targets[i]))
		for _, c := range []Cover{r.Coverage[i], r.CoverageFit[i]} {
			if !c.Reached {
				fmt.Fprintf(t, "\tnot reached: %s\t\t\t", percent(c.Share))
				continue
			}
			fmt.Fprintf(t, "\t%d\t%d\t%d\t%d", c.Paths, c.Slots, c.MapEntries, c.MapMemory)
		}
		fmt.Fprintln(t, "\t")
	}
	t.Flush()
	fmt.Fprintf(&b, "at once: %s in %d slots, %s of the packets\n\n", r.AtOnce.Counted(), r.AtOnce.Slots, percent(r.AtOnce.Share))

	t = table(&b)
	fmt.Fprintln(t, "needed\tall that fits\tlimit\t")
	for _, x := range []struct {
		name        string
		need, limit uint64
	}{
		{"traces", r.Needs.Traces, r.Limits.Traces}, {"slots", r.Needs.Slots, r.Limits.Slots}, {"longest trace", r.Needs.Trace, r.Limits.Trace},
		{"map entries", r.Needs.MapEntries, r.Limits.MapEntries}, {"longest map entry, B", r.Needs.MapEntry, r.Limits.MapEntry}, {"map memory, B", r.Needs.MapMemory, r.Limits.MapMemory},
	} {
		limit := "none"
		if x.limit > 0 {
			limit = fmt.Sprint(x.limit)
		}
		fmt.Fprintf(t, "%s\t%d\t%s\t\n", x.name, x.need, limit)
	}
	t.Flush()

	b.WriteByte('\n')
	t = table(&b)
	fmt.Fprintln(t, "sizes\tmin\tp50\tp90\tp99\tmax\tmean by path\tmean by packet\t")
	for _, x := range []struct {
		name string
		d    Dist
	}{{"trace, insns", r.Trace}, {"condition, predicates", r.Cond}, {"entry, slots", r.Slots}} {
		q := x.d.Paths
		fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%d\t%d\t%.1f\t%.1f\t\n", x.name, q.Min, q.P50, q.P90, q.P99, q.Max, q.Mean, x.d.Packets.Mean)
	}
	t.Flush()
	return tidy(b.String())
}

// Title is the blocker in a few words: "helper ktime_get_ns".
func (b *Blocker) Title() string {
	s := string(b.Kind) + " " + b.Name
	switch b.Kind {
	case KindAbort:
		s = "no trace: " + b.Name
	case KindTrace, KindStore, KindMapEntries, KindMapMemory:
		s = b.Name
	}
	if b.Detail != "" && b.Kind != KindAbort {
		s += " (" + b.Detail + ")"
	}
	return s
}

// where lists the places.
func (b *Blocker) where() string {
	var out []string
	for i, p := range b.Places {
		if i == 3 {
			break
		}
		out = append(out, p.String())
	}
	if n := len(b.Places) + b.More - len(out); n > 0 {
		out = append(out, fmt.Sprintf("%d more", n))
	}
	return strings.Join(out, ", ")
}

// String is the place in the program, else in a trace.
func (p Place) String() string {
	switch {
	case p.Insn >= 0 && p.Program != "":
		return fmt.Sprintf("%s insn %d", p.Program, p.Insn)
	case p.Insn >= 0:
		return fmt.Sprintf("program %d insn %d", p.Prog, p.Insn)
	case p.Slot < 0:
		return fmt.Sprintf("path %d condition", p.Path)
	case p.Slot == 0:
		return fmt.Sprintf("path %d", p.Path)
	}
	return fmt.Sprintf("path %d slot %d", p.Path, p.Slot)
}

func percent(x float64) string {
	s := fmt.Sprintf("%.3f", math.Floor(x*1e5+1e-6)/1e3) // rounded down: nearly all is not all
	s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	return s + " %"
}

func table(b *strings.Builder) *tabwriter.Writer { return tabwriter.NewWriter(b, 0, 0, 2, ' ', 0) }

// tidy takes the blanks off the ends of lines.
func tidy(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n")
}
