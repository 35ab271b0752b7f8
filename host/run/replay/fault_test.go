package replay

import (
	"context"
	"errors"
	"testing"

	"jitnic/host/hosttest/must"
	"jitnic/host/run/jit"
	"jitnic/pathcond"
	"jitnic/superopt"
	"jitnic/trace"
)

// TestOptimiserFails has every third trace fail: it stays as it is, is counted with
// the reason, and the run goes on to its end without a difference.
func TestOptimiserFails(t *testing.T) {
	defer func(f func(context.Context, *pathcond.Path, *pathcond.Compiler, *superopt.Options, bool) (*trace.Trace, *superopt.Result, error)) {
		optimizeTrace = f
	}(optimizeTrace)
	real, asked, failed := optimizeTrace, 0, 0
	left := map[*trace.Trace]bool{}
	optimizeTrace = func(ctx context.Context, p *pathcond.Path, c *pathcond.Compiler, o *superopt.Options, without bool) (*trace.Trace, *superopt.Result, error) {
		if asked++; asked%3 == 0 {
			failed++
			left[p.Trace] = true
			return nil, nil, errors.New("libz3: out of memory")
		}
		return real(ctx, p, c, o, without)
	}
	op := &Optimiser{On: true, Tier2After: 20, Proposals: -1}
	in := Input{Program: "sample:firewall", Captures: []string{"sample:lab"}, Seed: 1, Limit: 300}
	var sum *Optimised
	run := must.Get(Open(t.Context(), in, Cache{Entries: 64}, func(o *jit.Options) {
		o.Check = true
		sum = op.Install(t.Context(), o, 1)
	}))(t)
	defer run.Close()
	must.OK(t, run.Follow(t.Context(), func(Several) error { return nil }))
	if failed < 3 || sum.Failed != failed || sum.Why != "libz3: out of memory" || run.Runtime.Packets != 300 {
		t.Errorf("%d failed, counted %d (%q), %d packets", failed, sum.Failed, sum.Why, run.Runtime.Packets)
	}
	n := 0
	for _, p := range run.Runtime.Paths() {
		if left[p.Trace] {
			n++
		}
	}
	if n == 0 {
		t.Error("none runs as it is")
	}
}
