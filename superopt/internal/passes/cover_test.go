package passes

import (
	"testing"

	"jitnic/superopt/internal/ir"
	"jitnic/superopt/internal/rewrite/rewritetest"
	"jitnic/superopt/internal/superopttest"
)

// A store that another one, made wider, can do the work of: across a branch,
// with a register whose upper bytes are zeros. Where they may be anything, or
// the branch not taken reads the bytes, it stays.
func TestStoreCover(t *testing.T) {
	superopttest.NeedZ3(t)
	p := func(load, back int) *ir.Prog {
		last := [5]int{back, 10, 3, -8, 0}
		if back == 0xb7 {
			last = [5]int{back, 0, 3, 0, 0}
		}
		return superopttest.Rows(t, ir.KindTracing,
			[5]int{0x7a, 0, 10, -8, 0}, // *(u64 *)(r10 -8) = 0
			[5]int{load, 1, 2, 8, 0},   // r2 = *(load *)(r1 +8)
			[5]int{0xb7, 0, 0, 0, 0},   // r0 = 0
			[5]int{0x15, 0, 2, 2, 0},   // if r2 == 0 goto back
			[5]int{0x73, 2, 10, -8, 0}, // *(u8 *)(r10 -8) = r2
			[5]int{0x79, 10, 0, -8, 0}, // r0 = *(u64 *)(r10 -8)
			last,                       // back: r3 = *(u64 *)(r10 -8), or r3 = 0
			[5]int{0x55, 0, 0, 1, 5},   // if r0 != 5 goto exit
			[5]int{0xbf, 3, 0, 0, 0},   // r0 = r3
			[5]int{0x95, 0, 0, 0, 0})
	}
	for _, c := range []struct {
		name       string
		load, back int
		taken      bool
	}{
		{"zero above", 0x71, 0xb7, true},
		{"anything above", 0x79, 0xb7, false},
		{"read in the other branch", 0x71, 0x79, false},
	} {
		q := p(c.load, c.back)
		o := rewritetest.Open(t, q)
		if got := passStoreCover(o); got != c.taken {
			t.Errorf("%s: taken %t:\n%s", c.name, got, o.Prog)
		}
	}
}
