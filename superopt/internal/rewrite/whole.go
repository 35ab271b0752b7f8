package rewrite

import (
	"fmt"

	"jitnic/superopt/internal/dataflow"
	"jitnic/superopt/internal/ir"
	"jitnic/superopt/internal/proof"
)

// route is what is known of the way a trace takes; nothing of a program's.
type route struct {
	Assume proof.Assumption // the trace's path condition, nil for programs
	trail  *proof.Trail     // the trace as it is, followed
	// holds is one assignment under which Assume does; looked for once (modelled).
	holds    map[uint64]uint64
	modelled bool
}

// trailOf follows the trace as it is now; nil where it isn't straight.
func (o *Gate) trailOf() *proof.Trail {
	if t := o.trail; t != nil && t.P == o.Prog && !t.Full() {
		return t
	}
	if t := o.follow(o.Prog, o.Known); t != nil {
		o.trail = t
		return t
	}
	return nil
}

func (o *Gate) follow(p *ir.Prog, a *dataflow.Analysis) *proof.Trail {
	t := o.Prover.Follow(p, a.In[0], o.Assume, !o.modelled)
	o.modelled = true
	if t != nil && t.Holds != nil {
		o.holds = t.Holds
	}
	return t
}

// wholeTrail proves q against the trace it was made of, from beginning to end;
// nil where the trace isn't straight.
func (o *Gate) wholeTrail(original, q *ir.Prog, out func(int) *dataflow.Live) proof.Verdict {
	defer func() { o.trail = nil }()
	t := o.follow(original, dataflow.Analyse(original))
	if t == nil {
		return nil
	}
	return o.Prover.Whole(t, &proof.Task{Old: original, New: q, S: 0, E: len(original.Insts), Out: out}, o.holds)
}

// Whole is the verdict over a whole program; where none was asked for, it says
// why. Its text, in reports and JSON, is the verdict's.
type Whole struct {
	proof.Verdict        // nil: not asked
	Why           string // not asked
}

// Proved says whether no input tells result and original apart.
func (w Whole) Proved() bool {
	_, ok := w.Verdict.(proof.Proved)
	return ok
}

// Refuted says whether some input does.
func (w Whole) Refuted() bool {
	_, ok := w.Verdict.(proof.Refuted)
	return ok
}

// String is the verdict in words: "proved", "refuted: …", "unknown: …", "not
// asked: …".
func (w Whole) String() string {
	switch v := w.Verdict.(type) {
	case proof.Proved:
		return "proved"
	case proof.Refuted:
		return fmt.Sprintf("refuted: %s %v", v.What, v.Counterexample)
	case proof.Unknown:
		return "unknown: " + v.Reason
	}
	return "not asked: " + w.Why
}

// MarshalText is String, for JSON.
func (w Whole) MarshalText() ([]byte, error) { return []byte(w.String()), nil }

// WholeVerdict proves the result against the original over the whole program
// where it can be: a second net under the proofs of windows.
func (o *Gate) WholeVerdict(original *ir.Prog) Whole {
	if !original.Modelled() || !o.Prog.Modelled() {
		return Whole{Why: "loops, calls of subprograms or helpers outside the model"}
	}
	n := max(len(original.Insts), len(o.Prog.Insts))
	pad := func(p *ir.Prog) *ir.Prog {
		q := p.Clone()
		for len(q.Insts) < n {
			q.Insts = append(q.Insts, ir.Empty())
		}
		return q
	}
	f := dataflow.EntryFacts(original, 0)
	out := dataflow.Live{Regs: 1}
	if original.Goes {
		out.AllStack()
	}
	t := &proof.Task{Old: pad(original), New: pad(o.Prog), S: 0, E: n, Pre: &f, LoopFree: true, Out: func(int) *dataflow.Live { return &out }, NoSafety: true}
	saved := o.Prover.RLimit
	defer func() { o.Prover.RLimit = saved }()
	var v proof.Verdict
	if o.Assume != nil {
		t.Assume = o.Assume
	}
	o.Prover.RLimit = saved / 2 // for each output
	v = o.wholeTrail(t.Old, t.New, t.Out)
	if v == nil {
		o.Prover.RLimit = 4 * saved
		v = o.Prover.Equivalent(t)
	}
	return Whole{Verdict: v}
}
