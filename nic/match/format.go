package match

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// maxColumn bounds a predicate's text in a table.
const maxColumn = 72

// Format writes the report as text, one table after the other.
func (r *Report) Format(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	line := func(cols ...any) {
		s := make([]string, len(cols))
		for i, c := range cols {
			s[i] = fmt.Sprint(c)
		}
		fmt.Fprintln(w, strings.TrimRight(strings.Join(s, "\t"), "\t"))
	}
	share := func(s Share) string { return fmt.Sprintf("%d (%s)", s.Conditions, r.percent(s.Packets)) }

	line("program", r.Program)
	line("capture", r.Capture)
	line("conditions", fmt.Sprintf("%d, of %s of %d packets", r.Conditions, r.percent(r.PathPackets), r.Packets))
	line("predicates", fmt.Sprintf("%.1f of a condition, at most %d", r.PerMean, r.PerMax))
	line()
	line("matcher", "holds", "entries", "capacity", "key", "memory", "steps", "worst", "look-ups", "hit", "worst", "miss")
	for _, m := range r.Matchers {
		name := string(m.Kind)
		if m.Own {
			name += " *"
		}
		line(name, share(m.Holds), m.Entries, limit(m.Capacity), bitsText(uint64(m.Width)), bitsText(m.Bits), fmt.Sprintf("%.1f", m.Steps), m.StepsMax,
			fmt.Sprintf("%.1f", m.Lookups), fmt.Sprintf("%.1f cycles", m.Cycles), m.Max, m.Miss)
	}
	line("* of " + r.NIC + ", with its limits")
	line()
	line("predicates", "number", "in conditions")
	for _, c := range r.Predicates {
		line(c.Class, c.Predicates, share(Share{c.Conditions, c.Packets}))
	}
	line()
	line("beyond entries it takes", "conditions", "behind a parser")
	for _, n := range r.Needs {
		line(n.What, share(n.Share), share(n.Parsed))
	}
	line()
	line("TCAM", "on the packet", "behind a parser")
	line("holds whole", share(r.TCAM.Whole), share(r.Parsed.Whole))
	line("without maps", share(r.TCAM.Stateless), share(r.Parsed.Stateless))
	line("distinct of these", r.TCAM.Parts, r.Parsed.Parts)
	line("entries, expanded", r.TCAM.Expanded, r.Parsed.Expanded)
	line("entries, by priority", r.TCAM.Priority, r.Parsed.Priority)
	line("entries, ranges encoded", r.TCAM.Ranged, r.Parsed.Ranged)
	line("key", bitsText(uint64(r.TCAM.Width)), bitsText(uint64(r.Parsed.Width)))
	line()
	line("tuple-space search")
	line("masked equality only", share(r.TSS.Masked))
	line("after expansion", share(r.TSS.Whole), fmt.Sprintf("%d masks, %d entries", r.TSS.ExpandedTuples, r.TSS.Expanded))
	line("with the rest checked", share(Share{r.Conditions, r.PathPackets}), fmt.Sprintf("%d masks, %d entries", r.TSS.Count, r.TSS.Entries))
	line("probes", fmt.Sprintf("%.1f", r.TSS.Probes), fmt.Sprintf("worst %d", r.TSS.ProbesMax))
	line("candidates", fmt.Sprintf("%.1f", r.TSS.Candidates), fmt.Sprintf("worst %d", r.TSS.CandidatesMax))
	if len(r.Blockers) > 0 {
		line()
		line("kept out of a TCAM by", "class", "conditions", "by it alone", "parser")
		for _, b := range r.Blockers {
			p := ""
			if b.Parsed {
				p = "does it"
			}
			text := []rune(b.Text)
			if len(text) > maxColumn {
				text = append(text[:maxColumn-1], '…')
			}
			line(string(text), b.Class, share(b.Share), share(b.Alone), p)
		}
	}
	return w.Flush()
}

func (r *Report) percent(n uint64) string {
	if r.Packets == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f %%", 100*float64(n)/float64(r.Packets))
}

func limit(n uint64) string {
	if n == 0 {
		return "-"
	}
	return fmt.Sprint(n)
}

// bitsText is a memory size: bits, from 1,024 on Kibit.
func bitsText(n uint64) string {
	switch {
	case n == 0:
		return "-"
	case n < 1024:
		return fmt.Sprintf("%d bit", n)
	}
	return fmt.Sprintf("%.1f Kibit", float64(n)/1024)
}
