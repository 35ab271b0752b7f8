package native

import (
	"jitnic/host/ebpf"
	"jitnic/host/points"
	"jitnic/nic/native/asm"
)

// maxSum is how many bytes of a checksum are added by code in a row.
const maxSum = 128

// csumDiff writes bpf_csum_diff, as vm.CsumDiff has it, where both sizes are known
// and the bytes are certain to be readable.
func (c *compiler) csumDiff(k *known, pc int, in ebpf.Insn) bool {
	if in.Src != ebpf.CallHelper || in.Imm != ebpf.FnCsumDiff {
		return false
	}
	var size [2]int
	for i, r := range []uint8{1, 3} {
		n := k.R[r+1]
		if !n.IsConst() || n.Known > maxSum || n.Known%4 != 0 {
			return false
		}
		if size[i] = int(n.Known); size[i] > 0 && !c.a.inBounds(k, r, 0, size[i], false) {
			return false
		}
	}
	from, to := size[0], size[1]
	c.reliesOn(k, pc, 1)
	c.relies(pc, 2, uint64(from))
	c.reliesOn(k, pc, 3)
	c.relies(pc, 4, uint64(to))
	sum, acc, t := asm.R0, asm.T0, asm.T1
	c.Mov(false, acc, asm.R5)
	switch {
	case to > 0:
		c.partial(k, 3, to)
		if from > 0 {
			c.Store(8, acc, asm.At(asm.Ctx, offSave))
			c.Imm(acc, 0)
			c.partial(k, 1, from)
			c.OpK(asm.Xor, false, acc, -1)
			c.Load(8, t, asm.At(asm.Ctx, offSave))
			c.Op(asm.Add, true, acc, t)
			c.fold()
		}
	case from > 0:
		c.OpK(asm.Xor, false, acc, -1)
		c.partial(k, 1, from)
		c.OpK(asm.Xor, false, acc, -1)
	}
	// To 16 bits.
	c.Mov(false, sum, acc)
	c.OpK(asm.Rsh, false, sum, 16)
	c.Mov(false, t, acc)
	c.OpK(asm.Lsh, false, t, 16)
	c.Op(asm.Or, false, sum, t)
	c.Op(asm.Add, false, sum, acc)
	c.OpK(asm.Rsh, false, sum, 16)
	return true
}

// partial adds the words at a register to T0, with end-around carry. It uses
// register 0 and T1.
func (c *compiler) partial(k *known, base uint8, n int) {
	for off := 0; off < n; off += 4 {
		m := asm.Mem{Base: asm.Base, Index: reg(base), Disp: int32(off)}
		at, ok := c.fixed(&k.R[base], int16(off))
		switch {
		case ok:
			m = at
		case k.R[base].Kind == points.Packet && c.byPkt():
			m = asm.Mem{Base: pkt, Index: reg(base), Disp: int32(off) - c.buffer()}
		}
		c.touch(&k.R[base], int16(off), 4, ok)
		c.Load(4, asm.T1, m)
		c.Op(asm.Add, true, asm.T0, asm.T1)
	}
	c.fold()
	c.fold()
}

// fold brings T0 to 32 bits with end-around carry, once: a sum of a few words to
// one of 33 bits, that to one of 32.
func (c *compiler) fold() {
	c.Mov(true, asm.R0, asm.T0)
	c.OpK(asm.Rsh, true, asm.R0, 32)
	c.Zext(4, asm.T0, asm.T0)
	c.Op(asm.Add, true, asm.T0, asm.R0)
}
