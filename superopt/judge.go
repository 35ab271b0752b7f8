package superopt

import "context"

// Judge says of a rewrite of a whole program, what is assumed given, whether it
// is proved and what the verifier would refuse in it. Both programs are filled
// up to one length.
func Judge(ctx context.Context, old, new *Prog, assume assumption) (Verdict, string, error) {
	n := max(len(old.Insts), len(new.Insts))
	for _, p := range [2]*Prog{old, new} {
		for len(p.Insts) < n {
			p.Insts = append(p.Insts, emptyInst())
		}
	}
	o, err := newOptimizer(ctx, old, &Options{Seed: 1}, assume)
	if err != nil {
		return nil, "", err
	}
	defer o.pr.Close()
	o.p, o.a = old, analyse(old)
	f := old.entryFacts(0)
	v := o.pr.Equivalent(&task{old: old, new: new, s: 0, e: n, pre: &f, loopFree: true, out: func(int) *live { return &live{regs: 1} }, assume: assume})
	return v, o.unsafe(new), nil
}
