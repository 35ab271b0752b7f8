package points

import (
	"math/rand/v2"
	"testing"

	"jitnic/host/ebpf"
)

// operand draws a number, often one where arithmetic turns.
func operand(rng *rand.Rand) uint64 {
	switch x := uint64(1) << rng.IntN(64); rng.IntN(4) {
	case 0:
		return x - 1
	case 1:
		return -x
	case 2:
		return x + uint64(rng.IntN(3)) - 1
	}
	return rng.Uint64()
}

// Joined and folded facts hold for every value they came from.
func TestNumbersSound(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 1))
	ops := []uint8{ebpf.ALUAdd, ebpf.ALUSub, ebpf.ALUMul, ebpf.ALUAnd, ebpf.ALUOr, ebpf.ALUXor, ebpf.ALULsh, ebpf.ALURsh, ebpf.ALUArsh, ebpf.ALUMov, ebpf.ALUDiv, ebpf.ALUMod}
	holds := func(n Number, x uint64) bool {
		return x&^n.Unknown == n.Known && x >= n.Min && x <= n.Max
	}
	for k := 0; k < 200000; k++ {
		var xs [3]uint64
		var n Number
		for i := range xs {
			xs[i] = operand(rng)
			if k%3 == 0 {
				xs[i] &= 0xff
			}
			if i == 0 {
				n = exactly(xs[i])
			} else {
				n = Join(number(n), Constant(xs[i])).Number
			}
		}
		y := operand(rng)
		if k%5 == 0 {
			y = uint64(rng.IntN(64))
		}
		w := 64
		if k&1 == 1 {
			w = 32
		}
		mask := ^uint64(0) >> (64 - w)
		op := ops[rng.IntN(len(ops))]
		res := compute(op, n, exactly(y), w)
		for _, x := range xs {
			if !holds(n, x) {
				t.Fatalf("join of %#x lost %#x: %+v", xs, x, n)
			}
			want, ok := Fold(op, x&mask, y&mask, w)
			if ok && !holds(res, want) {
				t.Fatalf("op %#02x width %d: %#x, %#x gives %#x, facts %+v of %+v", op, w, x, y, want, res, n)
			}
		}
	}
}
