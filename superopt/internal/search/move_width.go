package search

import (
	"math/rand/v2"

	"jitnic/host/ebpf"
	"jitnic/superopt/internal/ir"
)

// moveWidth exchanges an instruction's opcode for the same one of another
// width: 64 for 32 bits, bytes for words.
func moveWidth(c *candidate, rng *rand.Rand) (ch change) {
	i := rng.IntN(len(c.code))
	in := c.code[i]
	switch in.Class() {
	case ebpf.ClassALU, ebpf.ClassALU64:
		if in.ALUOp() == ebpf.ALUEnd || in.IsSelect() {
			return
		}
		in.Op ^= ebpf.ClassALU ^ ebpf.ClassALU64
		clampShift(&in)
	case ebpf.ClassLDX, ebpf.ClassST, ebpf.ClassSTX:
		in.Op = in.Op&^0x18 | ir.SizeOp(1<<rng.IntN(4))
		if in.Op == c.code[i].Op {
			return
		}
	default:
		return
	}
	c.set(&ch, i, in)
	return
}
