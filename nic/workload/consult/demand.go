package consult

import (
	"math/bits"

	"jitnic/host/vm"
	"jitnic/pathcond"
	"jitnic/pathcond/bv"
)

// demand is what terms read of the packet, byte by byte: a bit that a mask or a
// shift throws away is not read (as LLVM's demanded bits). at are bytes at fixed
// offsets, far whole loads at variable ones.
type demand struct {
	b    *bv.Builder
	base uint64 // address of the packet's first byte
	at   set
	far  map[span]bool
	seen map[bv.Term]uint64 // bits of the term that were asked for already
	len  bool               // the packet's length is read
	fun  bool               // a function other than a load is: state
}

func newDemand(b *bv.Builder, base uint64) *demand {
	return &demand{b: b, base: base, far: map[span]bool{}, seen: map[bv.Term]uint64{}}
}

// demanded is what a condition reads but for checks of lengths.
func demanded(cond []pathcond.Pred, b *bv.Builder, base uint64) *demand {
	lengths := newDemand(b, base) // bytes that are checked against the packet's length
	all := newDemand(b, base)
	var rest []bv.Term
	for _, p := range cond {
		d := newDemand(b, base)
		d.bits(p.Term, 1)
		if d.len && !d.fun {
			lengths.bits(p.Term, 1)
		} else {
			rest = append(rest, p.Term)
		}
	}
	for _, t := range rest {
		switch b.Op(t) {
		case bv.OpULt, bv.OpULe, bv.OpSLt, bv.OpSLe:
			d := newDemand(b, base)
			d.bits(t, 1)
			if !d.fun && d.meets(lengths) {
				continue // of two lengths, which is more
			}
		}
		all.bits(t, 1)
	}
	return all
}

// meets says whether two demands share a byte or load.
func (d *demand) meets(o *demand) bool {
	for i := range d.at {
		if d.at[i] && o.at[i] {
			return true
		}
	}
	for s := range d.far {
		if o.far[s] {
			return true
		}
	}
	return false
}

// packetOffset says whether an address lies in the packet as it arrived, and at which
// offset if that is the same for all packets of the path.
func packetOffset(b *bv.Builder, addr bv.Term, data uint64) (off uint64, fixed, ok bool) {
	if addr == 0 {
		return 0, false, false
	}
	base, o := b.SplitAdd(addr)
	off = o - data
	if base != 0 {
		return 0, false, off <= vm.MaxLinear
	}
	return off, true, off < vm.MaxLinear
}

// bits asks for the bits of a term that are set in want.
func (d *demand) bits(t bv.Term, want uint64) {
	b := d.b
	want &= bv.Mask(b.Width(t)) &^ b.Zeros(t) // what is always 0 is not read
	if want &^= d.seen[t]; want == 0 {
		return
	}
	d.seen[t] |= want
	args := b.Args(t)
	arg := func(i int, want uint64) { d.bits(args[i], want) }
	constant := func(i int) (uint64, bool) { return b.IsConst(args[i]) }
	const all = ^uint64(0)
	below := bv.Mask64(bits.Len64(want)) // a carry reaches up only
	switch b.Op(t) {
	case bv.OpInput:
		d.len = d.len || b.K(t) == pathcond.InLen
	case bv.OpFun:
		if b.K(t) != pathcond.FunLoad {
			d.fun = true
			for i := range args {
				arg(i, all)
			}
			return
		}
		if off, fixed, ok := packetOffset(b, args[0], d.base); ok && fixed {
			for i := 0; i < b.Width(t)/8; i++ {
				if want>>(8*i)&0xff != 0 {
					d.at.add(off+uint64(i), 1)
				}
			}
		} else if ok {
			d.far[span{args[0], b.Width(t) / 8}] = true
		} else {
			d.fun = true // a map's memory
		}
		arg(0, all)
	case bv.OpAnd:
		for i := range args {
			mask := all
			if k, ok := constant(1 - i); ok {
				mask = k
			}
			arg(i, want&mask)
		}
	case bv.OpNot, bv.OpOr, bv.OpXor:
		for i := range args {
			arg(i, want)
		}
	case bv.OpAdd, bv.OpSub, bv.OpMul:
		arg(0, below)
		arg(1, below)
	case bv.OpShl, bv.OpLShr:
		k, ok := constant(1)
		switch {
		case !ok:
			arg(0, all)
			arg(1, all)
		case b.Op(t) == bv.OpShl:
			arg(0, want>>k)
		default:
			arg(0, want<<k)
		}
	case bv.OpBSwap:
		arg(0, bits.ReverseBytes64(want)>>(64-b.Width(t)))
	case bv.OpConcat:
		low := b.Width(args[1])
		arg(0, want>>low)
		arg(1, want)
	case bv.OpExtract:
		arg(0, want<<b.K(t))
	case bv.OpZExt:
		arg(0, want)
	case bv.OpSExt:
		w := b.Width(args[0])
		if want&^bv.Mask(w) != 0 {
			want |= 1 << (w - 1)
		}
		arg(0, want)
	case bv.OpIte:
		arg(0, 1)
		arg(1, want)
		arg(2, want)
	default: // comparisons, divisions, shifts of signed numbers: all bits
		for i := range args {
			arg(i, all)
		}
	}
}
