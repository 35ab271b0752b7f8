package superopt

import "fmt"

// trailOf follows the trace as it is now; nil where it isn't straight.
func (o *optimizer) trailOf() *trail {
	if t := o.trail; t != nil && t.p == o.p && !t.full() {
		return t
	}
	if t := o.follow(o.p, o.a); t != nil {
		o.trail = t
		return t
	}
	return nil
}

func (o *optimizer) follow(p *Prog, a *analysis) *trail {
	t := o.pr.follow(p, &a.in[0], o.assume, !o.modelled)
	o.modelled = true
	if t != nil && t.holds != nil {
		o.holds = t.holds
	}
	return t
}

// wholeTrail proves q against the trace it was made of, from beginning to end;
// nil where the trace isn't straight.
func (o *optimizer) wholeTrail(original, q *Prog, out func(int) *live) Verdict {
	defer func() { o.trail = nil }()
	t := o.follow(original, analyse(original))
	if t == nil {
		return nil
	}
	return o.pr.whole(t, &task{old: original, new: q, s: 0, e: len(original.Insts), out: out}, o.holds)
}

// wholeVerdict proves the result against the original over the whole program
// where it can be: a second net under the proofs of windows.
func (o *optimizer) wholeVerdict(original *Prog) string {
	if !original.modelled() || !o.p.modelled() {
		return "not asked: loops, calls of subprograms or helpers outside the model"
	}
	n := max(len(original.Insts), len(o.p.Insts))
	pad := func(p *Prog) *Prog {
		q := p.Clone()
		for len(q.Insts) < n {
			q.Insts = append(q.Insts, emptyInst())
		}
		return q
	}
	f := original.entryFacts(0)
	t := &task{old: pad(original), new: pad(o.p), s: 0, e: n, pre: &f, loopFree: true, out: func(int) *live { return &live{regs: 1} }, noSafety: true}
	saved := o.pr.RLimit
	defer func() { o.pr.RLimit = saved }()
	var v Verdict
	if o.assume != nil {
		t.assume = o.assume
	}
	o.pr.RLimit = saved / 2 // for each output
	v = o.wholeTrail(t.old, t.new, t.out)
	if v == nil {
		o.pr.RLimit = 4 * saved
		v = o.pr.Equivalent(t)
	}
	switch v := v.(type) {
	case Proved:
		return "proved"
	case Refuted:
		return fmt.Sprintf("refuted: %s %v", v.What, v.Counterexample)
	case Unknown:
		return "unknown: " + v.Reason
	}
	return ""
}
