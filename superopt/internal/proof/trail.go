package proof

import (
	"jitnic/host/points"
	"jitnic/pathcond/bv"
	"jitnic/superopt/internal/ir"
)

// Trail is what is known before a window of a trace, which is proved window by
// window too: all the trace did up to it, and the path condition. The trace is
// followed once; each rewrite of it then costs its window, and of the
// condition only what speaks of the same inputs goes to the solver.
type Trail struct {
	P     *ir.Prog
	m     *Machine
	size  int      // terms when it was made
	snaps []*State // before each instruction, and at the end
	acc   []Access // all the trace touches
	given assumptions
	Holds map[uint64]uint64 // an assignment under which they do, where it was asked for
}

// trailRoom is how many terms questions may add before the trail is made anew.
const trailRoom = 200_000

// Full says whether questions have added so many terms that the trail is
// better made anew.
func (t *Trail) Full() bool { return t.m.B.Len() >= t.size+trailRoom }

// Follow follows a trace from its beginning, where pre and what assume says
// hold; nil where it isn't straight. With model it also looks for one assignment
// under which what is assumed holds (trail.holds).
func (p *Prover) Follow(q *ir.Prog, pre *points.Facts, assume Assumption, model bool) *Trail {
	m := p.machine(q)
	st := m.Entry(pre, true)
	t := &Trail{P: q, m: m}
	if assume != nil {
		t.given = assumptions{terms: conjuncts(m.B, assume(m, st), nil)}
	}
	if model {
		all := m.One
		for _, c := range t.given.terms {
			all = m.B.AndB(all, c)
		}
		t.Holds = p.modelOf(m, all)
	}
	st.PC = m.One
	for i := range q.Insts {
		in := &q.Insts[i]
		if in.Jumps() {
			return nil
		}
		t.snaps = append(t.snaps, st.Clone())
		if in.Ends() {
			continue
		}
		if m.Step(q, i, in, st, &t.acc) != nil {
			m.forget(in, st)
		}
	}
	t.snaps = append(t.snaps, st)
	t.size = m.B.Len()
	return t
}

func conjuncts(b *bv.Builder, t bv.Term, out []bv.Term) []bv.Term {
	if b.Op(t) == bv.OpAnd && b.Width(t) == 1 {
		a := b.Args(t)
		return conjuncts(b, a[1], conjuncts(b, a[0], out))
	}
	return append(out, t)
}

// Along answers whether the rewrite of k, a window of the trail's program, does
// the same wherever what is assumed holds; pre is what is known before each
// instruction, and holds an assignment under which what is assumed does.
func (p *Prover) Along(t *Trail, k *Task, pre []*points.Facts, holds map[uint64]uint64) Verdict {
	for k.S+1 < k.E && k.Old.Insts[k.S] == k.New.Insts[k.S] {
		k.S++
	}
	saved := p.RLimit
	p.base, p.RLimit = holds, saved/8 // one of many, and all the trace before it is in it
	defer func() { p.base, p.RLimit = nil, saved }()
	v := p.onTrail(t, k)
	if w, ok := v.(Refuted); ok && k.E < len(k.Old.Insts) && w.By != "terms" {
		far := *k
		far.E = len(k.Old.Insts)
		v = p.onTrail(t, &far)
	}
	if _, ok := v.(Unknown); ok { // perhaps it is so whatever came before
		alone := *k
		alone.Pre = pre[k.S]
		v = p.equivalent(&alone)
	}
	p.count(v)
	return v
}

// Whole answers k over the whole of the trail's program, output by output.
func (p *Prover) Whole(t *Trail, k *Task, holds map[uint64]uint64) Verdict {
	k.split, k.NoSafety = true, true
	p.base = holds
	defer func() { p.base = nil }()
	v := p.onTrail(t, k)
	p.count(v)
	return v
}

func (p *Prover) onTrail(t *Trail, k *Task) Verdict {
	m := t.m
	m.vague, m.compared = false, 0 // of what came before both make the same
	known := len(m.digests)
	defer func() { m.digests = m.digests[:known] }()
	start := t.snaps[k.S]
	from := make([]mark, len(start.mem))
	for i := range from {
		from[i] = mark{start.mem[i].ver, len(start.mem[i].writes)}
	}
	a, _, err := m.Run(k.Old, k.S, k.E, start.Clone())
	if err != nil {
		return Unknown{Reason: "original: " + err.Error()}
	}
	b, accB, err := m.Run(k.New, k.S, k.E, start.Clone())
	if err != nil {
		return rewriteError(err)
	}
	if !k.NoSafety {
		if why := m.newAccess(t.acc, accB); why != "" {
			return Refuted{By: "terms", What: why}
		}
	}
	diff, why := m.differFrom(a, b, k.Out, from)
	if why != "" {
		return Refuted{By: "terms", What: why}
	}
	if !k.split {
		return p.Decide(m, t.given.with(m, diff))
	}
	// One output after another: most are decided by few of the inputs.
	var v Verdict = Proved{By: "terms"}
	for _, d := range disjuncts(m.B, diff, nil) {
		d = t.given.with(m, d)
		if _, unknown := v.(Unknown); unknown { // it stays so, unless tests refute it
			if w, ok := p.test(m.B, d); ok && !m.vague {
				return w
			}
			continue
		}
		switch w := p.Decide(m, d).(type) {
		case Refuted:
			return w
		case Unknown:
			v = w
		}
	}
	return v
}

func disjuncts(b *bv.Builder, t bv.Term, out []bv.Term) []bv.Term {
	if b.Op(t) == bv.OpOr && b.Width(t) == 1 {
		a := b.Args(t)
		return disjuncts(b, a[1], disjuncts(b, a[0], out))
	}
	return append(out, t)
}

// atoms are what a term depends on: inputs, functions of constants (which are
// inputs of their own), and functions of anything else, by number.
type atoms struct {
	terms map[bv.Term]bool
	funs  map[uint64]bool // applied to constants only
	open  map[uint64]bool // applied to what may be anything
}

func (m *Machine) atomsOf(t bv.Term) atoms {
	a := atoms{map[bv.Term]bool{}, map[uint64]bool{}, map[uint64]bool{}}
	b := m.B
	b.Walk(t, map[bv.Term]bool{}, func(t bv.Term) bool {
		switch b.Op(t) {
		case bv.OpInput:
			a.terms[t] = true
		case bv.OpFun:
			constant := true
			for _, x := range b.Args(t) {
				if _, ok := b.IsConst(x); !ok {
					constant = false
				}
			}
			if constant {
				a.terms[t], a.funs[b.K(t)] = true, true
			} else {
				a.open[b.K(t)] = true
			}
		}
		return true
	})
	return a
}

func (a atoms) meets(c atoms) bool {
	for t := range c.terms {
		if a.terms[t] {
			return true
		}
	}
	for f := range c.open {
		if a.open[f] || a.funs[f] {
			return true
		}
	}
	for f := range c.funs {
		if a.open[f] {
			return true
		}
	}
	return false
}

func (a atoms) add(c atoms) {
	for t := range c.terms {
		a.terms[t] = true
	}
	for f := range c.funs {
		a.funs[f] = true
	}
	for f := range c.open {
		a.open[f] = true
	}
}
