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
// them by itself, and a program that came to its end leaves no register behind but
// the verdict's. Of the frame, which every packet finds zero, only what the program
// may look at is cleared.

// starts writes the way in at a packet's beginning, in front of slot 0.
func (c *compiler) starts() int {
	at := c.Len()
	for r := asm.R0; r <= asm.R9; r++ {
		c.Imm(r, c.startsWith(uint8(r)))
	}
	c.Imm(asm.R10, c.startsWith(10))
	return at
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
	if u.low < 0 {
		clear(s.Mem.B[s.Stack+uint64(vm.StackSize+u.low) : s.Stack+vm.StackSize])
	}
	x.begin(s, u.uses)
	x.left = int64(c.Left)
	e.Runs++
	code.Enter(u.start, unsafe.Pointer(x), uintptr(unsafe.Pointer(&s.Mem.B[0])))
	if x.pc == done {
		c.R[0], c.Left = x.r[0], int(x.left)
		return vm.StopDone
	}
	c.R[10] = s.FrameTop(0)
	return e.left(u, c)
}

// left hands over to the interpreter.
func (e *Engine) left(u *unit, c *vm.Control) vm.Stop {
	x := e.ctx
	e.Leaves++
	copy(c.R[:10], x.r[:10])
	c.PC, c.Left = int(x.pc), int(x.left)
	if uint(c.PC) < uint(len(u.f.rest)) && !u.f.second[c.PC] {
		c.Left += int(u.f.rest[c.PC])
	}
	return vm.StopLeave
}
