package superopt

import (
	"cmp"
	"slices"
	"strings"

	"jitnic/superopt/z3"
)

// Alternative is one of the best results: proved like the best, and as safe.
type Alternative struct {
	Slots   int      `json:"slots"`
	Cost    float64  `json:"cost"`
	Latency float64  `json:"latency_ns"`
	Whole   string   `json:"whole_program"`
	Code    []string `json:"code"`
	Prog    *Prog    `json:"-"`
}

// remember keeps the program as it is now for Options.Top.
func (o *optimizer) remember() {
	if k := o.opt.Top; k > 1 {
		if o.past = append(o.past, o.p.Clone()); len(o.past) > 4*k {
			o.past = slices.Delete(o.past, 0, len(o.past)-4*k) // costs only fall
		}
	}
}

// topBudget is the proposals for each window of the walk for alternatives.
const topBudget = 4000

// top gives the Options.Top best distinct programs: the result, and behind it
// what stood on the way there and what a walk around it finds, by cost, then by
// text. There are fewer where no more were found that cost no more than the
// input.
func (o *optimizer) top(original *Prog, whole string) []*Alternative {
	best := o.p
	limit := o.cost(original)
	seen := map[string]bool{best.String(): true}
	var all []*Alternative
	add := func(p *Prog, whole string) {
		p.Compact()
		a := &Alternative{Slots: p.Slots(), Cost: o.cost(p), Latency: o.opt.table().Cost(p), Prog: p, Whole: whole}
		for i := range p.Insts {
			a.Code = append(a.Code, p.Insts[i].String())
		}
		all = append(all, a)
	}
	add(best, whole)
	if strings.HasPrefix(whole, "refuted") {
		return all
	}
	around := map[string]*Prog{}
	for _, p := range o.past {
		if s := p.String(); !seen[s] && p.String() != original.String() {
			around[s] = p.Clone()
		}
	}
	if o.on('s') {
		o.around(func(q *Prog) {
			if s := q.String(); !seen[s] {
				around[s] = q
			}
		})
	}
	var keys []string
	for s, p := range around {
		if o.cost(p) <= limit {
			keys = append(keys, s)
		}
	}
	slices.SortFunc(keys, func(a, b string) int {
		return cmp.Or(cmp.Compare(o.cost(around[a]), o.cost(around[b])), strings.Compare(a, b))
	})
	for _, s := range keys {
		if len(all) == o.opt.Top || o.ctx.Err() != nil {
			break
		}
		o.p = around[s] // the second net, as for the result
		if w := o.wholeVerdict(original); !strings.HasPrefix(w, "refuted") {
			add(around[s], w)
		}
	}
	o.p = best
	return all
}

// around walks about the result, window by window, and gives every other
// program it proves: Options.Top for each window at most, until there are four
// times as many as are wanted.
func (o *optimizer) around(use func(q *Prog)) {
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
			case z3.Proved:
				got++
				all++
				use(r)
			case z3.Refuted:
				w.learn(v, uint64(len(asked)), code)
			}
		})
	}
}
