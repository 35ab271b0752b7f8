package native

import (
	"unsafe"

	"jitnic/host/ebpf"
	"jitnic/host/points"
	"jitnic/host/vm"
	"jitnic/nic/native/asm"
	"jitnic/nic/native/code"
)

// A program begins with registers that are the same for every packet, so code sets
// those that it reads by itself, and a program that came to its end leaves no register
// behind but the verdict's. Of the frame, which every packet finds zero, only what the
// program may look at is cleared. So packets can follow one another without Go, as
// traces' do (batch.go): the program's end leads to the next one's beginning.

// packets writes how packets begin and end.
func (c *compiler) packets(u *unit) {
	s := c.a.s
	for pc, in := range c.code {
		u.loops = u.loops || c.nested || in.Jumps() && target(in, pc) <= pc
	}
	u.inPlace = c.inPlace
	switch {
	case c.inPlace && !c.copies:
	case c.reach > copied:
		u.copies = wholePacket
	default:
		u.copies = c.reach
	}
	begin := c.NewLabel()
	body, over, miss := c.NewLabel(), c.NewLabel(), c.NewLabel()
	u.next = uintptr(c.Len())
	c.Load(8, asm.T0, asm.At(asm.Ctx, offOut))
	c.Store(4, asm.R0, asm.At(asm.T0, 0))
	c.OpK(asm.Add, true, asm.T0, 4)
	c.Store(8, asm.T0, asm.At(asm.Ctx, offOut))
	advance(c.Backend, over)
	c.Bind(body)
	admit(c.Backend, s, miss)
	if c.inPlace {
		c.Load(8, pkt, fieldOf(atHand, inData))
	}
	ready := c.NewLabel()
	c.Bind(ready)
	packetFields(c.Backend, s, c.uses)
	copyIn(c.Backend, s, u.copies, vm.MaxLinear)
	if u.copies > 0 && c.inPlace {
		c.Lea(pkt, inBuffer(s))
	}
	c.Load(8, asm.T0, asm.At(asm.Ctx, offSteps))
	c.Store(8, asm.T0, asm.At(asm.Ctx, offLeft))
	if c.nested {
		c.StoreK(8, 0, asm.At(asm.Ctx, offDepth))
	}
	c.Bind(begin)
	for off := c.low; off < 0; off += 8 {
		c.StoreK(8, 0, asm.At(asm.Base, int32(int64(s.FrameTop(0))+off)))
	}
	if c.sends {
		c.Imm(asm.T1, uint64(uintptr(unsafe.Pointer(&s.Redirect))))
		for off := int32(0); off < int32(unsafe.Sizeof(s.Redirect)); off += 8 {
			c.StoreK(8, 0, asm.At(asm.T1, off))
		}
	}
	for r := uint8(0); r <= 10; r++ {
		if c.live[0].Has(r) && !(c.inPlace && r == 10) {
			c.Imm(reg(r), c.startsWith(r))
		}
	}
	c.Jmp(c.at(0))
	u.batch = uintptr(c.Len())
	c.BrSub(asm.At(asm.Ctx, offHosted), 1, miss)
	c.Jmp(ready)
	u.start = uintptr(c.Len())
	if c.inPlace {
		c.Lea(pkt, inBuffer(s))
	}
	c.Jmp(begin)
	u.head, _ = wayInOut(c.Backend, body, over, miss)
	u.ret = uintptr(c.Len())
	c.Imm(asm.T0, done)
	c.Store(8, asm.T0, asm.At(asm.Ctx, offPC))
	c.Store(8, asm.R0, asm.At(asm.Ctx, offR))
	c.Ret()
	u.work = c.Len() + c.extra
}

// moveFrame is what gives the frame's address to a register.
func moveFrame(to uint8) ebpf.Insn {
	return ebpf.Insn{Op: ebpf.ClassALU64 | ebpf.ALUMov | ebpf.SrcX, Dst: to, Src: 10}
}

// frameOnlyAsBase says whether register 10 is only copied, and the base of accesses that
// are in bounds: what it holds is a constant then, and it is free for the packet's place.
// So a packet that is only read stays where it was read to, as it does for traces.
func frameOnlyAsBase(code []ebpf.Insn) bool {
	for _, in := range code {
		if !in.Reads().Has(10) || in.IsWide() || in == moveFrame(in.Dst) {
			continue
		}
		base, other := in.Dst, in.Src
		if in.IsLoad() || in.IsAtomic() && in.Imm == ebpf.AtomicLoadAcq {
			base, other = in.Src, in.Dst
		}
		if !in.IsLoad() && !in.IsStore() || base != 10 || other == 10 || in.Off < -vm.StackSize || int(in.Off)+in.Size() > 0 {
			return false
		}
	}
	return true
}

// startsWith is what a register holds there.
func (c *compiler) startsWith(r uint8) uint64 {
	switch r {
	case 1:
		return c.a.s.Ctx
	case 10:
		return c.a.s.FrameTop(0)
	}
	return 0
}

// looksAt lowers c.low to what the instruction may touch of the frame, in code or
// where the interpreter runs it.
func (c *compiler) looksAt(k *known, in ebpf.Insn) {
	switch {
	case in.Op == ebpf.OpCall && in.Src == ebpf.CallLocal:
		// What another function is handed of this frame it doesn't know to be
		// one, and touches by accesses that aren't known to be in bounds.
	case in.Op == ebpf.OpCall, in.Op == ebpf.OpCallX:
		c.calleeLooksAt(k, in.Called())
	case in.IsLoad() || in.IsAtomic() && in.Imm == ebpf.AtomicLoadAcq:
		c.through(k, in.Src, in.Off, in.Size(), false)
	case in.Class() == ebpf.ClassST || in.Class() == ebpf.ClassSTX:
		c.through(k, in.Dst, in.Off, in.Size(), true)
	}
}

func (c *compiler) calleeLooksAt(k *known, h *ebpf.Helper) {
	if h == nil || h.Flow != ebpf.Returns || (h.Reads|h.Writes|h.OnFail)&(ebpf.Stack|ebpf.AnyMemory) != 0 {
		c.low = -vm.StackSize
		return
	}
	for i, arg := range h.Args {
		r := uint8(i + 1)
		switch v := k.R[r]; {
		case arg.Kind == ebpf.NoArg || arg.Kind == ebpf.Scalar || arg.Kind == ebpf.ConstMap || arg.Kind == ebpf.MemSize || arg.Kind == ebpf.MemSizeZero:
		case v.IsConst() && v.Known == 0: // NULL
		default:
			c.through(k, r, 0, 1, false)
		}
	}
}

// through is an access of n bytes, or of what a callee takes from there on: in the
// frame it touches nothing below.
func (c *compiler) through(k *known, base uint8, off int16, n int, write bool) {
	v := k.R[base]
	if v.Kind == points.Ctx {
		return // a field, or a fault
	}
	k.R[base].Null = false // where it isn't there, it is no place in the frame
	in := c.a.inBounds(k, base, off, n, write)
	k.R[base].Null = v.Null
	switch {
	case !in:
		c.low = -vm.StackSize
	case v.Kind == points.Stack:
		c.low = min(c.low, (v.Off+int64(off))&^7)
	}
}

// Start is vm.Engine's.
func (e *Engine) Start(c *vm.Control) vm.Stop {
	if uint(c.Prog) >= uint(len(e.units)) || e.units[c.Prog] == nil || e.flat {
		return vm.StopOff
	}
	u, s, x := e.units[c.Prog], e.s, e.ctx
	x.begin(s, u.uses)
	x.next = u.ret
	x.left = e.gives(c.Left, stretchSteps)
	e.Runs++
	code.Enter(u.start, unsafe.Pointer(x), uintptr(unsafe.Pointer(&s.Mem.B[0])))
	if x.pc == done {
		c.R[0], c.Left = x.r[0], int(x.left)+e.kept
		return vm.StopDone
	}
	c.R[10] = s.FrameTop(0)
	return e.left(u, c)
}

const (
	// stretchSteps is how many instructions of a program with loops code runs before
	// Go has control: some 50 µs (assumed: few of them are look-ups).
	stretchSteps = 1 << 16
	// loopBatch is how many packets of such a program are in a batch, each with its
	// part of these steps.
	loopBatch = 16
)

// gives is how many of the steps left code has at first; the others are kept.
func (e *Engine) gives(left, most int) int64 {
	e.kept = max(left-most, 0)
	return int64(left - e.kept)
}

// Batch is vm.Batcher's.
func (e *Engine) Batch(c *vm.Control, in []vm.Input, verdicts []uint32) (n int, stop vm.Stop) {
	if uint(c.Prog) >= uint(len(e.units)) || e.units[c.Prog] == nil || e.flat || len(in) == 0 {
		return 0, vm.StopOff
	}
	u, s, x := e.units[c.Prog], e.s, e.ctx
	in = in[:min(len(in), maxBatch, max(batchWork/(u.work+headWork), 1))]
	steps := c.Left
	if u.loops {
		in = in[:min(len(in), loopBatch)]
		steps = stretchSteps / loopBatch
	}
	verdicts = verdicts[:len(in)]
	e.ins, e.outs = in, verdicts
	s.Rest()
	x.fix(s)
	x.depth = 0
	x.steps = e.gives(c.Left, steps)
	first := uintptr(unsafe.Pointer(&in[0]))
	x.in, x.stop = first, first+uintptr(len(in))*unsafe.Sizeof(input)
	x.out, x.next = uintptr(unsafe.Pointer(&verdicts[0])), u.next
	e.Runs++
	code.Enter(u.head, unsafe.Pointer(x), uintptr(unsafe.Pointer(&s.Mem.B[0])))
	n = int((x.in - first) / unsafe.Sizeof(input))
	e.ins, e.outs = nil, nil
	switch x.pc {
	case batchOver:
		return n, vm.StopDone
	case batchMiss:
		return n, vm.StopOff
	}
	return n, e.begun(u, c, &in[n])
}

// begun makes a batch's packet that code has left the one at hand.
func (e *Engine) begun(u *unit, c *vm.Control, in *vm.Input) vm.Stop {
	to := e.s.Redirect // which code may have set
	e.s.Began(in, min(len(in.Data), u.copies))
	e.s.Redirect = to
	c.R[10] = e.s.FrameTop(0)
	return e.left(u, c)
}

// left hands over to the interpreter.
func (e *Engine) left(u *unit, c *vm.Control) vm.Stop {
	x := e.ctx
	e.Leaves++
	copy(c.R[:10], x.r[:10])
	c.PC, c.Left = int(x.pc), int(x.left)+e.kept
	if uint(c.PC) < uint(len(u.f.rest)) && !u.f.second[c.PC] {
		c.Left += int(u.f.rest[c.PC])
	}
	return vm.StopLeave
}
