package straight

import (
	"jitnic/host/ebpf"
	"jitnic/pathcond/bv"
	"jitnic/superopt/internal/ir"
	"jitnic/superopt/internal/proof"
)

// stores makes a store wider where that leaves the same bytes, or
// bytes nobody wants, and another store goes for it.
func (l *line) stores() {
	var all []int
	for i := range l.prog.Insts {
		in := &l.prog.Insts[i]
		if in.IsStore() && !in.IsAtomic() && l.at[i].known && l.at[i].after != nil && l.at[i].foot.Writes.Region != proof.ContextRegion {
			all = append(all, i)
		}
	}
	for _, w := range all {
		for _, gone := range all {
			if gone == w || l.at[w].foot.Writes.Object != l.at[gone].foot.Writes.Object || l.at[gone].after == nil || l.at[w].after == nil {
				continue
			}
			if l.cover(w, gone) {
				break
			}
		}
	}
}

// cover widens the store at w so that the one at gone may go.
func (l *line) cover(w, gone int) bool {
	x, y := l.at[w].foot.Writes, l.at[gone].foot.Writes
	for n := x.N; n <= 8; n *= 2 {
		if n == x.N && gone < w { // nothing to widen
			continue
		}
		block := proof.Span{Object: x.Object, Lo: x.Lo &^ (n - 1), N: n}
		if block.Lo+n <= y.Lo || y.Lo+y.N <= block.Lo {
			continue
		}
		if gone > w && (y.Lo < block.Lo || y.Lo+y.N > block.Lo+n) {
			continue // what it writes beside the block would be missed
		}
		if !l.free(min(w, gone), max(w, gone), block, y, w < gone) {
			continue
		}
		in, ok := l.widened(w, gone, block)
		if !ok || !l.may() {
			continue
		}
		in.To, in.Slot = -1, l.prog.Insts[w].Slot
		l.prog.Insts[w], l.prog.Insts[gone] = in, ir.Empty()
		l.at[w].foot.Writes = block
		for k := min(w, gone); k <= max(w, gone); k++ { // these bytes are written at another time now
			if at := &l.at[k]; k == gone || at.after != nil && at.foot.Writes.Region == block.Region {
				at.after = nil
			}
		}
		return true
	}
	return false
}

// free says whether nothing between two stores minds that the bytes of one are
// written by the other: where the wide one comes first, nobody else reads or
// writes those bytes in between; where it comes last, nobody reads them from
// the one that goes to where they are written again.
func (l *line) free(first, last int, block, y proof.Span, wideFirst bool) bool {
	if wideFirst {
		for k := first + 1; k < last; k++ {
			f := &l.at[k].foot
			if l.prog.Insts[k].Op != ir.Nop && (l.at[k].outside || !l.at[k].known || f.May(y) || f.MayWrite(y)) {
				return false
			}
		}
		return true
	}
	var left [8]bool // bytes of y not written again yet
	for k := range y.N {
		left[k] = true
	}
	again := func(s proof.Span) {
		for k := max(s.Lo, y.Lo); k < min(s.Lo+s.N, y.Lo+y.N); k++ {
			left[k-y.Lo] = false
		}
	}
	for k := first + 1; k < len(l.prog.Insts); k++ {
		if k == last {
			again(block)
		}
		if left == [8]bool{} {
			return k >= last
		}
		if l.prog.Insts[k].Op == ir.Nop || k == last {
			continue
		}
		if l.prog.Insts[k].Op == ebpf.OpExit {
			return y.Region == proof.StackRegion && !l.prog.Goes
		}
		f := &l.at[k].foot
		if l.at[k].outside || !l.at[k].known {
			return false
		}
		if f.Writes.N == 0 && f.MayWrite(y) { // perhaps, and what goes for it later would be in its way
			return false
		}
		for b := range y.N {
			if left[b] && f.May(proof.Span{Object: y.Object, Lo: y.Lo + b, N: 1}) {
				return false
			}
		}
		if f.Writes.N > 0 && f.Writes.Object == y.Object {
			again(f.Writes)
		}
	}
	return false
}

// byteAt is what stands in an object after the store at i.
func (l *line) byteAt(i int, o proof.Object, at int) bv.Term {
	off := l.b.Const(uint64(int64(at)), 64)
	if o.Base != 0 {
		off = l.b.Bin(bv.OpAdd, o.Base, off)
	}
	return l.m.Byte(l.at[i].after, o.Region, off)
}

// widened is the store at w over the whole block; ok is false where it can't
// leave what is wanted there.
func (l *line) widened(w, gone int, block proof.Span) (ir.Inst, bool) {
	in := l.prog.Insts[w]
	x, y := l.at[w].foot.Writes, l.at[gone].foot.Writes
	var v bv.Term
	if in.Class() == ebpf.ClassSTX {
		if v = l.at[w].regs[in.Src]; v == 0 || block.Lo != x.Lo {
			return in, false
		}
	}
	var known, free uint64 // of an immediate: its bytes, and those that may be anything
	for k := range block.N {
		at := block.Lo + k
		var t bv.Term
		switch {
		case gone > w && at >= y.Lo && at < y.Lo+y.N:
			t = l.byteAt(gone, y.Object, at)
		case at >= x.Lo && at < x.Lo+x.N:
			if v != 0 {
				continue
			}
			t = l.b.Const(uint64(int64(in.Imm))>>(8*(at-x.Lo))&0xff, 8)
		case l.at[w].bytes>>(at-x.Lo&^7)&1 == 0:
			free |= 0xff << (8 * k)
			continue
		default:
			t = l.byteAt(w, x.Object, at)
		}
		if v != 0 {
			if t != l.b.Extract(v, 8*k, 8) {
				return in, false
			}
			continue
		}
		c, ok := l.b.IsConst(t)
		if !ok {
			return in, false
		}
		known |= c << (8 * k)
	}
	in.Op = in.Op&^0x18 | ir.SizeOp(block.N)
	in.Off += int16(block.Lo - x.Lo)
	if v != 0 {
		return in, true
	}
	if block.N == 8 { // an immediate's sign goes up
		high := all &^ (1<<31 - 1)
		switch {
		case (known|free)&high == high:
			known |= free & high
		case known&high == 0:
		default:
			return in, false
		}
	}
	in.Imm = int32(known)
	if block.N < 4 {
		in.Imm = int32(int64(known<<(64-8*block.N)) >> (64 - 8*block.N))
	}
	return in, true
}
