package proof

import (
	"jitnic/host/points"
	"jitnic/pathcond/bv"
	"jitnic/superopt/internal/dataflow"
	"jitnic/superopt/internal/ir"
)

// Line is straight code, a trace, followed from beginning to end once, so that
// any number of rewrites of it are proved at once: both ways are compared where
// they end, and terms decide nearly all. It is followed in pieces between the
// instructions outside the model. What one of these leaves is unknown, and the
// same on both ways, as both come to it with all that is ever read.
type Line struct {
	M      *Machine
	P      *ir.Prog
	Pieces []Piece
	acc    []Access
	given  assumptions
}

// Piece is instructions [S, E) of a line, with what holds before and after. E is
// an instruction outside the model, or the end.
type Piece struct {
	S, E       int
	Start, End *State
}

// Line follows prog where it is straight, nil where it isn't. pre and what assume
// says hold at its beginning.
func (p *Prover) Line(prog *ir.Prog, pre *points.Facts, assume Assumption) *Line {
	for i := range prog.Insts {
		if prog.Insts[i].Jumps() {
			return nil
		}
	}
	m := p.machine(prog)
	m.line = true
	st := m.Entry(pre, true)
	l := &Line{M: m, P: prog}
	if assume != nil {
		l.given = assumptions{terms: conjuncts(m.B, assume(m, st), nil)}
	}
	st.PC = m.One
	for s := 0; ; {
		x := Piece{S: s, Start: st.Clone()}
		x.E = m.along(prog, s, st, &l.acc)
		x.End = st
		l.Pieces = append(l.Pieces, x)
		if x.E == len(prog.Insts) {
			return l
		}
		st = st.Clone()
		m.forget(&prog.Insts[x.E], st)
		s = x.E + 1
	}
}

// along follows straight code from i to what isn't modelled, or the end, and
// says where that is.
func (m *Machine) along(p *ir.Prog, i int, st *State, acc *[]Access) int {
	for ; i < len(p.Insts); i++ {
		in := &p.Insts[i]
		if !in.Ends() && m.Step(p, i, in, st, acc) != nil {
			return i
		}
	}
	return i
}

// Rewritten answers whether q does what the line's program does. wants is
// which registers q reads after its instruction i.
func (p *Prover) Rewritten(l *Line, q *ir.Prog, wants func(i int) uint16) Verdict {
	v := p.rewritten(l, q, wants)
	p.count(v)
	return v
}

func (p *Prover) rewritten(l *Line, q *ir.Prog, wants func(i int) uint16) Verdict {
	m := l.M
	m.vague, m.compared = false, 0
	known := len(m.digests)
	defer func() { m.digests = m.digests[:known] }()
	var acc []Access
	diffs := m.zero
	at := 0
	for k := range l.Pieces {
		x := &l.Pieces[k]
		st := x.Start.Clone()
		e := m.along(q, at, st, &acc)
		last := k == len(l.Pieces)-1
		live := &dataflow.Live{Regs: 1}
		if l.P.Goes {
			live.AllStack()
		}
		label := -1
		switch {
		case (e == len(q.Insts)) != last:
			return Unknown{Reason: "what isn't modelled was rewritten"}
		case !last:
			a, b := &l.P.Insts[x.E], &q.Insts[e]
			if a.Insn != b.Insn || a.Hi != b.Hi {
				return Unknown{Reason: "what isn't modelled was rewritten"}
			}
			label = e
			live.Regs = wants(e)&^a.Writes() | a.Reads()
			live.AllStack()
		}
		from := make([]mark, len(x.Start.mem))
		for i := range from {
			from[i] = mark{x.Start.mem[i].ver, len(x.Start.mem[i].writes)}
		}
		d, why := m.differFrom(map[int]exitState{label: {m.One, x.End}}, map[int]exitState{label: {m.One, st}}, func(int) *dataflow.Live { return live }, from)
		if why != "" {
			return Refuted{By: "terms", What: why}
		}
		diffs = m.B.OrB(diffs, d)
		at = e + 1
	}
	if why := m.newAccess(l.acc, acc); why != "" {
		return Refuted{By: "terms", What: why}
	}
	if diffs == m.zero {
		p.ByTerms++
		return Proved{By: "terms"}
	}
	var v Verdict = Proved{By: "terms"}
	for _, d := range disjuncts(m.B, diffs, nil) { // most are decided by few of the inputs
		w := p.Decide(m, l.given.with(m, d))
		if _, ok := w.(Proved); !ok {
			return w
		}
		v = w
	}
	return v
}

// assumptions are conjuncts of what holds, each with what it speaks of.
type assumptions struct {
	terms []bv.Term
	atoms []atoms // of each; made where a question needs it
}

// with joins to t what is assumed of the inputs it depends on, and of those
// these depend on.
func (a *assumptions) with(m *Machine, t bv.Term) bv.Term {
	b := m.B
	if _, ok := b.IsConst(t); ok {
		return t
	}
	if a.atoms == nil {
		for _, c := range a.terms {
			a.atoms = append(a.atoms, m.atomsOf(c))
		}
	}
	seen := m.atomsOf(t)
	taken := make([]bool, len(a.terms))
	for again := true; again; {
		again = false
		for i := range a.terms {
			if !taken[i] && seen.meets(a.atoms[i]) {
				taken[i], again = true, true
				seen.add(a.atoms[i])
			}
		}
	}
	for i, c := range a.terms {
		if taken[i] {
			t = b.AndB(c, t)
		}
	}
	return t
}
