package native

import (
	"jitnic/host/ebpf"
	"jitnic/host/points"
	"jitnic/nic/native/asm"
)

// atomic writes an atomic instruction. A State belongs to one goroutine, so
// what must look indivisible to its program is a load and a store.
func (c *compiler) atomic(k *known, pc int, in ebpf.Insn) {
	n := in.Size()
	if in.Imm == ebpf.AtomicLoadAcq {
		if k.R[in.Src].Kind == points.Ctx {
			c.leave(pc)
			return
		}
		c.Load(n, reg(in.Dst), c.access(k, pc, in.Src, in.Off, n, false))
		return
	}
	held := c.holds(k, pc, in.Dst, n)
	if c.noted(k, in.Dst) || k.R[in.Dst].Kind == points.MapValue && !c.readable(k, in.Dst) {
		c.leave(pc)
		return
	}
	m := c.access(k, pc, in.Dst, in.Off, n, true)
	if held {
		m = c.hold(n, m)
	}
	s := reg(in.Src)
	if in.Imm == ebpf.AtomicStRel {
		c.Store(n, s, m)
		return
	}
	wide := n == 8
	if m.Index != asm.T0 && m.Index != asm.None && (in.Dst == in.Src || in.Dst == 0) {
		c.Mov(true, asm.T0, m.Index)
		m.Index = asm.T0
	}
	c.Load(n, asm.T1, m)
	switch in.Imm {
	case ebpf.AtomicXchg:
		c.Store(n, s, m)
		c.Mov(true, s, asm.T1)
	case ebpf.AtomicCmpXchg:
		skip := c.NewLabel()
		c.Br(asm.NE, wide, asm.T1, asm.R0, skip)
		c.Store(n, s, m)
		c.Bind(skip)
		c.Mov(true, asm.R0, asm.T1)
	default:
		op := ops[uint8(in.Imm)&0xf0]
		if in.Imm&ebpf.AtomicFetch == 0 {
			c.Op(op, wide, asm.T1, s)
			c.Store(n, asm.T1, m)
			return
		}
		c.Op(op, wide, s, asm.T1)
		c.Store(n, s, m)
		c.Mov(true, s, asm.T1)
	}
}

// readable says whether values of the map may be loaded as well as stored.
func (c *compiler) readable(k *known, base uint8) bool {
	_, load, _ := c.a.s.MapAccess(int(k.R[base].Map))
	return load
}
