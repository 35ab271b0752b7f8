package superoptcmd

import (
	"context"
	"encoding/json"
	"io"
	"strings"
	"testing"

	"jitnic/host/hosttest/must"
	"jitnic/superopt"
)

const several = "../../../host/programs/loadbalancer.o"

// The cheap layers of every function come before the dear ones of any, and a
// file worked on in phases comes out as its functions do alone.
func TestPhasesAreOptimize(t *testing.T) {
	needZ3(t)
	for _, path := range []string{"testdata/cases/superopt-kernel-weak-kconfig/kconf.o", "../../../superopt/object/testdata/two-maps.o"} {
		in, err := open(path)
		must.OK(t, err)
		opt := &superopt.Options{Cost: "balanced", Seed: 1, Proposals: 500}
		r, progs, err := run(t.Context(), in, opt, "", 0, io.Discard)
		must.OK(t, err)
		for i, u := range in.units {
			if u.err != nil {
				continue
			}
			alone := must.Get(superopt.Optimize(t.Context(), u.prog, opt))(t)
			if got, want := progs[i].String(), alone.Prog.String(); got != want {
				t.Errorf("%s: %s in phases\n%s\nalone\n%s", path, u.name, got, want)
			}
			if p := r.Programs[i]; p.Proposals != alone.Proposals || p.Proved != alone.Proved || p.Whole.String() != alone.Whole.String() {
				t.Errorf("%s: %s: %d proposals, %d proved, %v in phases; %d, %d, %v alone", path, u.name, p.Proposals, p.Proved, p.Whole, alone.Proposals, alone.Proved, alone.Whole)
			}
		}
	}
}

// What ends in the middle leaves every function with the best it had: here
// after the passes.
func TestPhaseCutShort(t *testing.T) {
	needZ3(t)
	in := must.Get(open(several))(t)
	opt := &superopt.Options{Cost: "balanced", Seed: 1}
	r := &Report{}
	b := batch{in: in, opt: opt, news: newLine(io.Discard)}
	defer b.close()
	must.OK(t, b.open(t.Context(), r, ""))
	must.OK(t, b.run(t.Context(), phase{"passes", (*superopt.Work).Cheap}))
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	must.OK(t, b.run(gone, phase{"search", (*superopt.Work).Search}))
	progs := must.Get(b.finish(t.Context(), r))(t)
	if r.After >= r.Before || progs[0] == nil || r.Proposals != 0 {
		t.Errorf("%d -> %d slots after %d proposals: want what the passes found", r.Before, r.After, r.Proposals)
	}
}

// --effort and --seconds: bounds, and what the report says of a limit of time.
func TestEffortAndSeconds(t *testing.T) {
	needZ3(t)
	for _, args := range [][]string{{"--effort", "0"}, {"--effort", "10"}, {"--seconds", "-1"}} {
		if _, _, err := do(t.Context(), append(args, "testdata/double.k2")...); err == nil || !strings.Contains(err.Error(), args[0]) {
			t.Errorf("%v: %v", args, err)
		}
	}
	proposals := func(args ...string) (n int64, reproducible bool) {
		t.Helper()
		out, _, err := do(t.Context(), append(args, several, "--kernel=off", "--json", "-")...)
		must.OK(t, err)
		var r struct {
			Proposals      int64
			Irreproducible string `json:"not_reproducible"`
		}
		must.OK(t, json.Unmarshal([]byte(out[strings.Index(out, "{"):]), &r))
		return r.Proposals, r.Irreproducible == ""
	}
	if n, ok := proposals("--effort", "1"); n != 0 || !ok {
		t.Errorf("--effort 1: %d proposals, reproducible %v", n, ok)
	}
	if _, ok := proposals("--effort", "1", "--seconds", "0.5"); ok {
		t.Error("--seconds: the report calls itself reproducible")
	}
}
