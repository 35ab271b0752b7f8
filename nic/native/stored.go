package native

import (
	"jitnic/host/ebpf"
	"jitnic/host/maps"
	"jitnic/host/points"
	"jitnic/nic/native/asm"
)

// The key of a look-up stands on the stack, where a trace has mostly stored it a few
// instructions before: a constant, or a register that still holds it. An element of an
// array is found by that without a load, and a constant one without a comparison.

// stored is what a trace has stored to n bytes of the stack: the constant v, or what
// register reg has held since.
type stored struct {
	addr uint64
	n    int
	v    uint64
	reg  int8 // or constant
}

// constant is no register.
const constant = -1

// key is the index of a look-up in an array, where it is known without a load.
type key struct {
	known bool
	there bool  // it is a constant, and one of the array's
	reg   int8  // or constant
	v     int64 // the constant
}

// keyOf finds the key of a look-up in an array.
func (c *compiler) keyOf(k *known, in ebpf.Insn) (out key) {
	f, ok := c.looksUp(k, in)
	if !ok || f.Kind != maps.FlatArray || k.R[2].Kind != points.Stack {
		return out
	}
	at, _ := c.fixedValue(&k.R[2])
	for _, w := range c.line.words {
		if w.addr == at && w.n >= 4 {
			i := uint32(w.v)
			return key{true, w.reg == constant && i < f.Max, w.reg, int64(i)}
		}
	}
	return out
}

// remember notes what an instruction stores to the stack, and forgets what it may
// change; k is what is known before it.
func (c *compiler) remember(k *known, in ebpf.Insn, i *lineInfo) {
	l := c.line
	switch {
	case in.Op == ebpf.OpCall:
		if _, ok := c.looksUp(k, in); !ok && !isLatched(in) {
			l.words = l.words[:0]
		}
		l.forget(1<<(lastWord+1) - 1)
	case !in.IsStore():
		l.forget(in.Writes())
	case k.R[in.Dst].Kind == points.Stack:
		at, _ := c.fixedValue(&k.R[in.Dst])
		w := stored{addr: at + uint64(int64(in.Off)), n: in.Size(), reg: constant, v: uint64(int64(in.Imm))}
		l.overwritten(&w)
		l.forget(in.Writes())
		if in.Class() == ebpf.ClassSTX {
			if w.v = i.src; !i.srcFixed {
				w.reg = int8(in.Src)
			}
		}
		if !in.IsAtomic() {
			l.words = append(l.words, w)
		}
	default:
		if !c.elsewhere(k, in) {
			l.words = l.words[:0]
		}
		l.forget(in.Writes())
	}
}

// forget forgets which words are in registers that are written.
func (l *line) forget(written ebpf.Regs) {
	if written == 0 || len(l.words) == 0 {
		return
	}
	left := l.words[:0]
	for _, w := range l.words {
		if w.reg == constant || !written.Has(uint8(w.reg)) {
			left = append(left, w)
		}
	}
	l.words = left
}

// overwritten forgets the words that a store overwrites.
func (l *line) overwritten(by *stored) {
	left := l.words[:0]
	for _, w := range l.words {
		if w.addr >= by.addr+uint64(by.n) || by.addr >= w.addr+uint64(w.n) {
			left = append(left, w)
		}
	}
	l.words = left
}

// elsewhere says whether a store is certain to leave the stack alone.
func (c *compiler) elsewhere(k *known, in ebpf.Insn) bool {
	v := &k.R[in.Dst]
	if v.Kind != points.Packet && v.Kind != points.MapValue {
		return false
	}
	null := v.Null // then the trace is left
	v.Null = false
	inside := c.a.inBounds(k, in.Dst, in.Off, in.Size(), true)
	v.Null = null
	return inside
}

// element is a look-up in an array whose key is known; false where it isn't.
func (c *compiler) element(f *maps.Flat, at key) bool {
	switch {
	case !at.known:
		return false
	case at.reg != constant:
		c.ofCPU(f)
		c.Zext(4, asm.T0, reg(uint8(at.reg)))
		element(c.Backend, f)
	case !at.there:
		c.Imm(asm.R0, 0)
	case f.Step == 0:
		c.Imm(asm.R0, f.Addr+uint64(at.v)*f.Stride)
	default:
		c.ofCPU(f)
		c.Load(8, asm.R0, asm.At(asm.Ctx, offCPU))
		scale(c.Backend, asm.R0, f.Step)
		addK(c.Backend, asm.R0, f.Addr+uint64(at.v)*f.Stride)
	}
	return true
}
