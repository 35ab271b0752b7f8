package dataflow

import (
	"jitnic/host/ebpf"
	"jitnic/host/points"
	"jitnic/superopt/internal/ir"
)

// Live is what may still be read: registers (bit n: rn) and stack bytes (bit 0
// at fp-512). Packet, context, maps and the order of effects are always live.
type Live struct {
	Regs  uint16
	Stack points.Bytes
}

func (l *Live) or(o *Live) {
	l.Regs |= o.Regs
	l.Stack.Or(&o.Stack)
}

// without says whether l has what o has not.
func (l *Live) without(o *Live) bool {
	if l.Regs&^o.Regs != 0 {
		return true
	}
	for i := range l.Stack {
		if l.Stack[i]&^o.Stack[i] != 0 {
			return true
		}
	}
	return false
}

// AllStack makes every byte of the frame live.
func (l *Live) AllStack() { l.Stack.Fill() }

// AtExit is what is read of what a program leaves at its end.
func AtExit(p *ir.Prog) Live {
	l := Live{Regs: 1}
	if len(p.Entry) > 1 || p.Sub { // a subprogram's caller needs these and its own stack
		l.Regs |= 1<<6 | 1<<7 | 1<<8 | 1<<9
		l.AllStack()
	}
	if p.Goes {
		l.AllStack()
	}
	return l
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
	if in.Op == ebpf.OpExit && !in.Fixed {
		*l = AtExit(a.p)
		return
	}
	reads := in.Needs(func(r int) bool { return a.In[i].R[r].Kind != points.Unreadable })
	l.Regs = uint16(ebpf.Regs(l.Regs).Before(ebpf.Regs(reads), ebpf.Regs(in.Writes())))
	a.memory(i, l)
}

// memory turns which stack bytes are live after instruction i into which are
// before it. Of LD_ABS and LD_IND, which may leave the program, none are read.
func (a *Analysis) memory(i int, l *Live) {
	in, f := &a.p.Insts[i], a.In[i]
	off, n := int64(in.Off), in.Size()
	switch {
	case in.Fixed:
		if in.Op == ebpf.OpCall || in.IsLoad() {
			l.AllStack()
		}
	case in.IsLoad():
		readMem(f.R[in.Src], off, n, l)
	case in.IsAtomic():
		readMem(f.R[in.Dst], off, n, l)
		if in.Imm == ebpf.AtomicLoadAcq {
			l.AllStack()
		}
	case in.IsStore():
		if b := f.R[in.Dst]; b.Kind == points.Stack && b.Base == 0 {
			if lo, ok := points.StackBytes(b.Off+off, n); ok {
				l.Stack.Drop(lo, n)
			}
		}
	case in.Op == ebpf.OpCall && ir.HelperOf(in) != nil:
		a.helper(i, ir.HelperOf(in), l)
	case in.Op == ebpf.OpCall, in.Op == ebpf.OpCallX, in.Op == ebpf.OpMayGo:
		l.AllStack()
	}
}

// helper is memory for the call of a helper.
func (a *Analysis) helper(i int, h *ebpf.Helper, l *Live) {
	f := a.In[i]
	m := int32(-1)
	for k, arg := range h.Args {
		v := f.R[k+1]
		switch {
		case arg.Kind == ebpf.ConstMap:
			if v.Kind == points.Map {
				m = v.Map
			}
		case h.KeepsOnFailure(arg) && a.keptLive(i, h, k, m, l):
		case arg.IsMemory() && arg.Needs():
			n := argBytes(a.p, h, k, m, f)
			if n == 0 {
				n = 512
			}
			readMem(v, 0, n, l)
		case h.Reads&ebpf.AnyMemory != 0 && arg.Kind == ebpf.Scalar: // the address is a number
			readMem(v, 0, 512, l)
		}
	}
}

func argBytes(p *ir.Prog, h *ebpf.Helper, k int, m int32, f *points.Facts) int {
	prog := points.Program{Maps: p.Maps}
	return prog.ArgBytes(h, k, m, &f.R)
}

// keptLive is a buffer on the stack that the call at i leaves as it was where it
// fails: before it lives what is read on that path. False where the path isn't
// known.
func (a *Analysis) keptLive(i int, h *ebpf.Helper, k int, m int32, l *Live) bool {
	to, ok := a.p.FailsTo(i)
	v, n := a.In[i].R[k+1], argBytes(a.p, h, k, m, a.In[i])
	lo, inside := points.StackBytes(v.Off, n)
	if !ok || v.Kind != points.Stack || v.Base != 0 || n == 0 || !inside || to >= len(a.Before) {
		return false
	}
	for b := lo; b < lo+n; b++ {
		l.Stack[b>>6] &^= 1 << (b & 63)
		l.Stack[b>>6] |= a.Before[to].Stack[b>>6] & (1 << (b & 63))
	}
	return true
}

// readMem marks what a read of n bytes at base+off may see of the stack.
func readMem(base points.Value, off int64, n int, l *Live) {
	switch base.Kind {
	case points.Stack:
		if lo, ok := points.StackBytes(base.Off+off, n); ok && base.Base == 0 {
			l.Stack.Add(lo, n)
			return
		}
		l.AllStack()
	case points.Anything, points.Unreadable:
		l.AllStack()
	}
}
