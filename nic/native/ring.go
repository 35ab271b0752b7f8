package native

import (
	"math"
	"unsafe"

	"jitnic/host/ebpf"
	"jitnic/host/maps"
	"jitnic/host/points"
	"jitnic/host/vm"
	"jitnic/nic/native/asm"
	"jitnic/pathcond"
	"jitnic/pathcond/tree"
)

// A ring buffer that nobody reads is full sooner or later, and from then on drops whatever
// comes. So code sees whether there is room, and counts what is dropped; a record that
// finds room is Go's, which keeps what was output. So is a buffer whose records aren't
// committed as far as is known.

// Where the positions stand in maps.FlatRing.
const (
	ringConsumer = 0
	ringProducer = 8
	ringPending  = 16
)

// flatRing is a ring buffer whose positions code can compare.
func flatRing(m maps.Map) (maps.FlatRing, bool) {
	f, ok := maps.FlatRingOf(m)
	return f, ok && f.Mask < math.MaxInt32
}

// taken leaves the producer's position in R0 and how far it is ahead of the consumer's
// in T0. It uses T1.
func taken(b asm.Backend, f *maps.FlatRing, slow asm.Label) {
	b.Imm(asm.T1, uint64(uintptr(unsafe.Pointer(f.Positions))))
	b.Load(8, asm.R0, asm.At(asm.T1, ringProducer))
	b.BrMem(asm.NE, asm.R0, asm.At(asm.T1, ringPending), slow)
	b.Load(8, asm.T0, asm.At(asm.T1, ringConsumer))
	b.Neg(true, asm.T0)
	b.Op(asm.Add, true, asm.T0, asm.R0)
}

// dropping is a call that adds a record to a ring buffer, and its result where there is no
// room: of bpf_ringbuf_reserve and bpf_ringbuf_output, with values of registers 1 to 5 that
// are known.
func dropping(s *vm.State, in ebpf.Insn, arg func(r uint8) (v uint64, known bool)) (f maps.FlatRing, size, r0 uint64, ok bool) {
	if in.Op != ebpf.OpCall || in.Src != ebpf.CallHelper || s.Opt.Track {
		return f, 0, 0, false
	}
	at, flags, any := uint8(2), uint8(3), uint64(0)
	switch in.Imm {
	case ebpf.FnRingbufReserve:
	case ebpf.FnRingbufOutput:
		at, flags, any = 3, 4, 3      // BPF_RB_NO_WAKEUP, BPF_RB_FORCE_WAKEUP
		r0 = ^uint64(maps.EAGAIN - 1) // -EAGAIN
	default:
		return f, 0, 0, false
	}
	m, ok1 := arg(1)
	size, ok2 := arg(at)
	flag, ok3 := arg(flags)
	i, ok4 := vm.MapOf(m)
	if !ok1 || !ok2 || !ok3 || !ok4 || flag&^any != 0 || i >= len(s.Maps) {
		return f, 0, 0, false
	}
	f, ok = flatRing(s.Maps[i])
	return f, size, r0, ok && size <= maps.RingMost && maps.RingStep(size) <= f.Mask
}

// drops writes such a call in a trace, as far as there is no room; else it is left to Go.
func (c *compiler) drops(k *known, pc int, in ebpf.Insn) bool {
	f, size, r0, ok := dropping(c.a.s, in, func(r uint8) (uint64, bool) { return c.fixedValue(&k.R[r]) })
	if !ok || c.line.held {
		return false
	}
	if in.Imm == ebpf.FnRingbufOutput { // what can't be read is a fault
		if k.R[2].Kind == points.Packet || size > math.MaxInt32 || !c.a.inBounds(k, 2, 0, int(size), false) {
			return false
		}
	}
	taken(c.Backend, &f, c.bail(pc))
	c.BrK(asm.LE, true, asm.T0, int32(f.Mask-maps.RingStep(size)), c.bail(pc))
	c.Imm(asm.T1, uint64(uintptr(unsafe.Pointer(f.Drops))))
	c.AddMem(asm.At(asm.T1, 0), 1)
	c.Imm(asm.R0, r0)
	return true
}

// askedRing is the ring buffer that a condition's function asks for room, behind nothing
// that the path has done to it.
func askedRing(s *vm.State, fun uint64, args int) (f maps.FlatRing, ok bool) {
	id, arg := pathcond.FunParts(fun)
	if id != pathcond.FunRoom || args != 1 {
		return f, false
	}
	return flatRing(s.Maps[arg])
}

// hasRoom is the address that a record would have, in register 0: maps.Room without
// operations. It is false for other functions.
func (c *treeCompiler) hasRoom(call *tree.Call) bool {
	const ahead = asm.R3
	f, ok := askedRing(c.s, call.Fun, len(call.Args))
	if !ok {
		return false
	}
	slow, none, end := c.NewLabel(), c.NewLabel(), c.NewLabel()
	c.Mov(true, ahead, c.get(call.Args[0], ahead))
	c.BrK(asm.GT, true, ahead, int32(min(maps.RingMost, f.Mask+1-2*maps.RingHeader)), none)
	c.OpK(asm.Add, true, ahead, maps.RingHeader+7)
	c.OpK(asm.And, true, ahead, -8)
	taken(c.Backend, &f, slow)
	c.Op(asm.Add, true, asm.T0, ahead)
	c.BrK(asm.GT, true, asm.T0, int32(f.Mask), none)
	c.OpK(asm.And, true, asm.R0, int32(f.Mask))
	addK(c.Backend, asm.R0, f.Addr+maps.RingHeader)
	c.Bind(end)
	o := callOut{fun: call.Fun, args: []place{c.placeOf(call.Args[0])}, dst: place(asm.R0), mask: math.MaxUint64}
	c.later = append(c.later, func() {
		c.Bind(none)
		c.Imm(asm.R0, 0)
		c.Jmp(end)
		c.Bind(slow)
		c.out(o)
		c.Jmp(end)
	})
	return true
}
