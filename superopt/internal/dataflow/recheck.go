package dataflow

import (
	"jitnic/host/ebpf"
	"jitnic/host/points"
	"jitnic/superopt/internal/ir"
)

// A rewrite of a straight run changes what is known in the run and a little
// after it. Where old and new agree again on all that may still be read, the
// rest of the program is as safe as it was: nothing of it is analysed anew.

// ProblemsOf gives the problems of q, a copy of a's program with a straight
// run rewritten, in the run and behind it; ok is false where the whole of q
// must be analysed to know them all.
func (a *Analysis) ProblemsOf(q *ir.Prog) (problems []Problem, ok bool) {
	p := a.p
	n := len(p.Insts)
	if len(q.Insts) != n || a.Before == nil || len(q.Entry) != len(p.Entry) {
		return nil, false
	}
	s, e := 0, n
	for s < n && p.Insts[s] == q.Insts[s] {
		s++
	}
	for e > s && p.Insts[e-1] == q.Insts[e-1] {
		e--
	}
	if s == e {
		return nil, true
	}
	if !a.In[s].Reached {
		return nil, false
	}
	targets := a.target
	old, new := *a.In[s], *a.In[s]
	for i := s; i < n; i++ {
		x, y := &p.Insts[i], &q.Insts[i]
		if x.Op == ebpf.OpCall && x.To >= 0 || y.Op == ebpf.OpCall && y.To >= 0 { // what the callee knows changes too
			return problems, false
		}
		if i > s && targets[i] || x.Jumps() || y.Jumps() || x.Ends() != y.Ends() {
			return problems, false
		}
		Step(q, i, &new, func(format string, args ...any) { problems = append(problems, problem(i, format, args...)) })
		if y.Ends() {
			return problems, true
		}
		Step(p, i, &old, nil)
		if i+1 >= e && a.agree(i+1, &old, &new) {
			return problems, true
		}
	}
	return problems, false
}

// targets marks where jumps lead and functions begin.
func (a *Analysis) targets() {
	a.target = make([]bool, len(a.p.Insts)+1)
	for i := range a.p.Insts {
		in := &a.p.Insts[i]
		if (in.Jumps() || in.Op == ebpf.OpCall || in.Op == ebpf.OpLDDW) && in.To >= 0 && int(in.To) < len(a.target) {
			a.target[in.To] = true
		}
	}
	for _, e := range a.p.Entry {
		a.target[e] = true
	}
}

// agree: the two say the same of all that may be read from instruction i on.
func (a *Analysis) agree(i int, f, g *points.Facts) bool {
	if i >= len(a.Before) {
		return false
	}
	l := &a.Before[i]
	for r := range f.R {
		if l.Regs>>r&1 != 0 && f.R[r] != g.R[r] {
			return false
		}
	}
	for k := range f.Init {
		if (f.Init[k]^g.Init[k])&l.Stack[k] != 0 {
			return false
		}
	}
	for k := range f.Spill {
		if l.Stack[k>>3]>>(k&7*8)&0xff != 0 && f.Spill[k] != g.Spill[k] {
			return false
		}
	}
	return f.Reached == g.Reached
}
