package superopt

import (
	"context"
	"errors"
	"fmt"

	"jitnic/host/ebpf"
	"jitnic/host/maps"
	"jitnic/pathcond"
	"jitnic/superopt/internal/ir"
	"jitnic/superopt/internal/proof"
	"jitnic/superopt/internal/rewrite"
	"jitnic/trace"
)

// OptimizeTrace makes the trace of a path cheaper. The path condition is its
// precondition: what it says of packet bytes, length and bounds may be used.
// The trace of p is left as it is; the new one is returned with what the run
// found. opt is an [Options], nil the defaults. without leaves the condition out,
// for comparison.
//
// The trace's program is proved as a whole: its stack, packet, maps, verdict
// and the order of its helpers are what the original's are whenever the
// condition holds.
func OptimizeTrace(ctx context.Context, p *pathcond.Path, c *pathcond.Compiler, opt *rewrite.Options, without bool) (*trace.Trace, *rewrite.Result, error) {
	if p.Trace == nil {
		return nil, nil, fmt.Errorf("trace: the path has none: %v", p.Abort)
	}
	var o rewrite.Options
	if opt != nil {
		o = *opt
	}
	if o.FailLimit == 0 {
		o.FailLimit = 32 // hashes of keys have questions by the hundred that no budget answers
	}
	if o.Tier == 1 && o.RLimit == 0 {
		o.RLimit = tier1RLimit
	}
	if o.Cost == "" && o.CostFunc == nil {
		o.Cost = "count-no-atomics" // an atomic costs a trace more than it saves
	}
	var specs []*maps.Spec
	for _, m := range c.S.Maps {
		specs = append(specs, m.Spec())
	}
	g, err := ir.FromTrace(p.Trace.Code, specs)
	if err != nil {
		return nil, nil, err
	}
	g.Trace, g.Goes, g.Resumes = o.Tier > 0, p.Next != 0, p.Table > 0
	if (g.Goes || g.Resumes) && o.Tier == 0 {
		return nil, nil, errors.New("trace: a segment of a path has tiers alone")
	}
	var cond *proof.Condition
	if !without {
		cond = proof.ConditionOf(p, c)
	}
	r, err := optimize(ctx, g, &o, given{cond: cond})
	if err != nil {
		return nil, nil, err
	}
	if cond != nil && r.Spent > 0 {
		// The condition can make questions too dear for their budget; where less
		// is found with it than without it, the latter counts.
		bare, err := optimize(ctx, g, &o, given{})
		if err != nil {
			return nil, nil, err
		}
		if bare.CostAfter < r.CostAfter {
			bare.Seconds += r.Seconds
			r = bare
		}
	}
	code, err := r.Prog.ToSlots()
	if err != nil {
		return nil, nil, err
	}
	if err := isProved(code, r.Prog, specs); err != nil {
		return nil, nil, fmt.Errorf("trace: internal error: what would be installed is not the proved program: %w", err)
	}
	t := *p.Trace
	t.Code, t.Meta = code, nil
	return &t, r, nil
}

// tier1RLimit is the solver's resources for one proof of tier 1: what terms
// don't decide is seldom worth a millisecond there.
const tier1RLimit = 20_000

// isProved reads slots as an executor does, and says where they aren't the
// proved program.
func isProved(code []ebpf.Insn, p *ir.Prog, specs []*maps.Spec) error {
	back, err := ir.FromTrace(code, specs)
	if err != nil {
		return err
	}
	want := p.Clone()
	want.Compact()
	if len(back.Insts) != len(want.Insts) {
		return fmt.Errorf("%d instructions, want %d", len(back.Insts), len(want.Insts))
	}
	for i := range want.Insts {
		x, y := want.Insts[i], back.Insts[i]
		if x.To >= 0 || y.To >= 0 { // how far it is stands in the slots alone
			x.Off, x.Imm, y.Off, y.Imm = 0, 0, 0, 0
			if want.Insts[i].IsCondJump() {
				x.Imm, y.Imm = want.Insts[i].Imm, back.Insts[i].Imm
			}
		}
		if x.Insn != y.Insn || x.Hi != y.Hi || x.To != y.To {
			return fmt.Errorf("instruction %d: %v, proved %v", i, back.Insts[i].Insn, want.Insts[i].Insn)
		}
	}
	return nil
}
