package ladder

import (
	"context"
	"strings"
	"testing"

	"jitnic/host/hosttest/must"
	"jitnic/superopt"
	"jitnic/superopt/format"
	"jitnic/superopt/z3"
)

// Every rung is reached with the default setting and a small search.
func TestLadder(t *testing.T) {
	if err := z3.Open(); err != nil {
		t.Skipf("skipped: %v", err)
	}
	rungs := must.Get(Rungs())(t)
	rows := must.Get(Run(context.Background(), rungs, &superopt.Options{Seed: 1, Proposals: 2000}, func(r *Row) {
		if !r.Reached() || r.Want > 0 && r.After < r.Want {
			t.Errorf("%s: %d -> %d, want %d (%s)\n%s", r.Name, r.Before, r.After, r.Want, r.Whole, r.Prog)
		}
	}))(t)
	if len(rows) != len(rungs) {
		t.Fatalf("%d rows of %d rungs", len(rows), len(rungs))
	}
}

// An interrupt gives the rows so far.
func TestInterrupt(t *testing.T) {
	rungs, err := Rungs()
	must.OK(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	rows, err := Run(ctx, rungs[:3], &superopt.Options{Layers: "p"}, func(*Row) { cancel() })
	if err == nil || len(rows) != 1 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
}

// A result written in K2's text is read again as the same program; Write itself
// sees to that.
func TestResultsWritten(t *testing.T) {
	order := must.Get(files.ReadDir("rungs"))(t)
	n := 0
	for _, e := range order {
		name, ok := strings.CutSuffix(e.Name(), ".k2")
		if !ok {
			continue
		}
		n++
		code, _ := files.ReadFile("rungs/" + e.Name())
		maps, _ := files.ReadFile("rungs/" + name + ".maps")
		desc, _ := files.ReadFile("rungs/" + name + ".desc")
		f, err := format.Parse(e.Name(), code, maps, desc)
		must.OK(t, err)
		p, err := f.Prog()
		must.OK(t, err)
		r, err := superopt.Optimize(context.Background(), p, &superopt.Options{Seed: 2, Layers: "pr"})
		must.OK(t, err)
		slots, from, err := r.Prog.SlotsFrom()
		must.OK(t, err)
		text, err := f.Write(slots, from)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		slots[0].Imm ^= 1
		slots[0].Off ^= 1
		if f.Check(text, slots) == nil {
			t.Errorf("%s: another program is not told from it:\n%s", name, text)
		}
	}
	if rungs, err := Rungs(); err != nil || len(rungs) != n {
		t.Errorf("%d rungs in the order, %d files, %v", len(rungs), n, err)
	}
}
