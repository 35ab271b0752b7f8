package fastpath

import (
	"testing"

	"jitnic/pathcond/bv"
)

// TestSpans: what follows from a comparison of a number with a constant, for every
// value of the number and both constants, against trying all values.
func TestSpans(t *testing.T) {
	build := &builder{b: bv.NewBuilder()}
	b := build.b
	const bits = 3
	x := b.Input(1, bits, bv.Fact{})
	wide := b.ZExt(x, 8)
	type pred struct {
		term bv.Term
		of   func(v uint64) bool
	}
	var all []pred
	for k := range uint64(1 << bits) {
		for _, y := range []bv.Term{x, wide} {
			c := b.Const(k, b.Width(y))
			for _, p := range []pred{
				{b.Bin(bv.OpEq, y, c), func(v uint64) bool { return v == k }},
				{b.Bin(bv.OpULt, y, c), func(v uint64) bool { return v < k }},
				{b.Bin(bv.OpULe, y, c), func(v uint64) bool { return v <= k }},
				{b.Bin(bv.OpULt, c, y), func(v uint64) bool { return k < v }},
				{b.Bin(bv.OpULe, c, y), func(v uint64) bool { return k <= v }},
			} {
				all = append(all, p, pred{b.Not(p.term), func(v uint64) bool { return !p.of(v) }})
			}
		}
	}
	spans, follows := 0, 0
	for _, p := range all {
		if b.Op(p.term) == bv.OpConst {
			continue
		}
		for _, want := range []bool{false, true} {
			s, ok := build.spanOf(p.term, want)
			if !ok {
				continue
			}
			spans++
			for v := range uint64(1 << bits) {
				if in := v >= s.low && v <= s.high; in != (p.of(v) == want) {
					t.Fatalf("%s is %v: from %d to %d, but not of %d", b.String(p.term), want, s.low, s.high, v)
				}
			}
			for _, q := range all {
				for _, then := range []bool{false, true} {
					if b.Op(q.term) == bv.OpConst || !build.holds(q.term, then, s) {
						continue
					}
					follows++
					for v := s.low; v <= s.high; v++ {
						if q.of(v) != then {
							t.Fatalf("of %s being %v it doesn't follow that %s is %v: %d", b.String(p.term), want, b.String(q.term), then, v)
						}
					}
				}
			}
		}
	}
	if spans < 100 || follows < 1000 {
		t.Errorf("%d spans, %d that follow: the test is weak", spans, follows)
	}
}
