package superoptcmd

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"jitnic/cmd/internal/report"
	"jitnic/superopt"
)

// Text prints the report for a person: each program's difference with comments
// and its proof, then the sums.
func (r *Report) Text(w io.Writer) error {
	for _, p := range r.Programs {
		if err := p.text(w, r.Cost); err != nil {
			return err
		}
	}
	f := report.NewFields(w)
	name := r.File
	if r.Interrupted {
		name += "  (interrupted: the best proved so far)"
	}
	f.Line("file", name)
	f.Line("slots", change(float64(r.Before), float64(r.After), "%.0f"))
	f.Line("latency", change(r.LatBefore, r.LatAfter, "%.1f")+" ns, by table")
	if r.Cost == "count-no-atomics" {
		f.Line("cost", change(r.CostBefore, r.CostAfter, "%g")+" "+r.Cost)
	}
	if r.NIC != "" {
		f.Line("cycles", change(float64(r.CycBefore), float64(r.CycAfter), "%.0f")+" on "+r.NIC+", straight through")
	}
	if r.Out != "" {
		f.Line("bytes", change(float64(r.Bytes.Before), float64(r.Bytes.After), "%.0f"))
	}
	if len(r.OutTop) > 0 {
		f.Line("beside it", strings.Join(r.OutTop, ", "))
	}
	f.Line("proofs", fmt.Sprintf("%d proved, %d refuted, %d unknown", r.Proved, r.Refuted, r.Unknown))
	f.Line("search", fmt.Sprintf("%s proposals, %s per second", report.Count(uint64(r.Proposals)), report.Count(uint64(r.PerSecond))))
	rules := fmt.Sprintf("%d hits", r.RuleHits)
	if r.Rules != "" {
		rules += fmt.Sprintf("; %d found, kept in %s", r.RulesFound, r.Rules)
	}
	f.Line("rules", rules)
	f.Line("seconds", fmt.Sprintf("%.2f", r.Seconds))
	f.Line("kernel", kernelText(r.Kernel))
	return f.Flush()
}

func change(before, after float64, verb string) string {
	s := fmt.Sprintf(verb+" -> "+verb, before, after)
	if before > 0 && after != before {
		s += fmt.Sprintf(" (%+.1f %%)", 100*(after-before)/before)
	}
	return s
}

func kernelText(k *superopt.Kernel) string {
	if k == nil {
		return "not asked"
	}
	s := "not loaded"
	if k.Loaded {
		s = fmt.Sprintf("loaded, %s runs, %d differences", report.Count(uint64(k.Runs)), k.Differences)
	}
	if k.Reason != "" {
		s += ": " + firstLine(k.Reason)
	}
	return s
}

// text prints one program.
func (p *Program) text(w io.Writer, cost string) error {
	title := p.Name
	if p.Section != "" {
		title += " (" + p.Section + ")"
	}
	if p.Skipped != "" {
		_, err := fmt.Fprintf(w, "%s: left as it is: %s\n\n", title, p.Skipped)
		return err
	}
	fmt.Fprintf(w, "%s: %d -> %d slots, %.1f -> %.1f ns by table\n", title, p.Before, p.After, p.LatBefore, p.LatAfter)
	if err := writeDiff(w, p.Original, p.Prog); err != nil {
		return err
	}
	fmt.Fprintf(w, "proof: %d rewrites taken, %d proved, %d refuted, %d unknown; decided by normal forms %d, tests %d, cache %d, solver %d\n",
		len(p.Steps), p.Proved, p.Refuted, p.Unknown, p.ByTerms, p.ByTests, p.ByCache, p.ByZ3)
	fmt.Fprintf(w, "whole program: %s\n", p.Whole)
	if p.Undone > 0 {
		fmt.Fprintf(w, "undone: %d rewrites that the proof of the whole program was against\n", p.Undone)
	}
	for i, a := range p.Top {
		if i == 0 {
			continue
		}
		fmt.Fprintf(w, "result %d: %d slots, cost %g, %.1f ns by table; whole program: %s\n", i+1, a.Slots, a.Cost, a.Latency, brief(a.Whole))
		for k, l := range a.Code {
			fmt.Fprintf(w, "  %4d: %s\n", k, l)
		}
	}
	if len(p.Stats.Passes) > 0 {
		t := tabwriter.NewWriter(w, 0, 8, 2, ' ', tabwriter.AlignRight)
		fmt.Fprintf(t, "proposed\taccepted\tbetter\tunsafe\t  by\n")
		for _, s := range p.Stats.Passes {
			if s.Proposed > 0 {
				fmt.Fprintf(t, "%d\t%d\t%d\t%d\t  %s\n", s.Proposed, s.Accepted, s.Better, s.Unsafe, s.Name)
			}
		}
		if err := t.Flush(); err != nil {
			return err
		}
	}
	if len(p.RuleHits) > 0 {
		fmt.Fprint(w, "rule hits:")
		for _, h := range p.RuleHits {
			fmt.Fprintf(w, " %s %d", h.Rule, h.Hits)
		}
		fmt.Fprintln(w)
	}
	for _, l := range p.RulesFound {
		fmt.Fprintf(w, "rule found: %s\n", l)
	}
	_, err := fmt.Fprintln(w)
	return err
}
