package format

import (
	"context"
	"testing"

	"jitnic/superopt"
	"jitnic/superopt/z3"
)

func TestLadder(t *testing.T) {
	if err := z3.Open(); err != nil {
		t.Skipf("skipped: %v", err)
	}
	for _, s := range superopt.Ladder {
		f, err := Parse(s.Name+".k2", []byte(s.Code), []byte(s.Maps), []byte(s.Desc))
		if err != nil {
			t.Fatal(err)
		}
		p, err := f.Prog()
		if err != nil {
			t.Fatal(err)
		}
		for seed := uint64(1); seed <= 2; seed++ {
			r, err := superopt.Optimize(context.Background(), p, &superopt.Options{Seed: seed, Proposals: 4000})
			if err != nil {
				t.Fatal(err)
			}
			if r.After > s.Want || r.Whole != "proved" {
				t.Errorf("%s: %d -> %d, want %d; whole program %s\n%s", s.Name, r.Before, r.After, s.Want, r.Whole, r.Prog)
			}
			slots, from, err := r.Prog.SlotsFrom()
			if err != nil {
				t.Fatal(err)
			}
			text, err := f.Write(slots, from)
			if err != nil {
				t.Fatal(err)
			}
			g, err := Parse(s.Name+".k2", text, []byte(s.Maps), []byte(s.Desc))
			if err != nil {
				t.Fatalf("%s: written text not read: %v\n%s", s.Name, err, text)
			}
			if len(g.Slots) != r.After {
				t.Errorf("%s: %d slots written, %d meant\n%s", s.Name, len(g.Slots), r.After, text)
			}
		}
	}
}
