package replay

import (
	"testing"

	"jitnic/host/hosttest/must"
	"jitnic/host/run/jit"
)

// A unit is worth ten instructions. One trace of 6 units saves 3 instructions a hit and
// has paid after 20 of them; one of a unit saves 4, after 3; one saves nothing, and what
// it cost counts all the same.
func TestPaying(t *testing.T) {
	p := &paying{worth: 10}
	p.add(6, 19, 3)
	p.add(1, 3, 4)
	p.add(100, 50, 0)
	if want := (Paid{Traces: 2, Paid: 1, Saved: 19*3 + 3*4, Worth: 60 + 10 + 1000}); p.Paid != want || p.need[0] != 20 || p.need[1] != 3 {
		t.Errorf("%+v, needs %v, want %+v", p.Paid, p.need, want)
	}
}

// A run tells of both tiers, and its hits save what its traces say.
func TestPaid(t *testing.T) {
	in := Input{Program: "sample:conntrack", Captures: []string{"sample:lab"}, Limit: 4000, Seed: 1}
	op := &Optimiser{On: true, Tier2After: 300, Proposals: 200}
	var sum *Optimised
	run := must.Get(Open(t.Context(), in, Cache{Policy: "infinite", Entries: 1}, func(o *jit.Options) { sum = op.Install(t.Context(), o, 1) }))(t)
	defer run.Close()
	must.OK(t, run.Follow(t.Context(), func(Several) error { return nil }))
	must.OK(t, sum.Settle(run.Runtime))
	if len(sum.Paid) != 2 || sum.Paid[0].Tier != 1 || sum.Paid[1].Tier != 2 || sum.Hot.Swapped == 0 {
		t.Fatalf("%+v, %+v", sum.Paid, sum.Hot)
	}
	var saved [2]uint64
	for _, i := range run.Runtime.Paths() {
		hits, first := i.Packets-i.Misses, i.Trace.Len()
		if w := i.Swap; w != nil {
			first = w.From
			saved[1] += (hits - w.Hits) * uint64(w.From-i.Trace.Len())
		}
		saved[0] += hits * uint64(i.Before-first)
	}
	if saved[0] != sum.Paid[0].Saved || saved[1] != sum.Paid[1].Saved || saved[0] == 0 || saved[1] == 0 {
		t.Errorf("%+v, by the traces %v", sum.Paid, saved)
	}
}
