package superopt

import (
	"jitnic/pathcond/bv"
	"jitnic/superopt/z3"
)

// A trace is proved window by window too, but what is known before a window is
// all the trace did up to it, and the path condition: its trail. The trace is
// followed once; each rewrite of it then costs its window, and of the
// condition only what speaks of the same inputs goes to the solver.
type trail struct {
	p     *Prog
	m     *machine
	size  int         // terms when it was made
	snaps []*symState // before each instruction, and at the end
	acc   []symAccess // all the trace touches
	conds []assumed
}

// assumed is one conjunct of what is assumed, with what it speaks of.
type assumed struct {
	t     bv.Term
	atoms atoms
}

// trailRoom is how many terms questions may add before the trail is made anew.
const trailRoom = 200_000

// trailOf follows the trace as it is now; nil where it isn't straight.
func (o *optimizer) trailOf() *trail {
	if t := o.trail; t != nil && t.p == o.p && t.m.b.Len() < t.size+trailRoom {
		return t
	}
	m := newMachine(o.p, o.pr.Accel)
	st := m.entry(&o.a.in[0], true)
	t := &trail{p: o.p, m: m}
	if o.assume != nil {
		for _, c := range conjuncts(m.b, o.assume(m, st), nil) {
			t.conds = append(t.conds, assumed{c, m.atomsOf(c)})
		}
	}
	if !o.modelled {
		o.modelled = true
		all := m.one
		for _, c := range t.conds {
			all = m.b.AndB(all, c.t)
		}
		o.holds = o.pr.modelOf(m, all)
	}
	st.pc = m.one
	for i := range o.p.Insts {
		in := &o.p.Insts[i]
		if in.jumps() {
			return nil
		}
		t.snaps = append(t.snaps, st.clone())
		if in.ends() {
			continue
		}
		if m.step(o.p, i, in, st, &t.acc) != nil {
			m.forget(in, st)
		}
	}
	t.snaps = append(t.snaps, st)
	t.size = m.b.Len()
	o.trail = t
	return t
}

func conjuncts(b *bv.Builder, t bv.Term, out []bv.Term) []bv.Term {
	if b.Op(t) == bv.OpAnd && b.Width(t) == 1 {
		a := b.Args(t)
		return conjuncts(b, a[1], conjuncts(b, a[0], out))
	}
	return append(out, t)
}

// onTrail answers whether q, which differs from the trace in [s, e) only, does
// the same wherever the condition holds.
func (o *optimizer) onTrail(t *trail, s, e int, q *Prog) z3.Verdict {
	for s+1 < e && o.p.Insts[s] == q.Insts[s] {
		s++
	}
	saved := o.pr.RLimit
	o.pr.base, o.pr.RLimit = o.holds, saved/8 // one of many, and all the trace before it is in it
	defer func() { o.pr.base, o.pr.RLimit = nil, saved }()
	v := o.pr.onTrail(t, &task{old: o.p, new: q, s: s, e: e, out: o.liveAt})
	if w, ok := v.(z3.Refuted); ok && e < len(o.p.Insts) && w.By != "terms" {
		v = o.pr.onTrail(t, &task{old: o.p, new: q, s: s, e: len(o.p.Insts), out: o.liveAt})
	}
	if _, ok := v.(z3.Unknown); ok { // perhaps it is so whatever came before
		v = o.pr.equivalent(&task{old: o.p, new: q, s: s, e: e, pre: &o.a.in[s], out: o.liveAt, loopFree: o.free})
	}
	o.pr.count(v)
	return v
}

func (p *Prover) onTrail(t *trail, k *task) z3.Verdict {
	m := t.m
	m.vague, m.compared = false, 0 // of what came before both make the same
	known := len(m.digests)
	defer func() { m.digests = m.digests[:known] }()
	start := t.snaps[k.s]
	from := make([]mark, len(start.mem))
	for i := range from {
		from[i] = mark{start.mem[i].ver, len(start.mem[i].writes)}
	}
	a, _, err := m.run(k.old, k.s, k.e, start.clone())
	if err != nil {
		return z3.Unknown{Reason: "original: " + err.Error()}
	}
	b, accB, err := m.run(k.new, k.s, k.e, start.clone())
	if err != nil {
		return rewriteError(err)
	}
	if !k.noSafety {
		if why := m.newAccess(t.acc, accB); why != "" {
			return z3.Refuted{By: "terms", What: why}
		}
	}
	diff, why := m.differFrom(a, b, k.out, from)
	if why != "" {
		return z3.Refuted{By: "terms", What: why}
	}
	if !k.split {
		return p.decide(m, t.assuming(diff))
	}
	// One output after another: most are decided by few of the inputs.
	var v z3.Verdict = z3.Proved{By: "terms"}
	for _, d := range disjuncts(m.b, diff, nil) {
		d = t.assuming(d)
		if _, unknown := v.(z3.Unknown); unknown { // it stays so, unless tests refute it
			if w, ok := p.test(m.b, d); ok && !m.vague {
				return w
			}
			continue
		}
		switch w := p.decide(m, d).(type) {
		case z3.Refuted:
			return w
		case z3.Unknown:
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

// wholeTrail proves q against the trace it was made of, from beginning to end;
// nil where the trace isn't straight.
func (o *optimizer) wholeTrail(original, q *Prog, out func(int) *live) z3.Verdict {
	p, a := o.p, o.a
	defer func() { o.p, o.a, o.trail, o.pr.base = p, a, nil, nil }()
	o.p, o.a = original, analyse(original)
	t := o.trailOf()
	if t == nil {
		return nil
	}
	o.pr.base = o.holds
	v := o.pr.onTrail(t, &task{old: original, new: q, s: 0, e: len(original.Insts), out: out, split: true, noSafety: true})
	o.pr.count(v)
	return v
}

// assuming joins to t what is assumed of the inputs it depends on, and of
// those these depend on.
func (t *trail) assuming(x bv.Term) bv.Term {
	b := t.m.b
	if _, ok := b.IsConst(x); ok {
		return x
	}
	seen := t.m.atomsOf(x)
	taken := make([]bool, len(t.conds))
	for again := true; again; {
		again = false
		for i := range t.conds {
			c := &t.conds[i]
			if !taken[i] && seen.meets(c.atoms) {
				taken[i], again = true, true
				seen.add(c.atoms)
			}
		}
	}
	for i := range t.conds {
		if taken[i] {
			x = b.AndB(t.conds[i].t, x)
		}
	}
	return x
}

// atoms are what a term depends on: inputs, functions of constants (which are
// inputs of their own), and functions of anything else, by number.
type atoms struct {
	terms map[bv.Term]bool
	funs  map[uint64]bool // applied to constants only
	open  map[uint64]bool // applied to what may be anything
}

func (m *machine) atomsOf(t bv.Term) atoms {
	a := atoms{map[bv.Term]bool{}, map[uint64]bool{}, map[uint64]bool{}}
	b := m.b
	seen := map[bv.Term]bool{}
	var walk func(t bv.Term)
	walk = func(t bv.Term) {
		if seen[t] {
			return
		}
		seen[t] = true
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
		for _, x := range b.Args(t) {
			walk(x)
		}
	}
	walk(t)
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
