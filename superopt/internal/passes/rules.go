package passes

import (
	"jitnic/superopt/internal/ir"
	"jitnic/superopt/internal/rewrite"
	"jitnic/superopt/internal/rules"
)

// ruleGap is how many instructions that have nothing to do with a rule may
// stand between two of its own.
const ruleGap = 4

// passRules fires rules, shipped, given and found. The compiler interleaves
// what belongs together, so instructions between those of a rule are skipped
// where the rule's could move down past them; the proof of the firing spans
// them all.
func passRules(o *rewrite.Gate) bool {
	x := o.Book.Index(o.Options.Rules, o.Options.Store)
	for w := range o.Blocks() {
		for i := w[0]; i < w[1]; i++ {
			for _, r := range x[o.Prog.Insts[i].Op] {
				b := rules.Binding{}
				if !r.Old[0].Match(&o.Prog.Insts[i], &b) {
					continue
				}
				at := [rules.MaxRuleLen]int{i}
				in := &o.Prog.Insts[i]
				if fire(o, r, &at, 1, w[1], b, in.Reads(), in.Writes()) {
					return true
				}
			}
		}
	}
	return false
}

// fire matches the rest of r's left side from its instruction k on, and where
// all of it stands there tries the right side.
func fire(o *rewrite.Gate, r *rules.Rule, at *[rules.MaxRuleLen]int, k, end int, b rules.Binding, rd, df uint16) bool {
	if k == len(r.Old) {
		return applyRule(o, r, at[:k], &b)
	}
	for j := at[k-1] + 1; j < end && j <= at[k-1]+1+ruleGap; j++ {
		in := &o.Prog.Insts[j]
		next := b
		if r.Old[k].Match(in, &next) {
			at[k] = j
			if fire(o, r, at, k+1, end, next, rd|in.Reads(), df|in.Writes()) {
				return true
			}
		}
		if in.Writes()&(rd|df) != 0 || in.Reads()&df != 0 {
			return false
		}
	}
	return false
}

func applyRule(o *rewrite.Gate, r *rules.Rule, at []int, b *rules.Binding) bool {
	first, last := at[0], at[len(at)-1]
	if !r.Holds(b, o.Known.In[first]) {
		return false
	}
	for _, d := range r.Dead {
		if o.Known.Live[last].Regs>>b.Reg[d-'a']&1 != 0 {
			return false
		}
	}
	code, ok := r.Build(b)
	if !ok {
		return false
	}
	return o.Try("rule-"+r.Name, first, last+1, false, func(q *ir.Prog) {
		skip := len(at) - len(code)
		for k, i := range at {
			if k < skip {
				q.Insts[i] = ir.Empty()
				continue
			}
			in := code[k-skip]
			in.Slot = q.Insts[i].Slot
			q.Insts[i] = in
		}
	})
}
