package pathcond

import (
	"testing"

	"jitnic/pathcond/bv"
)

// A truth that a path has learnt is a number on it, whichever way the number is
// written: a key that two ways write 0 and 1 into is a constant on each.
func TestFactsOfTruths(t *testing.T) {
	b := bv.NewBuilder()
	x := b.Input(InQueue, 32, bv.Fact{})
	truth := b.Bin(bv.OpULt, x, b.Const(3, 32))
	for _, n := range []bv.Term{b.ZExt(truth, 32), b.Ite(truth, b.Const(1, 32), b.Const(0, 32)), b.ZExt(b.Not(truth), 32)} {
		for _, is := range []bool{false, true} {
			f := NewFacts(b)
			if k, ok := b.IsConst(f.fixed(n)); ok {
				t.Errorf("%s is %d before anything is known", b.String(n), k)
			}
			f.Learn(truth, is)
			want := bv.Bit(is)
			if b.Op(n) == bv.OpZExt && b.Args(n)[0] != truth {
				want = bv.Bit(!is)
			}
			if k, ok := b.IsConst(f.fixed(n)); !ok || k != want {
				t.Errorf("%s where %s is %v: %s, want %d", b.String(n), b.String(truth), is, b.String(f.fixed(n)), want)
			}
		}
	}
}
