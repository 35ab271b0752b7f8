package replay

import (
	"testing"

	"jitnic/host/hosttest/must"
	"jitnic/host/run/jit"
)

// atOnce runs a sample with its branches made selects, at tier 1: every trace becomes
// shorter, and is proved at once, as a whole.
func atOnce(t *testing.T, sample string, limit uint64) {
	t.Helper()
	in := Input{Program: "sample:" + sample, Captures: []string{"sample:lab"}, Limit: limit, Seed: 1}
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

// Traces of ways that came together have numbers and pointers in one register, and
// code made of them has the same values from other instructions: that is no trouble
// that the code before it hadn't.
func TestSelectsAtOnce(t *testing.T) { atOnce(t, "nat", 9000) }

// A branch made selects takes data_end from a frame above its own, where it was kept:
// what the verifier would mind of the code then it would have minded before, too.
func TestSelectsOfWhatIsKeptAbove(t *testing.T) { atOnce(t, "firewall", 3000) }
