package superopt

// topBudget is the proposals for each window of the walk for alternatives.
const topBudget = 4000

// walkAround walks about the result, window by window, and gives every other
// program it proves: Options.Top for each window at most, until there are four
// times as many as are wanted.
func walkAround(o *optimizer, use func(q *Prog)) {
	all := 0
	for i, x := range o.windows() {
		w := o.newWindow(x[0], x[1])
		if w == nil || o.ctx.Err() != nil {
			continue
		}
		if all >= 4*o.opt.Top {
			return
		}
		asked, got := map[string]bool{}, 0
		o.chain(w, func() *Prover { return o.pr }, mix(o.opt.Seed^mix(uint64(i)|1<<40)), &ParamSets[0], topBudget, func(code []Inst) {
			if got >= o.opt.Top || len(asked) >= 4*o.opt.Top {
				return
			}
			q := o.p.Clone()
			copy(q.Insts[w.s:w.e], code)
			r := q.Clone()
			r.Compact()
			k := r.String()
			if asked[k] || o.cost(q) > o.cost(o.p)+1 || !o.inWindows(q) {
				return
			}
			asked[k] = true
			if o.unsafeWindow(w, code) || o.unsafe(q) != "" {
				return
			}
			v := o.pr.Equivalent(&task{old: o.p, new: q, s: w.s, e: w.e, pre: w.pre, out: o.liveAt, loopFree: o.free, assume: o.assumption(w.s)})
			switch v := v.(type) {
			case Proved:
				got++
				all++
				use(r)
			case Refuted:
				w.learn(v, uint64(len(asked)), code)
			}
		})
	}
}
