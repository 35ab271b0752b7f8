package ladder

import (
	"context"
	"testing"

	"jitnic/superopt"
	"jitnic/superopt/z3"
)

// Every rung is reached with the default setting and a small search.
func TestLadder(t *testing.T) {
	if err := z3.Open(); err != nil {
		t.Skipf("skipped: %v", err)
	}
	rungs, err := Rungs()
	if err != nil {
		t.Fatal(err)
	}
	rows, err := Run(context.Background(), rungs, &superopt.Options{Seed: 1, Proposals: 2000}, func(r *Row) {
		if !r.Reached() || r.Want > 0 && r.After < r.Want {
			t.Errorf("%s: %d -> %d, want %d (%s)\n%s", r.Name, r.Before, r.After, r.Want, r.Whole, r.Prog)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != len(rungs) {
		t.Fatalf("%d rows of %d rungs", len(rows), len(rungs))
	}
}

// An interrupt gives the rows so far.
func TestInterrupt(t *testing.T) {
	rungs, err := Rungs()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	rows, err := Run(ctx, rungs[:3], &superopt.Options{Layers: "p"}, func(*Row) { cancel() })
	if err == nil || len(rows) != 1 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
}
