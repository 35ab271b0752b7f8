package search

import (
	"math/rand/v2"

	"jitnic/host/ebpf"
	"jitnic/superopt/internal/ir"
)

// moveOperand exchanges one operand of one instruction.
func moveOperand(c *candidate, rng *rand.Rand) (ch change) {
	i := rng.IntN(len(c.code))
	in := c.code[i]
	p := &c.w.pool
	if in.Op == ir.Nop || len(p.regs) == 0 {
		return
	}
	reg := func() uint8 { return p.regs[rng.IntN(len(p.regs))] }
	imm := func() int32 { return p.imms[rng.IntN(len(p.imms))] }
	switch in.Class() {
	case ebpf.ClassALU, ebpf.ClassALU64:
		if rng.IntN(2) == 0 && len(p.dsts) > 0 {
			in.Dst = p.dsts[rng.IntN(len(p.dsts))]
		} else if in.IsSelect() && rng.IntN(2) == 0 {
			in.Imm = int32(p.regs[rng.IntN(len(p.regs))])
		} else if in.Op&ebpf.SrcX != 0 && in.ALUOp() != ebpf.ALUEnd {
			in.Src = reg()
		} else if in.ALUOp() != ebpf.ALUEnd {
			in.Imm = imm()
			clampShift(&in)
		}
	case ebpf.ClassLDX, ebpf.ClassST, ebpf.ClassSTX:
		if len(p.addr) == 0 {
			return
		}
		m := p.addr[rng.IntN(len(p.addr))]
		switch k := rng.IntN(3); {
		case k == 0:
			in.Off = m.off
			if in.IsLoad() {
				in.Src = m.base
			} else {
				in.Dst = m.base
			}
		case in.IsLoad() && len(p.dsts) > 0:
			in.Dst = p.dsts[rng.IntN(len(p.dsts))]
		case in.Class() == ebpf.ClassSTX:
			in.Src = reg()
		case in.Class() == ebpf.ClassST:
			in.Imm = imm()
		}
	default:
		return
	}
	c.set(&ch, i, in)
	return
}

// clampShift keeps shift counts where the verifier takes them.
func clampShift(in *ir.Inst) {
	switch in.ALUOp() {
	case ebpf.ALULsh, ebpf.ALURsh, ebpf.ALUArsh:
		if in.Class() == ebpf.ClassALU {
			in.Imm &= 31
		} else {
			in.Imm &= 63
		}
	}
}
