package superopt

// ruleGap is how many instructions that have nothing to do with a rule may
// stand between two of its own.
const ruleGap = 4

// passRules fires rules, shipped, given and found. The compiler interleaves
// what belongs together, so instructions between those of a rule are skipped
// where the rule's could move down past them; the proof of the firing spans
// them all.
func passRules(o *optimizer) bool {
	x := o.book.index(o.opt.Rules, o.opt.Store)
	for _, w := range o.blocks() {
		for i := w[0]; i < w[1]; i++ {
			for _, r := range x[o.p.Insts[i].Op] {
				b := binding{}
				if !r.Old[0].match(&o.p.Insts[i], &b) {
					continue
				}
				at := [maxRuleLen]int{i}
				in := &o.p.Insts[i]
				if o.fire(r, &at, 1, w[1], b, reads(in), defs(in)) {
					return true
				}
			}
		}
	}
	return false
}

// fire matches the rest of r's left side from its instruction k on, and where
// all of it stands there tries the right side.
func (o *optimizer) fire(r *Rule, at *[maxRuleLen]int, k, end int, b binding, rd, df uint16) bool {
	if k == len(r.Old) {
		return o.rewrite(r, at[:k], &b)
	}
	for j := at[k-1] + 1; j < end && j <= at[k-1]+1+ruleGap; j++ {
		in := &o.p.Insts[j]
		next := b
		if r.Old[k].match(in, &next) {
			at[k] = j
			if o.fire(r, at, k+1, end, next, rd|reads(in), df|defs(in)) {
				return true
			}
		}
		if defs(in)&(rd|df) != 0 || reads(in)&df != 0 {
			return false
		}
	}
	return false
}

func (o *optimizer) rewrite(r *Rule, at []int, b *binding) bool {
	first, last := at[0], at[len(at)-1]
	if !r.holds(b, &o.a.in[first]) {
		return false
	}
	for _, d := range r.Dead {
		if o.a.live[last].regs>>b.reg[d-'a']&1 != 0 {
			return false
		}
	}
	code, ok := r.build(b)
	if !ok {
		return false
	}
	return o.try("rule-"+r.Name, first, last+1, false, func(q *Prog) {
		skip := len(at) - len(code)
		for k, i := range at {
			if k < skip {
				q.Insts[i] = emptyInst()
				continue
			}
			in := code[k-skip]
			in.Slot = q.Insts[i].Slot
			q.Insts[i] = in
		}
	})
}
