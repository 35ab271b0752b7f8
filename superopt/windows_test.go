package superopt

import (
	"context"
	"testing"

	"jitnic/host/hosttest/must"
	"jitnic/superopt/internal/ir"
	"jitnic/superopt/internal/proof"
	"jitnic/superopt/internal/rewrite"
	"jitnic/superopt/internal/superopttest"
)

// Only what lies in the windows asked for changes.
func TestWindowsOption(t *testing.T) {
	p := superopttest.Rows(t, ir.KindConst, [5]int{0xb7, 0, 0, 0, 1}, [5]int{0x0f, 0, 0, 0, 0}, [5]int{0xbf, 1, 2, 0, 0}, [5]int{0x07, 0, 2, 0, 0}, [5]int{0x0f, 2, 0, 0, 0}, [5]int{0x95, 0, 0, 0, 0})
	r := must.Get(Optimize(context.Background(), p, &rewrite.Options{Windows: [][2]int{{2, 4}}, Proposals: -1}))(t)
	if r.Prog.Insts[0] != p.Insts[0] || r.Prog.Insts[1] != p.Insts[1] {
		t.Errorf("changed outside its window:\n%s", r.Prog)
	}
	if r.After >= r.Before {
		t.Errorf("nothing found inside its window:\n%s", r.Prog)
	}
}

// The ladder comes down as far as it says, in any seed, and each acceleration
// can be turned off without an unsound answer.
func TestAblation(t *testing.T) {
	superopttest.NeedZ3(t)
	p := superopttest.Rows(t, ir.KindTracing, [5]int{0x71, 1, 3, 0, 0}, [5]int{0x71, 1, 4, 1, 0}, [5]int{0x67, 0, 4, 0, 8}, [5]int{0x4f, 3, 4, 0, 0},
		[5]int{0x7b, 4, 10, -8, 0}, [5]int{0x79, 10, 0, -8, 0}, [5]int{0x95, 0, 0, 0, 0})
	for _, a := range []proof.Accel{proof.AllAccel(), {Regions: false, Maps: true, Offsets: true, Windows: true}, {Regions: true, Maps: false, Offsets: true, Windows: true}, {Regions: true, Maps: true, Offsets: false, Windows: true}, {Regions: true, Maps: true, Offsets: true, Windows: false}, {}} {
		r := must.Get(Optimize(context.Background(), p, &rewrite.Options{Accel: &a, Proposals: -1}))(t)
		t.Logf("%+v: %d -> %d, %s, %d by z3", a, r.Before, r.After, r.Whole, r.ByZ3)
		if a == proof.AllAccel() && r.After != 2 {
			t.Errorf("%d -> %d:\n%s", r.Before, r.After, r.Prog)
		}
		if !r.Whole.Proved() && r.After != r.Before && a.Offsets {
			t.Errorf("%+v: %s", a, r.Whole)
		}
	}
}
