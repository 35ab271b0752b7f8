package superopt

import (
	"context"
	"strings"
	"testing"

	"jitnic/host/ebpf"
	"jitnic/host/hosttest/must"
	"jitnic/superopt/internal/ir"
	"jitnic/superopt/internal/rewrite"
	"jitnic/superopt/internal/superopttest"
)

// A rewrite that is wrong and was taken is found, taken back, and costs none of
// what the others saved.
func TestUndoOneBadRewrite(t *testing.T) {
	superopttest.NeedZ3(t)
	p := packetSum(t)
	clean := must.Get(Optimize(context.Background(), p, &rewrite.Options{Seed: 1}))(t)
	if !clean.Whole.Proved() || clean.Undone != 0 || clean.After >= clean.Before {
		t.Fatalf("%d -> %d, %d undone, %s", clean.Before, clean.After, clean.Undone, clean.Whole)
	}
	asked := 0
	bad := func(q *ir.Prog) *ir.Prog { // the first store of a number stores another one
		asked++
		for i := range q.Insts {
			if in := &q.Insts[i]; in.Class() == ebpf.ClassST {
				in.Imm ^= 4
				return q
			}
		}
		t.Fatalf("no store left:\n%s", q)
		return q
	}
	var log []string
	r := must.Get(optimize(context.Background(), p, &rewrite.Options{Seed: 1, Log: func(f string, args ...any) {
		if strings.HasPrefix(f, "undone") {
			log = append(log, f)
		}
	}}, given{tamper: bad, restore: true}))(t)
	if r.Undone != 1 || len(log) != 1 || asked != 2 || !r.Whole.Proved() {
		t.Errorf("%d undone, %d logged, asked %d times, %s", r.Undone, len(log), asked, r.Whole)
	}
	if r.After != clean.After || r.Prog.String() != clean.Prog.String() {
		t.Errorf("%d slots, without the bad rewrite %d:\n%s", r.After, clean.After, r.Prog)
	}
}

// One that comes again in another shape each time leaves what was proved
// before it.
func TestUndoGivesUp(t *testing.T) {
	superopttest.NeedZ3(t)
	p := packetSum(t)
	n := int32(0)
	r := must.Get(optimize(context.Background(), p, &rewrite.Options{Seed: 1}, given{tamper: func(q *ir.Prog) *ir.Prog {
		n++
		for i := range q.Insts {
			if in := &q.Insts[i]; in.Class() == ebpf.ClassST {
				in.Imm += n << 8
			}
		}
		return q
	}}))(t)
	if r.Undone != rewrite.MaxUndone || !r.Whole.Proved() || r.After >= r.Before {
		t.Errorf("%d -> %d, %d undone, %s", r.Before, r.After, r.Undone, r.Whole)
	}
}

// packetSum has something for several passes, and a store of a number that must
// stay.
func packetSum(t *testing.T) *ir.Prog {
	return superopttest.Rows(t, ir.KindXDP,
		[5]int{0x61, 1, 2, 0, 0},   // r2 = data
		[5]int{0x61, 1, 3, 4, 0},   // r3 = data_end
		[5]int{0xbf, 2, 4, 0, 0},   // r4 = r2
		[5]int{0x07, 0, 4, 0, 16},  // r4 += 16
		[5]int{0xb7, 0, 0, 0, 1},   // r0 = 1
		[5]int{0x2d, 3, 4, 9, 0},   // if r4 > r3 goto exit
		[5]int{0xb7, 0, 5, 0, 3},   // r5 = 3
		[5]int{0x63, 5, 2, 8, 0},   // *(u32 *)(r2 +8) = r5
		[5]int{0x71, 2, 6, 0, 0},   // r6 = *(u8 *)(r2 +0)
		[5]int{0x71, 2, 7, 1, 0},   // r7 = *(u8 *)(r2 +1)
		[5]int{0x67, 0, 7, 0, 8},   // r7 <<= 8
		[5]int{0x4f, 6, 7, 0, 0},   // r7 |= r6
		[5]int{0xbf, 7, 0, 0, 0},   // r0 = r7
		[5]int{0x57, 0, 0, 0, 255}, // r0 &= 255
		[5]int{0x07, 0, 0, 0, 0},   // r0 += 0
		[5]int{0x95, 0, 0, 0, 0})
}
