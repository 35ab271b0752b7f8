package replay

import (
	"path/filepath"
	"slices"
	"testing"

	"jitnic/host/hosttest/must"
	"jitnic/host/run/jit"
	"jitnic/pathcond"
	"jitnic/superopt"
	"jitnic/trace"
)

// TestAllIsEverything sets --superopt=all beside the optimiser asked for nothing but
// its default setting: traces are the same to the byte, first with an empty memo and
// then from a full one.
func TestAllIsEverything(t *testing.T) {
	file := filepath.Join(t.TempDir(), "memo")
	for _, memo := range []string{"empty", "full"} {
		op := &Optimiser{Memo: file}
		must.OK(t, op.Set("all"))
		must.OK(t, op.Open(t.Context()))
		n := 0
		in := Input{Program: "sample:firewall", Captures: []string{"sample:lab"}, Seed: 1, Limit: 40}
		run := must.Get(Open(t.Context(), in, Cache{Policy: "infinite", Entries: 1}, func(o *jit.Options) {
			op.Install(t.Context(), o, in.Seed)
			all := o.Optimise
			o.Optimise = func(p *pathcond.Path, c *pathcond.Compiler) (*trace.Trace, error) {
				got, err := all(p, c)
				must.OK(t, err)
				want, _, err := superopt.OptimizeTrace(t.Context(), p, c, &superopt.Options{Seed: in.Seed}, false)
				must.OK(t, err)
				if !slices.Equal(got.Code, want.Code) {
					t.Errorf("memo %s, trace %d:\n%v\nwant\n%v", memo, n, got.Code, want.Code)
				}
				if n++; len(got.Code) >= len(p.Trace.Code) {
					t.Errorf("trace %d of %d slots has become no shorter", n, len(got.Code))
				}
				return got, nil
			}
		}))(t)
		must.OK(t, run.Follow(t.Context(), func(Several) error { return nil }))
		run.Close()
		must.OK(t, op.Keep())
		if n < 2 {
			t.Errorf("%d traces", n)
		}
	}
}
