package replay

import (
	"context"
	"fmt"
	"testing"

	"jitnic/cache"
	"jitnic/cache/policy"
	"jitnic/host/hosttest/must"
	"jitnic/host/run/jit"
	"jitnic/pathcond"
	"jitnic/superopt"
	"jitnic/trace"
)

// Segments that are hot are searched and swapped as whole paths are: whatever the
// policy, the threshold and the delay, no verdict, byte or map is another (the oracle
// runs beside), and no packet has another outcome than without the optimiser.
func TestTier2OfSegments(t *testing.T) {
	// What is found is kept for all runs: searches are dear.
	type answer struct {
		t *trace.Trace
		r *superopt.Result
	}
	real, known, better := optimizeTrace, map[string]answer{}, 0
	defer func() { optimizeTrace = real }()
	optimizeTrace = func(ctx context.Context, p *pathcond.Path, c *pathcond.Compiler, opt *superopt.Options, without bool) (*trace.Trace, *superopt.Result, error) {
		key := fmt.Sprint(opt.Tier, p.Table, p.Next, p.Trace.Code)
		a, ok := known[key]
		if !ok {
			var err error
			if a.t, a.r, err = real(ctx, p, c, opt, without); err != nil {
				return nil, nil, err
			}
			known[key] = a
			if opt.Tier == 2 && (p.Table > 0 || p.Next > 0) && a.r.CostAfter < a.r.CostBefore {
				better++
			}
		}
		return a.t, a.r, nil
	}
	in := Input{Program: "sample:conntrack", Captures: []string{"sample:lab"}, Limit: 1200, Seed: 1, Loop: 1, Queues: 1}
	swapped := uint64(0)
	run := func(ca Cache, opt *Optimiser) cache.Counts {
		t.Helper()
		ca.Remedies = jit.Remedies{Segments: 3}
		s := must.Get(Open(t.Context(), in, ca, func(o *jit.Options) {
			o.Check = true
			opt.Install(t.Context(), o, 1)
		}))(t)
		defer s.Close()
		must.OKf(t, s.Run(t.Context(), nil), "%+v", ca)
		if s.Runtime.Checked != in.Limit || len(s.Runtime.Tables()) < 2 {
			t.Fatalf("%+v: %d packets checked, %d tables", ca, s.Runtime.Checked, len(s.Runtime.Tables()))
		}
		swapped += s.Runtime.NIC.Cache.Stats().Swapped
		return s.Runtime.NIC.Outcomes()
	}
	for i, p := range policy.All() {
		ca := Cache{Policy: p.Name, Entries: 8 << (i % 3), HotThreshold: uint32(1 + i%3), InstallDelay: uint64(i % 4)}
		if a, b := run(ca, nil), run(ca, &Optimiser{On: true, Tier2After: uint64(10 + i), Proposals: 200}); a != b {
			t.Errorf("%+v: outcomes %v, and %v with tiers", ca, a, b)
		}
	}
	t.Logf("%d segments have a better trace, %d swaps", better, swapped)
	if swapped == 0 || better == 0 {
		t.Errorf("%d segments have a better trace, %d swaps", better, swapped)
	}
}
