package match

import (
	"jitnic/host/vm"
	"jitnic/pathcond"
	"jitnic/pathcond/bv"
)

// A bit of the key is numbered in network order: bit 0 is the highest of the
// packet's first byte. Behind the packet come its length and the context.
const (
	keyLength  = int32(8 * vm.MaxLinear) // 16 bits, highest first
	keyIfindex = keyLength + 16          // 32
	keyQueue   = keyIfindex + 32         // 32
	keyCPU     = keyQueue + 32           // 32
	keyHanded  = keyCPU + 32             // what the segment before has left: see handed.go
	keyParsed  = keyHanded + handedBits  // what a parser makes of the packet: see parser.go
)

// metadata is where an input stands in the key, and how wide it is there.
func (a *Analyser) metadata(id uint64) (at int32, width int, ok bool) {
	switch id {
	case pathcond.InLen:
		return keyLength, 16, true
	case pathcond.InIfindex:
		return keyIfindex, 32, true
	case pathcond.InQueue:
		return keyQueue, 32, a.opt.Queue
	case pathcond.InCPU:
		return keyCPU, 32, a.opt.Queue
	}
	return 0, 0, false
}

// inPacket says whether an address is one of the packet's.
func (a *Analyser) inPacket(addr uint64) bool { return addr-a.data < vm.MaxLinear }

// wire is one bit of a term: constant, a bit of the key or its complement, or
// computed. Swapping, cutting, joining, shifting and masking only move wires;
// a comparison of what is wired is one of the key's own bits.
type wire int32

const (
	computed wire = -1
	zero     wire = 0
	one      wire = 1
)

func bitOf(k int32) wire        { return wire(2 + 2*k) }
func (w wire) isKey() bool      { return w >= 2 }
func (w wire) key() int32       { return int32(w-2) >> 1 }
func (w wire) inverted() bool   { return w&1 == 1 }
func (w wire) known() bool      { return w == zero || w == one }
func constWire(v uint64) wire   { return wire(v & 1) }
func (w wire) complement() wire { return pickWire(w == computed, computed, w^1) }

func pickWire(c bool, x, y wire) wire {
	if c {
		return x
	}
	return y
}

// reader sees the terms of one condition as wires. Bits of the key that the
// condition fixes are known to it, so that an offset computed of nothing else
// is a constant.
type reader struct {
	a     *Analyser
	known map[int32]bool
	raw   map[bv.Term][]wire // of terms with a variable offset
	fixed map[bv.Term][]wire // with known bits put in
}

func (a *Analyser) newReader() *reader {
	return &reader{a: a, known: map[int32]bool{}, raw: map[bv.Term][]wire{}, fixed: map[bv.Term][]wire{}}
}

// wires are the bits of t, lowest first. With subst, known bits are constants.
func (r *reader) wires(t bv.Term, subst bool) []wire {
	memo := r.raw
	switch {
	case subst:
		memo = r.fixed
	case r.a.reads(t)&readsVariable == 0:
		memo = r.a.wired // the same in every condition
	}
	if v, ok := memo[t]; ok {
		return v
	}
	v := r.wire(t, subst)
	memo[t] = v
	return v
}

func (r *reader) wire(t bv.Term, subst bool) []wire {
	b := r.a.b
	w := b.Width(t)
	out := make([]wire, w)
	args := b.Args(t)
	arg := func(i int) []wire { return r.wires(args[i], subst) }
	switch op := b.Op(t); op {
	case bv.OpConst:
		return constWires(out, b.K(t))
	case bv.OpInput:
		at, width, ok := r.a.metadata(b.K(t))
		if !ok {
			break
		}
		for i := range out {
			if i < width {
				out[i] = r.keyWire(at+int32(width-1-i), subst)
			}
		}
		return out
	case bv.OpFun:
		if r.packetWires(t, args, out, subst) {
			return out
		}
	case bv.OpZExt:
		copy(out, arg(0))
		return out
	case bv.OpSExt:
		x := arg(0)
		for i := range out {
			out[i] = x[min(i, len(x)-1)]
		}
		return out
	case bv.OpExtract:
		copy(out, arg(0)[b.K(t):])
		return out
	case bv.OpConcat:
		lo := arg(1)
		copy(out, lo)
		copy(out[len(lo):], arg(0))
		return out
	case bv.OpBSwap:
		x := arg(0)
		for i := range out {
			out[i] = x[w-8-i/8*8+i%8]
		}
		return out
	case bv.OpNot:
		for i, x := range arg(0) {
			out[i] = x.complement()
		}
		return out
	case bv.OpAnd, bv.OpOr, bv.OpXor:
		x, y := arg(0), arg(1)
		for i := range out {
			out[i] = gate(op, x[i], y[i])
		}
		return out
	case bv.OpIte:
		if c := arg(0)[0]; c.known() {
			return arg(2 - int(c))
		}
	default:
		if len(args) != 2 {
			break
		}
		x, y := arg(0), arg(1)
		k, constY := number(y)
		if j, ok := number(x); ok && constY {
			return constWires(out, bv.Fold(op, b.Width(args[0]), j, k))
		}
		if constY && shiftWires(op, out, x, int(min(k, uint64(w)))) {
			return out
		}
	}
	for i := range out {
		out[i] = computed
		if b.Zeros(t)>>i&1 == 1 {
			out[i] = zero
		}
	}
	return out
}

// packetWires are the bits of a load of the packet, or of a field that the parser gives.
func (r *reader) packetWires(t bv.Term, args []bv.Term, out []wire, subst bool) bool {
	w := len(out)
	if function(r.a.b.K(t)) != pathcond.FunLoad || w%8 != 0 {
		return false
	}
	addr, ok := number(r.wires(args[0], true))
	if off := addr - r.a.data; ok && off+uint64(w/8) <= vm.MaxLinear && off < vm.MaxLinear {
		for i := range out {
			out[i] = r.keyWire(int32(off)*8+int32(i/8*8+7-i%8), subst)
		}
		return true
	}
	if at, fits := r.a.handed(addr, w); ok && fits {
		for i := range out {
			out[i] = r.keyWire(at+int32(i/8*8+7-i%8), subst)
		}
		return true
	}
	at, ok := r.a.parsedField(t)
	for i := range out {
		if ok {
			out[i] = bitOf(at + int32(i/8*8+7-i%8))
		}
	}
	return ok
}

// shiftWires is a shift of x by n; false where op is none.
func shiftWires(op bv.Op, out, x []wire, n int) bool {
	switch op {
	case bv.OpShl:
		copy(out[n:], x)
	case bv.OpLShr:
		copy(out, x[n:])
	case bv.OpAShr:
		for i := range out {
			out[i] = x[min(i+n, len(out)-1)]
		}
	default:
		return false
	}
	return true
}

func constWires(out []wire, k uint64) []wire {
	for i := range out {
		out[i] = constWire(k >> i)
	}
	return out
}

// keyWire is a bit of the key, or what it is known to be.
func (r *reader) keyWire(k int32, subst bool) wire {
	if subst {
		if v, ok := r.known[k]; ok {
			return pickWire(v, one, zero)
		}
	}
	return bitOf(k)
}

// gate joins two bits.
func gate(op bv.Op, x, y wire) wire {
	if x.known() {
		x, y = y, x
	}
	switch {
	case y == zero:
		return pickWire(op == bv.OpAnd, zero, x)
	case y == one && op == bv.OpXor:
		return x.complement()
	case y == one:
		return pickWire(op == bv.OpAnd, x, one)
	case x == y && x != computed:
		return pickWire(op == bv.OpXor, zero, x)
	}
	return computed
}

// number is the value of constant wires.
func number(v []wire) (k uint64, ok bool) {
	for i, w := range v {
		if !w.known() {
			return 0, false
		}
		k |= uint64(w) << i
	}
	return k, true
}

// allWired says whether nothing of v is computed.
func allWired(v []wire) bool {
	for _, w := range v {
		if w == computed {
			return false
		}
	}
	return true
}

// support adds the bits of the key that decide t to set; false where they are
// not known or more than max.
func (r *reader) support(t bv.Term, set map[int32]bool, seen map[bv.Term]bool, max int) bool {
	if seen[t] {
		return true
	}
	seen[t] = true
	v := r.wires(t, false)
	if allWired(v) {
		for _, w := range v {
			if w.isKey() {
				set[w.key()] = true
			}
		}
		return len(set) <= max
	}
	args := r.a.b.Args(t)
	if r.a.b.Op(t) == bv.OpFun || len(args) == 0 {
		return false
	}
	for _, x := range args {
		if !r.support(x, set, seen, max) {
			return false
		}
	}
	return true
}

// limits are the least and the largest number the lowest n wires of v can be.
func limits(v []wire, n int) (lo, hi uint64) {
	for i, w := range v[:n] {
		switch {
		case w == one:
			lo |= 1 << i
			hi |= 1 << i
		case w != zero:
			hi |= 1 << i
		}
	}
	return lo, hi
}
