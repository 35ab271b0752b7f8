package superopt

import "jitnic/host/ebpf"

// A rewrite of a straight run changes what is known in the run and a little
// after it. Where old and new agree again on all that may still be read, the
// rest of the program is as safe as it was: nothing of it is analysed anew.

// problemsOf gives the problems of q, a copy of a's program with a straight
// run rewritten, in the run and behind it; ok is false where the whole of q
// must be analysed to know them.
func (a *analysis) problemsOf(q *Prog) (problems []string, ok bool) {
	p := a.p
	n := len(p.Insts)
	if len(q.Insts) != n || a.before == nil || len(q.Entry) != len(p.Entry) {
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
	if !a.in[s].ok {
		return nil, false
	}
	targets := a.target
	old, new := a.in[s], a.in[s]
	for i := s; i < n; i++ {
		x, y := &p.Insts[i], &q.Insts[i]
		if x.Op == ebpf.OpCall && x.To >= 0 || y.Op == ebpf.OpCall && y.To >= 0 { // what the callee knows changes too
			return nil, false
		}
		if i > s && targets[i] || x.jumps() || y.jumps() || x.ends() != y.ends() {
			return nil, false
		}
		q.step(i, &new, func(format string, args ...any) { problems = append(problems, problem(i, format, args...)) })
		if y.ends() {
			return problems, true
		}
		p.step(i, &old, nil)
		if i+1 >= e && a.agree(i+1, &old, &new) {
			return problems, true
		}
	}
	return nil, false
}

// targets marks where jumps lead and functions begin.
func (a *analysis) targets() {
	a.target = make([]bool, len(a.p.Insts)+1)
	for i := range a.p.Insts {
		in := &a.p.Insts[i]
		if (in.jumps() || in.Op == ebpf.OpCall || in.Op == ebpf.OpLDDW) && in.To >= 0 && int(in.To) < len(a.target) {
			a.target[in.To] = true
		}
	}
	for _, e := range a.p.Entry {
		a.target[e] = true
	}
}

// agree: the two say the same of all that may be read from instruction i on.
func (a *analysis) agree(i int, f, g *facts) bool {
	if i >= len(a.before) {
		return false
	}
	l := &a.before[i]
	for r := range f.r {
		if l.regs>>r&1 != 0 && f.r[r] != g.r[r] {
			return false
		}
	}
	for k := range f.init {
		if (f.init[k]^g.init[k])&l.stack[k] != 0 {
			return false
		}
	}
	for k := range f.spill {
		if l.stack[k>>3]>>(k&7*8)&0xff != 0 && f.spill[k] != g.spill[k] {
			return false
		}
	}
	return f.ok == g.ok
}

// problemText drops the instruction number, which moves.
func problemText(p string) string {
	for i := range p {
		if p[i] == ':' {
			return p[i:]
		}
	}
	return p
}
