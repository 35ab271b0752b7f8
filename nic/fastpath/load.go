package fastpath

import (
	"fmt"
	"math"
	"math/bits"

	"jitnic/host/ebpf"
	"jitnic/host/mem"
	"jitnic/pathcond"
	"jitnic/pathcond/bv"
)

// inRow says whether two loads read one row of 2, 4 or 8 bytes, of the packet or of
// a value that was looked up.
func (b *builder) inRow(hi, lo bv.Term) bool {
	load := func(t bv.Term) bool {
		if b.b.Op(t) != bv.OpFun {
			return false
		}
		id, _ := pathcond.FunParts(b.b.K(t))
		return id == pathcond.FunLoad
	}
	if w := b.b.Width(hi) + b.b.Width(lo); !load(hi) || !load(lo) || w != 16 && w != 32 && w != 64 {
		return false
	}
	x, from := b.b.SplitAdd(b.b.Args(lo)[0])
	y, to := b.b.SplitAdd(b.b.Args(hi)[0])
	if x != y || to != from+uint64(b.b.Width(lo)/8) {
		return false
	}
	at, err := b.place(b.b.Args(lo)[0])
	return err == nil && (at.kind == mem.KindPacket || at.lookup != 0 && at.x == 0)
}

// loadAt leaves w bits at an address in d.
func (b *builder) loadAt(addr bv.Term, w int, f *flow, d uint8, busy ebpf.Regs) error {
	at, err := b.place(addr)
	if err != nil {
		return err
	}
	n := w / 8
	if w%8 != 0 || n < 1 || n > 8 || at.off < 0 || at.off+int64(n) > math.MaxInt16 {
		return fmt.Errorf("a load of %d bits at %d", w, at.off)
	}
	base, off, err := b.reach(at, n, f, d, busy)
	if err != nil {
		return err
	}
	if bits.OnesCount(uint(n)) == 1 {
		b.load(n, d, base, off)
		return nil
	}
	// 3, 5, 6 or 7 bytes: the highest first.
	e, err := temp(busy | 1<<d | 1<<base)
	if err != nil {
		return err
	}
	if base == d {
		g, err := temp(busy | 1<<d | 1<<e)
		if err != nil {
			return err
		}
		b.mov(g, d)
		base = g
	}
	b.alu(ebpf.ALUMov, d, 0)
	for i := n - 1; i >= 0; i-- {
		b.alu(ebpf.ALULsh, d, 8)
		b.load(1, e, base, off+int16(i))
		b.alux(ebpf.ALUOr, d, e)
	}
	return nil
}

// reach gives a register and an offset at which n bytes may be loaded; d may be
// that register.
func (b *builder) reach(at where, n int, f *flow, d uint8, busy ebpf.Regs) (base uint8, off int16, err error) {
	past := int(at.off) + n
	switch {
	case at.kind == mem.KindPacket && at.x == 0:
		if f.length < past {
			b.within(regData, d, past, b.miss)
			f.length = past
		}
		return regData, int16(at.off), nil
	case at.kind == mem.KindPacket:
		reg, i, err := b.spot(at.x, f, d, busy)
		if err != nil {
			return 0, 0, err
		}
		if f.at[i].n < past {
			b.within(reg, d, past, b.miss)
			f.at[i].n = past
		}
		return reg, int16(at.off), nil
	case at.kind == mem.KindCtx:
		return 0, 0, fmt.Errorf("a field of the context")
	case at.direct:
		b.put(ebpf.Insn{Op: ebpf.OpLDDW, Dst: d, Src: ebpf.PseudoMapValue, Imm: int32(at.elem.m)})
		b.put(ebpf.Insn{Imm: int32(at.off)})
		return d, 0, b.shift(at, int(b.obj.Maps[at.elem.m].ValueSize)-past, f, d, busy)
	}
	size := 0
	if at.lookup != 0 {
		s, ok := f.slots[at.lookup]
		if !ok {
			return 0, 0, fmt.Errorf("a look-up that wasn't made")
		}
		_, m := pathcond.FunParts(b.b.K(at.lookup))
		size = int(b.obj.Maps[m].ValueSize)
		b.load(8, d, 10, s)
		if !f.nonnull[at.lookup] {
			b.jump(ebpf.Insn{Op: ebpf.ClassJMP | ebpf.JmpEQ | ebpf.SrcK, Dst: d}, b.miss)
			if f.arm == 0 {
				f.nonnull[at.lookup] = true
			}
		}
	} else {
		s, ok := f.elems[at.elem]
		if !ok {
			return 0, 0, fmt.Errorf("an element that wasn't looked up")
		}
		size = int(b.obj.Maps[at.elem.m].ValueSize)
		b.load(8, d, 10, s)
	}
	return d, int16(at.off), b.shift(at, size-past, f, d, busy)
}

// shift moves the pointer in d on by the number that only running tells; most is
// what it may be.
func (b *builder) shift(at where, most int, f *flow, d uint8, busy ebpf.Regs) error {
	if at.x == 0 {
		return nil
	}
	if most < 0 {
		return fmt.Errorf("an offset beyond a value")
	}
	e, err := temp(busy | 1<<d)
	if err != nil {
		return err
	}
	if err := b.eval(at.x, f, e, busy|1<<d); err != nil {
		return err
	}
	b.jump(ebpf.Insn{Op: ebpf.ClassJMP | ebpf.JmpGT | ebpf.SrcK, Dst: e, Imm: int32(most)}, b.miss)
	b.alux(ebpf.ALUAdd, d, e)
	return nil
}

// within goes to another place unless there are n bytes behind a packet pointer;
// tmp is used.
func (b *builder) within(reg, tmp uint8, n int, other label) {
	b.mov(tmp, reg)
	b.alu(ebpf.ALUAdd, tmp, int32(n))
	b.jump(ebpf.Insn{Op: ebpf.ClassJMP | ebpf.JmpGT | ebpf.SrcX, Dst: tmp, Src: regEnd}, other)
}

// spot gives a register that holds data + x.
func (b *builder) spot(x bv.Term, f *flow, d uint8, busy ebpf.Regs) (reg uint8, i int, err error) {
	regs := [2]uint8{regA, regB}
	for i, s := range f.at {
		if s.x == x {
			return regs[i], i, nil
		}
	}
	if err := b.eval(x, f, d, busy); err != nil {
		return 0, 0, err
	}
	for i = range f.at {
		if f.at[i].x == 0 {
			break
		}
		if i == len(f.at)-1 {
			f.turn = 1 - f.turn
			i = f.turn
			break
		}
	}
	if b.most(x) > math.MaxInt16 {
		b.jump(ebpf.Insn{Op: ebpf.ClassJMP | ebpf.JmpGT | ebpf.SrcK, Dst: d, Imm: math.MaxInt16}, b.miss)
	}
	b.mov(regs[i], regData)
	b.alux(ebpf.ALUAdd, regs[i], d)
	f.at[i] = spot{x: x}
	return regs[i], i, nil
}

// most is the largest value that the verifier, too, sees a term to have: loads,
// masks and shifts by constants.
func (b *builder) most(t bv.Term) uint64 {
	a := b.b.Args(t)
	switch b.b.Op(t) {
	case bv.OpConst:
		return b.b.K(t)
	case bv.OpZExt:
		return b.most(a[0])
	case bv.OpFun:
		if w := b.b.Width(t); w <= 16 {
			return bv.Mask(w)
		}
	case bv.OpAnd:
		return min(b.most(a[0]), b.most(a[1]))
	case bv.OpExtract:
		if w := b.b.Width(t); w <= 16 {
			return bv.Mask(w)
		}
	case bv.OpShl:
		if k, ok := b.b.IsConst(a[1]); ok && k < 32 {
			if m := b.most(a[0]); m < 1<<31 {
				return m << k
			}
		}
	case bv.OpAdd:
		if x, y := b.most(a[0]), b.most(a[1]); x < 1<<31 && y < 1<<31 {
			return x + y
		}
	}
	return math.MaxUint64
}
