package replay

import (
	"testing"

	"jitnic/host/hosttest/must"
	"jitnic/host/run/jit"
)

// Traces of ways that came together have numbers and pointers in one register, and
// code made of them has the same values from other instructions: that is no trouble
// that the code before it hadn't. Each is proved at once, as a whole.
func TestSelectsAtOnce(t *testing.T) {
	in := Input{Program: "sample:nat", Captures: []string{"sample:lab"}, Limit: 9000, Seed: 1}
	op := &Optimiser{On: true, Tier: Tier1}
	var sum *Optimised
	run := must.Get(Open(t.Context(), in, Cache{Policy: "infinite", Entries: 1, Remedies: jit.Remedies{Merge: true, Predicate: 32}}, func(o *jit.Options) {
		o.Check = true
		sum = op.Install(t.Context(), o, 1)
	}))(t)
	defer run.Close()
	must.OK(t, run.Follow(t.Context(), func(Several) error { return nil }))
	if sum.WithSelects < 3 || sum.Shorter != sum.Traces || sum.Proved != sum.Traces || sum.Refuted+sum.Unknown > 0 {
		t.Errorf("%+v", sum)
	}
}
