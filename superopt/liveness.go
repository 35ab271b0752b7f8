package superopt

import "jitnic/host/ebpf"

// live is what may still be read: registers (bit n: rn) and stack bytes (bit 0
// at fp-512). Packet, context, maps and the order of effects are always live.
type live struct {
	regs  uint16
	stack [8]uint64
}

func (l *live) or(o *live) {
	l.regs |= o.regs
	for i := range l.stack {
		l.stack[i] |= o.stack[i]
	}
}

func (l *live) allStack() {
	for i := range l.stack {
		l.stack[i] = ^uint64(0)
	}
}

// liveness runs the backward pass: a.live[i] is what is live after
// instruction i, before is what is live before it.
func (a *analysis) liveness() {
	p := a.p
	n := len(p.Insts)
	before := make([]live, n+1)
	a.before = before
	a.live = make([]live, n)
	for again := true; again; {
		again = false
		for i := n - 1; i >= 0; i-- {
			in := &p.Insts[i]
			var out live
			if !in.ends() && i+1 < n {
				out.or(&before[i+1])
			}
			if in.jumps() {
				out.or(&before[in.To])
			}
			a.live[i] = out
			a.backward(i, &out)
			if out != before[i] {
				before[i] = out
				again = true
			}
		}
	}
	a.targets()
}

// backward turns what is live after instruction i into what is live before it.
func (a *analysis) backward(i int, l *live) {
	in := &a.p.Insts[i]
	f := &a.in[i]
	use := func(r uint8) { l.regs |= 1 << r }
	def := func(r uint8) { l.regs &^= 1 << r }
	if in.Fixed {
		if in.Op == ebpf.OpCall {
			for r := uint8(0); r <= 5; r++ {
				def(r)
			}
			for r := uint8(1); r <= 5; r++ {
				if f.r[r].kind != kUninit {
					use(r)
				}
			}
			l.allStack()
			return
		}
		if d := defReg(in); d >= 0 {
			def(uint8(d))
		}
		l.regs |= reads(in)
		if in.IsLoad() {
			l.allStack()
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
		case Nop:
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
		a.readMem(f.r[in.Src], int64(in.Off), in.Size(), l)
	case ebpf.ClassST, ebpf.ClassSTX:
		if in.IsAtomic() {
			a.readMem(f.r[in.Dst], int64(in.Off), in.Size(), l)
			if in.Imm == ebpf.AtomicCmpXchg {
				use(0)
			} else if in.Imm == ebpf.AtomicLoadAcq {
				l.regs = 0x7ff
				l.allStack()
			}
		} else if b := f.r[in.Dst]; b.kind == kStack && b.varOf == 0 {
			if lo, ok := stackBytes(b.off+int64(in.Off), in.Size()); ok {
				clearBits(&l.stack, lo, in.Size())
			}
		}
		use(in.Dst)
		if in.Class() == ebpf.ClassSTX {
			use(in.Src)
		}
	case ebpf.ClassJMP, ebpf.ClassJMP32:
		switch {
		case in.Op == ebpf.OpExit:
			*l = live{regs: 1}
			if len(a.p.Entry) > 1 || a.p.Sub { // a subprogram's caller needs these and its own stack
				l.regs |= 1<<6 | 1<<7 | 1<<8 | 1<<9
				l.allStack()
			}
		case in.Op == ebpf.OpJA || in.Op == ebpf.OpJA32:
		case in.Op == ebpf.OpCall && in.Src == ebpf.CallHelper && helperOf(in.Imm) != nil:
			h := helperOf(in.Imm)
			for r := uint8(0); r <= 5; r++ {
				def(r)
			}
			mapID := int32(-1)
			for k, kind := range h.args {
				if kind == argNone {
					continue
				}
				use(uint8(k + 1))
				v := f.r[k+1]
				switch kind {
				case argMap:
					if v.kind == kMap {
						mapID = v.mapID
					}
				case argKey, argValue, argMem, argInOut:
					if n := a.p.argBytes(h, k, mapID, &f.r); n > 0 {
						a.readMem(v, 0, n, l)
					} else {
						a.readMem(v, 0, 512, l)
					}
				}
			}
		case in.Op == ebpf.OpCall || in.Op == ebpf.OpCallX:
			for r := uint8(0); r <= 5; r++ {
				def(r)
			}
			for r := uint8(1); r <= 5; r++ {
				if f.r[r].kind != kUninit {
					use(r)
				}
			}
			if in.Op == ebpf.OpCallX {
				use(in.Dst)
			}
			l.allStack()
		case in.Op == ebpf.OpMayGo:
			l.allStack()
			l.regs = 0x7ff
		default:
			use(in.Dst)
			if in.Op&ebpf.SrcX != 0 {
				use(in.Src)
			}
		}
	}
}

// readMem marks what a read of n bytes at base+off may see of the stack.
func (a *analysis) readMem(base val, off int64, n int, l *live) {
	switch base.kind {
	case kStack:
		if lo, ok := stackBytes(base.off+off, n); ok && base.varOf == 0 {
			setBits(&l.stack, lo, n)
			return
		}
		l.allStack()
	case kAny, kUninit:
		l.allStack()
	}
}
