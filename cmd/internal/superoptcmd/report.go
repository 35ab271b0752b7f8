package superoptcmd

import (
	"fmt"
	"strings"

	"jitnic/cmd/internal/report"
	"jitnic/superopt"
)

// document tells each program's difference with comments and its proof, then the
// sums.
func (r *Report) document() *report.Document {
	d := &report.Document{Verb: "superopt", Title: r.File, About: "a program made smaller or faster, each rewrite proved", Data: r, Footer: "Every number is also in the JSON.",
		Records: []report.Records{r.records()}}
	if r.Interrupted {
		d.Partial = "What stands here is the best proved until then."
	}
	if slower := r.slower(); slower != "" {
		d.Add(report.Section{ID: "slower", Title: "Slower", Blocks: []report.Block{{Apart: true, Pre: slower}}})
	}
	for i, p := range r.Programs {
		d.Add(report.Section{ID: fmt.Sprintf("program-%d", i), Title: p.title(), Blocks: p.blocks(i)})
	}
	if len(r.answers) > 0 {
		d.Add(r.kernelSection())
	}
	d.Add(report.Section{ID: "sum", Title: "In all", Blocks: []report.Block{{Apart: true, Facts: r.facts()}}})
	return d
}

// slower names the programs that became slower by the table, as --cost let
// them; "" where none did.
func (r *Report) slower() string {
	var b strings.Builder
	for _, p := range r.Programs {
		if p.Result != nil && p.LatAfter > p.LatBefore+1e-9 {
			fmt.Fprintf(&b, "%s: smaller, but slower by the table: %.1f -> %.1f ns (--cost %s; --cost balanced takes nothing slower)\n", p.title(), p.LatBefore, p.LatAfter, r.Cost)
		}
	}
	return b.String()
}

// records are a row for each program that was optimised.
func (r *Report) records() report.Records {
	out := report.Records{Name: "rows.csv", Columns: report.Columns("name", "section", "before", "after", "cost_before", "cost_after", "latency_before_ns", "latency_after_ns", "proposals", "proved", "refuted", "unknown", "cycles_before", "cycles_after")}
	for _, p := range r.Programs {
		if p.Result != nil {
			out.Rows = append(out.Rows, p)
		}
	}
	return out
}

func (r *Report) facts() (f report.Facts) {
	name := r.File
	if r.Interrupted {
		name += "  (interrupted: the best proved so far)"
	}
	f.Add("file", name)
	f.Add("slots", change(float64(r.Before), float64(r.After), "%.0f"))
	f.Add("latency", change(r.LatBefore, r.LatAfter, "%.1f")+" ns, by table")
	if r.Cost == "count-no-atomics" {
		f.Add("cost", change(r.CostBefore, r.CostAfter, "%g")+" "+r.Cost)
	}
	if r.NIC != "" {
		f.Add("cycles", change(float64(r.CycBefore), float64(r.CycAfter), "%.0f")+" on "+r.NIC+", straight through")
	}
	if r.Out != "" {
		f.Add("bytes", change(float64(r.Bytes.Before), float64(r.Bytes.After), "%.0f"))
	}
	if len(r.OutTop) > 0 {
		f.Add("beside it", strings.Join(r.OutTop, ", "))
	}
	f.Addf("proofs", "%d proved, %d refuted, %d unknown", r.Proved, r.Refuted, r.Unknown)
	if r.Faults > 0 {
		f.Addf("solver", "failed at %d questions, which stay open", r.Faults)
	}
	f.Addf("search", "%s proposals, %s per second", report.Count(uint64(r.Proposals)), report.Count(uint64(r.PerSecond)))
	rules := fmt.Sprintf("%d hits", r.RuleHits)
	if r.Rules != "" {
		rules += fmt.Sprintf("; %d found, kept in %s", r.RulesFound, r.Rules)
	}
	f.Add("rules", rules)
	f.Addf("seconds", "%.2f", r.Seconds)
	if r.Irreproducible != "" {
		f.Add("not reproducible", r.Irreproducible)
	}
	f.Add("kernel", kernelText(r.Kernel))
	return f
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

func (p *Program) title() string {
	if p.Section != "" {
		return p.Name + " (" + p.Section + ")"
	}
	return p.Name
}

// blocks are one program, the i-th.
func (p *Program) blocks(i int) []report.Block {
	if p.Skipped != "" {
		return []report.Block{{Apart: true, Pre: fmt.Sprintf("%s: left as it is: %s", p.title(), p.Skipped)}}
	}
	diff := diffTable(p.Original, p.Prog)
	diff.ID, diff.Open = fmt.Sprintf("diff-%d", i), true
	diff.Title = fmt.Sprintf("%s: %d -> %d slots, %.1f -> %.1f ns by table", p.title(), p.Before, p.After, p.LatBefore, p.LatAfter)
	var b strings.Builder
	fmt.Fprintf(&b, "proof: %d rewrites taken, %d proved, %d refuted, %d unknown; decided by normal forms %d, tests %d, cache %d, solver %d\n",
		len(p.Steps), p.Proved, p.Refuted, p.Unknown, p.ByTerms, p.ByTests, p.ByCache, p.ByZ3)
	fmt.Fprintf(&b, "whole program: %s\n", p.Whole)
	if p.Undone > 0 {
		fmt.Fprintf(&b, "undone: %d rewrites that the proof of the whole program was against\n", p.Undone)
	}
	for i, a := range p.Top {
		if i == 0 {
			continue
		}
		fmt.Fprintf(&b, "result %d: %d slots, cost %g, %.1f ns by table; whole program: %s\n", i+1, a.Slots, a.Cost, a.Latency, brief(a.Whole.String()))
		for k, l := range a.Code {
			fmt.Fprintf(&b, "  %4d: %s\n", k, l)
		}
	}
	moves := &report.Table{ID: fmt.Sprintf("moves-%d", i), Left: 1, Right: 1, Head: []string{"", "proposed", "accepted", "better", "unsafe", "by"}}
	for _, s := range p.Stats.Passes {
		if s.Proposed > 0 {
			moves.Add("", fmt.Sprint(s.Proposed), fmt.Sprint(s.Accepted), fmt.Sprint(s.Better), fmt.Sprint(s.Unsafe), s.Name)
		}
	}
	var rules strings.Builder
	if len(p.RuleHits) > 0 {
		rules.WriteString("rule hits:")
		for _, h := range p.RuleHits {
			fmt.Fprintf(&rules, " %s %d", h.Rule, h.Hits)
		}
		rules.WriteByte('\n')
	}
	for _, l := range p.RulesFound {
		fmt.Fprintf(&rules, "rule found: %s\n", l)
	}
	return []report.Block{{Apart: true, Table: diff}, {Pre: b.String()}, {Table: moves, Title: "What proposed rewrites"}, {Pre: rules.String()}}
}
