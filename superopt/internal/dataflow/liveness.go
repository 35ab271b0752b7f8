package dataflow

import (
	"jitnic/host/ebpf"
	"jitnic/superopt/internal/ir"
)

// Live is what may still be read: registers (bit n: rn) and stack bytes (bit 0
// at fp-512). Packet, context, maps and the order of effects are always live.
type Live struct {
	Regs  uint16
	Stack [8]uint64
}

func (l *Live) or(o *Live) {
	l.Regs |= o.Regs
	for i := range l.Stack {
		l.Stack[i] |= o.Stack[i]
	}
}

// AllStack makes every byte of the frame live.
func (l *Live) AllStack() {
	for i := range l.Stack {
		l.Stack[i] = ^uint64(0)
	}
}

// Liveness runs the backward pass: a.live[i] is what is live after
// instruction i, before is what is live before it.
func (a *Analysis) Liveness() {
	p := a.p
	n := len(p.Insts)
	before := make([]Live, n+1)
	a.Before = before
	a.Live = make([]Live, n)
	for again := true; again; {
		again = false
		for i := n - 1; i >= 0; i-- {
			if out := a.liveAt(i); out != before[i] {
				before[i] = out
				again = true
			}
		}
	}
	a.targets()
}

// liveAt finds what is live after instruction i and gives what is before it,
// from what is before those it leads to.
func (a *Analysis) liveAt(i int) Live {
	in := &a.p.Insts[i]
	var out Live
	if !in.Ends() && i+1 < len(a.p.Insts) {
		out.or(&a.Before[i+1])
	}
	if in.Jumps() {
		out.or(&a.Before[in.To])
	}
	a.Live[i] = out
	a.backward(i, &out)
	return out
}

// backward turns what is live after instruction i into what is live before it.
func (a *Analysis) backward(i int, l *Live) {
	in := &a.p.Insts[i]
	f := a.In[i]
	use := func(r uint8) { l.Regs |= 1 << r }
	def := func(r uint8) { l.Regs &^= 1 << r }
	if in.Fixed {
		if in.Op == ebpf.OpCall {
			for r := uint8(0); r <= 5; r++ {
				def(r)
			}
			for r := uint8(1); r <= 5; r++ {
				if f.R[r].Kind != Unreadable {
					use(r)
				}
			}
			l.AllStack()
			return
		}
		if d := ir.DefReg(in); d >= 0 {
			def(uint8(d))
		}
		l.Regs |= in.Reads()
		if in.IsLoad() {
			l.AllStack()
		}
		return
	}
	switch in.Class() {
	case ebpf.ClassALU, ebpf.ClassALU64:
		op := in.ALUOp()
		if op == ebpf.ALUMov {
			def(in.Dst)
		} else {
			use(in.Dst)
		}
		if in.Op&ebpf.SrcX != 0 && op != ebpf.ALUEnd && op != ebpf.ALUNeg {
			use(in.Src)
		}
	case ebpf.ClassLD:
		switch in.Op {
		case ir.Nop:
		case ebpf.OpLDDW:
			def(in.Dst)
		default:
			for r := uint8(0); r <= 5; r++ {
				def(r)
			}
			use(6)
			if in.Mode() == ebpf.ModeIND {
				use(in.Src)
			}
			// It may leave the program: nothing of the stack is read then.
		}
	case ebpf.ClassLDX:
		def(in.Dst)
		use(in.Src)
		a.readMem(f.R[in.Src], int64(in.Off), in.Size(), l)
	case ebpf.ClassST, ebpf.ClassSTX:
		if in.IsAtomic() {
			a.readMem(f.R[in.Dst], int64(in.Off), in.Size(), l)
			if in.Imm == ebpf.AtomicCmpXchg {
				use(0)
			} else if in.Imm == ebpf.AtomicLoadAcq {
				l.Regs = 0x7ff
				l.AllStack()
			}
		} else if b := f.R[in.Dst]; b.Kind == Stack && b.VarOf == 0 {
			if lo, ok := StackBytes(b.Off+int64(in.Off), in.Size()); ok {
				clearBits(&l.Stack, lo, in.Size())
			}
		}
		use(in.Dst)
		if in.Class() == ebpf.ClassSTX {
			use(in.Src)
		}
	case ebpf.ClassJMP, ebpf.ClassJMP32:
		switch {
		case in.Op == ebpf.OpExit:
			*l = Live{Regs: 1}
			if len(a.p.Entry) > 1 || a.p.Sub { // a subprogram's caller needs these and its own stack
				l.Regs |= 1<<6 | 1<<7 | 1<<8 | 1<<9
				l.AllStack()
			}
		case in.Op == ebpf.OpJA || in.Op == ebpf.OpJA32:
		case in.Op == ebpf.OpCall && in.Src == ebpf.CallHelper && ir.HelperOf(in) != nil:
			h := ir.HelperOf(in)
			for r := uint8(0); r <= 5; r++ {
				def(r)
			}
			mapID := int32(-1)
			for k, arg := range h.Args {
				if arg.Kind == ebpf.NoArg {
					continue
				}
				use(uint8(k + 1))
				v := f.R[k+1]
				switch {
				case arg.Kind == ebpf.ConstMap:
					if v.Kind == Map {
						mapID = v.MapID
					}
				case ir.KeepsOnFailure(h, arg) && a.keptLive(i, h, k, mapID, l):
				case ir.IsMemory(arg) && arg.Needs():
					if n := argBytes(a.p, h, k, mapID, &f.R); n > 0 {
						a.readMem(v, 0, n, l)
					} else {
						a.readMem(v, 0, 512, l)
					}
				case h.Reads&ebpf.AnyMemory != 0 && arg.Kind == ebpf.Scalar: // the address is a number
					a.readMem(v, 0, 512, l)
				}
			}
		case in.Op == ebpf.OpCall || in.Op == ebpf.OpCallX:
			for r := uint8(0); r <= 5; r++ {
				def(r)
			}
			for r := uint8(1); r <= 5; r++ {
				if f.R[r].Kind != Unreadable {
					use(r)
				}
			}
			if in.Op == ebpf.OpCallX {
				use(in.Dst)
			}
			l.AllStack()
		case in.Op == ebpf.OpMayGo:
			l.AllStack()
			l.Regs = 0x7ff
		default:
			use(in.Dst)
			if in.Op&ebpf.SrcX != 0 {
				use(in.Src)
			}
		}
	}
}

// keptLive is a buffer on the stack that the call at i leaves as it was where it
// fails: before it lives what is read on that path. False where the path isn't
// known.
func (a *Analysis) keptLive(i int, h *ebpf.Helper, k int, mapID int32, l *Live) bool {
	to, ok := a.p.FailsTo(i)
	v, n := a.In[i].R[k+1], argBytes(a.p, h, k, mapID, &a.In[i].R)
	lo, inside := StackBytes(v.Off, n)
	if !ok || v.Kind != Stack || v.VarOf != 0 || n == 0 || !inside || to >= len(a.Before) {
		return false
	}
	for b := lo; b < lo+n; b++ {
		l.Stack[b>>6] &^= 1 << (b & 63)
		l.Stack[b>>6] |= a.Before[to].Stack[b>>6] & (1 << (b & 63))
	}
	return true
}

// readMem marks what a read of n bytes at base+off may see of the stack.
func (a *Analysis) readMem(base Value, off int64, n int, l *Live) {
	switch base.Kind {
	case Stack:
		if lo, ok := StackBytes(base.Off+off, n); ok && base.VarOf == 0 {
			setBits(&l.Stack, lo, n)
			return
		}
		l.AllStack()
	case Anything, Unreadable:
		l.AllStack()
	}
}
