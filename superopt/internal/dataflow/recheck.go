package dataflow

import (
	"slices"

	"jitnic/host/ebpf"
	"jitnic/host/points"
	"jitnic/superopt/internal/ir"
)

// A rewrite of a straight run changes what is known in the run and a little
// after it. Where old and new agree again on all that may still be read, the
// rest of the program is as safe as it was: nothing of it is analysed anew.

// ProblemsOf gives the problems of q, a copy of a's program with the straight
// run [s, e) rewritten, in the run and behind it; ok is false where the whole of q
// must be analysed to know them all.
func (a *Analysis) ProblemsOf(q *ir.Prog, s, e int) (problems []Problem, ok bool) {
	p := a.p
	n := len(p.Insts)
	if len(q.Insts) != n || a.Before == nil || len(q.Entry) != len(p.Entry) {
		return nil, false
	}
	if s, e = a.Changed(q, s, e); s == e {
		return nil, true
	}
	if !a.In[s].Reached {
		return nil, false
	}
	old, new := *a.In[s], *a.In[s]
	for i := s; i < n; i++ {
		x, y := &p.Insts[i], &q.Insts[i]
		if x.Op == ebpf.OpCall && x.To >= 0 || y.Op == ebpf.OpCall && y.To >= 0 { // what the callee knows changes too
			return problems, false
		}
		if i > s && a.Target(i) || x.Jumps() || y.Jumps() || x.Ends() != y.Ends() {
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

// Target says whether a jump leads to instruction i, or a function begins there.
func (a *Analysis) Target(i int) bool {
	return len(a.jumps.to(i)) > 0 || slices.Contains(a.p.Entry, int32(i))
}

// From lists those that jump to instruction i, or call it, ascending.
func (a *Analysis) From(i int) []int32 { return a.jumps.to(i) }

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
