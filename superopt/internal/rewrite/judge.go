package rewrite

import (
	"context"

	"jitnic/superopt/internal/dataflow"
	"jitnic/superopt/internal/ir"
	"jitnic/superopt/internal/proof"
)

// Judge says of a rewrite of a whole program, what is assumed given, whether it
// is proved and what the verifier would refuse in it. Both programs are filled
// up to one length.
func Judge(ctx context.Context, old, new *ir.Prog, assume proof.Assumption) (proof.Verdict, string, error) {
	n := max(len(old.Insts), len(new.Insts))
	for _, p := range [2]*ir.Prog{old, new} {
		for len(p.Insts) < n {
			p.Insts = append(p.Insts, ir.Empty())
		}
	}
	o, err := New(ctx, old, &Options{Seed: 1}, assume)
	if err != nil {
		return nil, "", err
	}
	defer o.Prover.Close()
	o.Prog, o.Known = old, dataflow.Analyse(old)
	f := dataflow.EntryFacts(old, 0)
	v := o.Prover.Equivalent(&proof.Task{Old: old, New: new, S: 0, E: n, Pre: &f, LoopFree: true, Out: func(int) *dataflow.Live { return &dataflow.Live{Regs: 1} }, Assume: assume})
	return v, o.Unsafe(new), nil
}
