package superopt

import (
	"cmp"
	"slices"
	"strings"
)

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
	if o.opt.Runs('s') {
		walkAround(o, func(q *Prog) {
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
