package search

import (
	"math/rand/v2"

	"jitnic/host/ebpf"
	"jitnic/superopt/internal/ir"
)

// moveInstruction exchanges one instruction for a random one of the pool.
func moveInstruction(c *candidate, rng *rand.Rand) (ch change) {
	if in, ok := c.w.random(rng); ok {
		c.set(&ch, rng.IntN(len(c.code)), in)
	}
	return
}

// random draws an instruction over the window's operands.
func (w *window) random(rng *rand.Rand) (ir.Inst, bool) {
	p := &w.pool
	in := ir.Inst{To: -1, Slot: -1}
	if len(p.addr) > 0 && rng.IntN(2) == 0 {
		m := p.addr[rng.IntN(len(p.addr))]
		in.Off = m.off
		switch {
		case m.st && m.imm && rng.IntN(3) == 0:
			in.Op, in.Dst, in.Imm = ebpf.ClassST|ebpf.ModeMEM|ir.SizeOp(m.n), m.base, p.imms[rng.IntN(len(p.imms))]
		case m.st && rng.IntN(2) == 0:
			in.Op, in.Dst, in.Src = ebpf.ClassSTX|ebpf.ModeMEM|ir.SizeOp(m.n), m.base, p.regs[rng.IntN(len(p.regs))]
		default:
			if len(p.dsts) == 0 {
				return in, false
			}
			in.Op, in.Dst, in.Src = ebpf.ClassLDX|ebpf.ModeMEM|ir.SizeOp(m.n), p.dsts[rng.IntN(len(p.dsts))], m.base
		}
		return in, true
	}
	if len(p.dsts) == 0 {
		return in, false
	}
	if len(p.cond) > 0 && rng.IntN(4) == 0 {
		in.Insn = ebpf.Select(p.dsts[rng.IntN(len(p.dsts))], p.regs[rng.IntN(len(p.regs))], p.cond[rng.IntN(len(p.cond))])
		return in, true
	}
	in.Op = p.alus[rng.IntN(len(p.alus))] | ebpf.ClassALU64
	if rng.IntN(3) == 0 {
		in.Op = in.Op&^7 | ebpf.ClassALU
	}
	in.Dst = p.dsts[rng.IntN(len(p.dsts))]
	if rng.IntN(2) == 0 {
		in.Op |= ebpf.SrcX
		in.Src = p.regs[rng.IntN(len(p.regs))]
	} else {
		in.Imm = p.imms[rng.IntN(len(p.imms))]
		clampShift(&in)
	}
	return in, true
}
