package straight

import (
	"jitnic/host/ebpf"
	"jitnic/host/points"
	"jitnic/pathcond/bv"
	"jitnic/superopt/internal/ir"
	"jitnic/superopt/internal/rules"
)

// ruleGap is how many instructions that have nothing to do with a rule may
// stand between two of its own.
const ruleGap = 4

// rules fires rewrite rules, shipped, given and found. Each firing may be
// wrong where other registers are in between: the proof of the whole decides.
func (l *line) rules() {
	if !l.useRules {
		return
	}
	x := l.o.Book.Index(l.o.Options.Rules, l.o.Options.Store)
	code := l.prog.Insts
	for i := 0; i < len(code); i++ {
		if code[i].Op == ir.Nop {
			continue
		}
		for _, r := range x[code[i].Op] {
			b := rules.Binding{}
			if !l.at[i].known || !r.Old[0].Match(&code[i], &b) {
				continue
			}
			at := [rules.MaxRuleLen]int{i}
			if l.fire(r, &at, 1, b, code[i].Reads(), code[i].Writes()) {
				break
			}
		}
	}
}

// fire matches the rest of r's left side from its instruction k on, and where
// all of it stands there makes the right side of it.
func (l *line) fire(r *rules.Rule, at *[rules.MaxRuleLen]int, k int, b rules.Binding, rd, df uint16) bool {
	if k == len(r.Old) {
		return l.apply(r, at[:k], &b)
	}
	code := l.prog.Insts
	gap := 0
	for j := at[k-1] + 1; j < len(code) && gap <= ruleGap; j++ {
		in := &code[j]
		if in.Op == ir.Nop {
			continue
		}
		if l.at[j].outside || !l.at[j].known {
			return false
		}
		next := b
		if r.Old[k].Match(in, &next) {
			at[k] = j
			if l.fire(r, at, k+1, next, rd|in.Reads(), df|in.Writes()) {
				return true
			}
		}
		if in.Writes()&(rd|df) != 0 || in.Reads()&df != 0 {
			return false
		}
		gap++
	}
	return false
}

// agrees says whether terms show that code does what the rule's instructions
// do, where both only compute: a rule is proved once for all values, but what a
// solver sees of it terms may not, and the proof of the whole is theirs.
func (l *line) agrees(at []int, code []ir.Inst) bool {
	first, last := at[0], at[len(at)-1]
	skip := len(at) - len(code)
	old, k := l.at[first].regs, 0
	new := old
	for i := first; i <= last; i++ {
		in := &l.prog.Insts[i]
		switch {
		case k < len(at) && at[k] == i:
			if !isALU(in) || k >= skip && !isALU(&code[k-skip]) {
				return true
			}
			if !l.compute(in, &old) || k >= skip && !l.compute(&code[k-skip], &new) {
				return false
			}
			k++
		case isALU(in):
			if !l.compute(in, &old) || !l.compute(in, &new) {
				return false
			}
		default:
			for r := range old {
				if in.Writes()>>r&1 != 0 {
					old[r], new[r] = 0, 0
				}
			}
		}
	}
	for r := range old {
		if l.wants(last)>>r&1 != 0 && old[r] != new[r] {
			return false
		}
	}
	return true
}

func isALU(in *ir.Inst) bool {
	return in.Class() == ebpf.ClassALU || in.Class() == ebpf.ClassALU64
}

// compute follows one instruction that only computes.
func (l *line) compute(in *ir.Inst, regs *[11]bv.Term) bool {
	if in.IsSelect() {
		x, y, c := regs[in.Dst], regs[in.Src], regs[in.Cond()]
		if x == 0 || y == 0 || c == 0 {
			return false
		}
		regs[in.Dst] = l.m.Select(x, y, c)
		return true
	}
	x, y := regs[in.Dst], l.b.Const(uint64(int64(in.Imm)), 64)
	if in.ALUOp() == ebpf.ALUMov {
		x = y
	}
	if in.Op&ebpf.SrcX != 0 && in.ALUOp() != ebpf.ALUEnd {
		y = regs[in.Src]
	}
	if x == 0 || y == 0 {
		return false
	}
	t, err := l.m.ALUTerm(in, x, y)
	regs[in.Dst] = t
	return err == nil
}

func (l *line) apply(r *rules.Rule, at []int, b *rules.Binding) bool {
	first, last := at[0], at[len(at)-1]
	var f points.Facts
	l.facts(first, &f)
	if !r.Holds(b, &f) {
		return false
	}
	for _, d := range r.Dead {
		if l.wants(last)>>b.Reg[d-'a']&1 != 0 {
			return false
		}
	}
	code, ok := r.Build(b)
	if !ok {
		return false
	}
	was, now := 0, 0
	for _, i := range at {
		was += ir.SlotsOf(&l.prog.Insts[i])
	}
	for i := range code {
		now += ir.SlotsOf(&code[i])
	}
	if now >= was || !l.agrees(at, code) || !l.may() {
		return false
	}
	l.o.Stats.Pass("rule-"+r.Name).Proposed++
	skip := len(at) - len(code)
	for k, i := range at {
		if k < skip {
			l.prog.Insts[i] = ir.Empty()
			continue
		}
		in := code[k-skip]
		in.Slot = l.prog.Insts[i].Slot
		l.prog.Insts[i] = in
	}
	for i := first; i <= last; i++ { // found out anew in the next round
		l.at[i].known = false
	}
	return true
}
