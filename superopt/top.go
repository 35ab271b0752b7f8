package superopt

import (
	"cmp"
	"slices"
	"strings"

	"jitnic/superopt/internal/ir"
	"jitnic/superopt/internal/rewrite"
	"jitnic/superopt/internal/search"
)

// top gives the Options.Top best distinct programs: the result, and behind it
// what stood on the way there and what a walk around it finds, by cost, then by
// text. There are fewer where no more were found that cost no more than the
// input.
func top(o *rewrite.Gate, original *ir.Prog, whole rewrite.Whole) []*rewrite.Alternative {
	best := o.Prog
	limit := o.Cost(original)
	seen := map[string]bool{best.String(): true}
	var all []*rewrite.Alternative
	add := func(p *ir.Prog, whole rewrite.Whole) {
		p.Compact()
		a := &rewrite.Alternative{Slots: p.Slots(), Cost: o.Cost(p), Latency: o.Options.Prices().Cost(p), Prog: p, Whole: whole}
		for i := range p.Insts {
			a.Code = append(a.Code, p.Insts[i].String())
		}
		all = append(all, a)
	}
	add(best, whole)
	if whole.Refuted() {
		return all
	}
	around := map[string]*ir.Prog{}
	for _, p := range o.Past {
		if s := p.String(); !seen[s] && p.String() != original.String() {
			around[s] = p.Clone()
		}
	}
	if o.Options.Runs('s') {
		search.Around(o, func(q *ir.Prog) {
			if s := q.String(); !seen[s] {
				around[s] = q
			}
		})
	}
	var keys []string
	for s, p := range around {
		if o.Cost(p) <= limit {
			keys = append(keys, s)
		}
	}
	slices.SortFunc(keys, func(a, b string) int {
		return cmp.Or(cmp.Compare(o.Cost(around[a]), o.Cost(around[b])), strings.Compare(a, b))
	})
	for _, s := range keys {
		if len(all) == o.Options.Top || o.Ctx.Err() != nil {
			break
		}
		o.Prog = around[s] // the second net, as for the result
		if w := o.WholeVerdict(original); !w.Refuted() {
			add(around[s], w)
		}
	}
	o.Prog = best
	return all
}
