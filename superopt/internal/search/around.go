package search

import (
	"jitnic/pcaps/splitmix"
	"jitnic/superopt/internal/ir"
	"jitnic/superopt/internal/proof"
	"jitnic/superopt/internal/rewrite"
)

// topBudget is the proposals for each window of the walk for alternatives.
const topBudget = 4000

// Around walks about the result, window by window, and gives every other
// program it proves: Options.Top for each window at most, until there are four
// times as many as are wanted.
func Around(o *rewrite.Gate, use func(q *ir.Prog)) {
	all := 0
	for i, x := range windows(o) {
		w := newWindow(o, x[0], x[1])
		if w == nil || o.Ctx.Err() != nil {
			continue
		}
		if all >= 4*o.Options.Top {
			return
		}
		asked, got := map[string]bool{}, 0
		chain(o, w, func() *proof.Prover { return o.Prover }, splitmix.Mix(o.Options.Seed^splitmix.Mix(uint64(i)|1<<40)), &paramSets[0], topBudget, func(code []ir.Inst) {
			if got >= o.Options.Top || len(asked) >= 4*o.Options.Top {
				return
			}
			q := o.Prog.Clone()
			copy(q.Insts[w.s:w.e], code)
			r := q.Clone()
			r.Compact()
			k := r.String()
			if asked[k] || o.Cost(q) > o.Cost(o.Prog)+1 || !o.InWindows(q) {
				return
			}
			asked[k] = true
			if unsafeWindow(o, w, code) || o.Unsafe(q) != "" {
				return
			}
			v := o.Prover.Equivalent(&proof.Task{Old: o.Prog, New: q, S: w.s, E: w.e, Pre: w.pre, Out: o.LiveAt, LoopFree: o.Free, Assume: o.Assumption(w.s)})
			switch v := v.(type) {
			case proof.Proved:
				got++
				all++
				use(r)
			case proof.Refuted:
				w.learn(v, uint64(len(asked)), code)
			}
		})
	}
}
