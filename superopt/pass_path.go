package superopt

import (
	"jitnic/host/ebpf"
	"jitnic/pathcond/bv"
)

// passPathBranch: a branch that the whole way to it decides, which the facts,
// joined from several paths, no longer know. The function is followed
// symbolically from its entry; what the proofs don't model gives values
// nothing is known of, which can only make fewer branches decided.
func passPathBranch(o *optimizer) bool {
	if !o.free || o.from > 0 || len(o.p.Insts) > 400 || o.pathTried == o.p {
		return false
	}
	o.pathTried = o.p
	m := newMachine(o.p, AllAccel)
	m.havoc = true
	st := m.entry(&o.a.in[0], true)
	if o.assume != nil {
		st.pc = o.assume(m, st)
	}
	type br struct {
		at    int
		pc, c bv.Term
	}
	var found []br
	m.onBranch = func(i int, pc, c bv.Term) { found = append(found, br{i, pc, c}) }
	if _, _, err := m.run(o.p, 0, len(o.p.Insts), st); err != nil {
		return false
	}
	for _, f := range found {
		in := &o.p.Insts[f.at]
		for _, never := range [2]bool{true, false} {
			c := f.c
			if !never {
				c = m.b.Not(c)
			}
			if o.ctx.Err() != nil {
				return false
			}
			q := m.b.AndB(f.pc, c)
			if o.pr.testOnly(m.b, q) {
				continue
			}
			v := o.pr.decide(m, q)
			if _, ok := v.(Proved); !ok {
				continue
			}
			g := o.p.Clone()
			if never {
				g.Insts[f.at] = emptyInst()
			} else {
				g.Insts[f.at] = Inst{Insn: ebpf.Insn{Op: ebpf.OpJA}, To: in.To, Slot: in.Slot}
			}
			if !o.inWindows(g) || o.unsafe(g) != "" { // the verifier doesn't see what the solver sees
				continue
			}
			s := o.stats.pass("path-branch")
			s.Proposed++
			s.Accepted++
			s.Better++
			o.pr.Proved++
			o.p = g
			o.refresh()
			return true
		}
	}
	return false
}
