package proof

import (
	"os"
	"os/exec"
	"testing"

	"jitnic/pathcond/bv"
	"jitnic/superopt/internal/ir"
	"jitnic/superopt/internal/superopttest"
	"jitnic/superopt/z3"
)

// TestSolverOutOfMemory gives the solver less memory than a question takes: that
// one is unknown, and counted, and the next is answered.
func TestSolverOutOfMemory(t *testing.T) {
	superopttest.NeedZ3(t)
	if os.Getenv("PROOF_FAULT") == "" { // the limit is one of the process
		c := exec.Command(os.Args[0], "-test.run", "^TestSolverOutOfMemory$", "-test.v")
		c.Env = append(os.Environ(), "PROOF_FAULT=1")
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	z3.LimitMemory(32)
	pr := NewProver(1)
	defer pr.Close()
	pr.RLimit = 50_000_000
	m := NewMachine(superopttest.Rows(t, ir.KindConst, [5]int{0x95, 0, 0, 0, 0}), AllAccel())
	b := m.B
	x, y := b.Input(1, 64, bv.Fact{}), b.Input(2, 64, bv.Fact{})
	is := func(s, t bv.Term) bv.Term { return b.Bin(bv.OpEq, s, t) }
	k := func(v uint64) bv.Term { return b.Const(v, 64) }
	dear := b.AndB(is(b.Bin(bv.OpMul, x, y), k(0x7fffffffffffffe7)), is(b.Bin(bv.OpMul, x, b.Bin(bv.OpAdd, x, y)), b.Bin(bv.OpAdd, y, k(0x0123456789abcdef))))
	if v, ok := pr.Decide(m, dear).(Unknown); !ok || pr.Faults == 0 {
		t.Errorf("%v, %d faults", v, pr.Faults)
	}
	z3.LimitMemory(z3.DefaultMemory)
	none := b.AndB(is(b.Bin(bv.OpXor, x, y), k(1)), is(b.Bin(bv.OpAnd, x, k(1)), b.Bin(bv.OpAnd, y, k(1))))
	n := pr.Faults
	if v := pr.Decide(m, none); v != (Proved{By: "z3"}) || pr.Faults != n {
		t.Errorf("afterwards: %+v, %d faults more", v, pr.Faults-n)
	}
}
