package pathcond

import (
	"fmt"

	"jitnic/host/ebpf"
	"jitnic/host/points"
	"jitnic/host/vm"
	"jitnic/pathcond/bv"
	"jitnic/trace"
)

// memLog is the memory of one region as the path has changed it: its stores in
// order, over what was there before the run.
type memLog struct{ stores []store }

type store struct {
	base     bv.Term // address is base + off; base 0: a constant address
	off      uint64
	n        int
	val      bv.Term // of width 8n
	concrete uint64  // the address in the recorded run
	cond     bv.Term // it is done where this holds; 0: always
}

// aliasing is how a store lies to a load whose address has another base.
type aliasing uint8

const (
	aliasApart aliasing = iota // they can't meet
	aliasSame                  // both are in one value: as far apart as in the recorded run
	aliasFixed                 // both addresses are constants now
)

// split takes an address as base + offset, with what the path fixes folded in.
func (x *exec) split(addr bv.Term) (base bv.Term, off uint64) {
	return x.b.SplitAdd(x.f.fixed(addr))
}

// joinBytes makes the term of consecutive bytes, lowest first.
func (x *exec) joinBytes(bytes []byteRef) bv.Term {
	b := x.b
	var t bv.Term
	for i := len(bytes); i > 0; {
		// the longest run of consecutive bytes of one term, from the top down
		j := i - 1
		for j > 0 && bytes[j].term != 0 && bytes[j-1].term == bytes[j].term && bytes[j-1].idx+1 == bytes[j].idx {
			j--
		}
		for j > 0 && bytes[j].term == 0 && bytes[j-1].term == 0 {
			j--
		}
		var part bv.Term
		if bytes[j].term == 0 {
			part = b.Const(0, 8*(i-j))
		} else {
			part = b.Extract(bytes[j].term, 8*int(bytes[j].idx), 8*(i-j))
		}
		if t == 0 {
			t = part
		} else {
			t = b.Concat(t, part)
		}
		i = j
	}
	return t
}

// loadLog reads n bytes at addr through a log; initial gives m bytes as they
// were before the run, at base + off. alias settles whether a store at another
// base meets the load.
func (x *exec) loadLog(l *memLog, addr bv.Term, concrete uint64, n int,
	alias func(s *store, base bv.Term, off, concrete uint64, n int) aliasing,
	initial func(base bv.Term, off uint64, m int) bv.Term) bv.Term {
	base, off := x.split(addr)
	var got [8]byteRef
	missing := n
	for i := len(l.stores) - 1; i >= 0 && missing > 0; i-- {
		s := &l.stores[i]
		if x.quiet != nil { // what one side knows of a store isn't kept
			t := *s
			s = &t
		}
		if s.base != 0 && s.base != base {
			// What the path has fixed since may bring the bases together.
			nb, no := x.split(x.address(s.base, s.off))
			s.base, s.off = nb, no
		}
		if s.base != base {
			verdict := alias(s, base, off, concrete, n)
			// Settling it may have made a base constant: look anew.
			base, off = x.split(x.address(base, off))
			s.base, s.off = x.split(x.address(s.base, s.off))
			if verdict == aliasFixed && s.base != base {
				x.abort(trace.ReasonInternal, "offsets were fixed and are not constant")
			}
			if verdict == aliasApart {
				continue
			}
		}
		d := int64(s.off - off)
		if s.base != base { // one entry under two names
			d = int64(s.concrete - concrete)
		}
		if s.cond != 0 {
			if d >= int64(n) || d+int64(s.n) <= 0 {
				continue
			}
			if v, ok := x.f.Known(s.cond); ok && !v {
				continue
			} else if !ok {
				older := x.loadLog(&memLog{l.stores[:i]}, x.address(base, off), concrete, n, alias, initial)
				t := x.b.Ite(s.cond, x.over(s, d, older, n), older)
				for k := range got[:n] {
					if got[k].term == 0 {
						got[k] = byteRef{t, uint8(k)}
					}
				}
				return x.joinBytes(got[:n])
			}
		}
		for k := 0; k < s.n; k++ {
			if at := d + int64(k); at >= 0 && at < int64(n) && got[at].term == 0 {
				got[at] = byteRef{s.val, uint8(k)}
				missing--
			}
		}
	}
	if missing == n {
		return initial(base, off, n)
	}
	if missing > 0 {
		for k := 0; k < n; k++ {
			if got[k].term == 0 {
				got[k] = byteRef{initial(base, off+uint64(k), 1), 0}
			}
		}
	}
	return x.joinBytes(got[:n])
}

// over is what a store leaves of n bytes, d before it, of which older was there.
func (x *exec) over(s *store, d int64, older bv.Term, n int) bv.Term {
	var b [8]byteRef
	for k := range b[:n] {
		b[k] = byteRef{older, uint8(k)}
		if at := int64(k) - d; at >= 0 && at < int64(s.n) {
			b[k] = byteRef{s.val, uint8(at)}
		}
	}
	return x.joinBytes(b[:n])
}

// came notes where an address stood in the recorded run.
func (x *exec) came(addr bv.Term, concrete uint64) {
	if x.quiet == nil && x.c.follows() {
		if base, off := x.split(addr); base != 0 {
			x.bases[base] = concrete - off
		}
	}
}

// come says whether the run has been at an address that is made of base: 0 counts, the
// index of an array's first element.
func (x *exec) come(base bv.Term) bool {
	_, ok := x.bases[base]
	return ok
}

func (x *exec) address(base bv.Term, off uint64) bv.Term {
	if base == 0 {
		return x.b.Const(off, 64)
	}
	return x.b.Bin(bv.OpAdd, base, x.b.Const(off, 64))
}

// initialBytes are m bytes of flat memory before the run, little-endian. Sizes
// that no load has are put together.
func (x *exec) initialBytes(base bv.Term, off uint64, m int) bv.Term {
	switch m {
	case 1, 2, 4, 8:
		return x.b.Fun(FunLoad, 8*m, bv.Fact{}, x.address(base, off))
	}
	k := 4
	if m < 4 {
		k = 2
	}
	return x.b.Concat(x.initialBytes(base, off+uint64(k), m-k), x.initialBytes(base, off, k))
}

// aliasPacket settles stores and loads at different packet offsets: by bounds
// where they can't meet, else by fixing the variable offsets.
func (x *exec) aliasPacket(s *store, base bv.Term, off, concrete uint64, n int) aliasing {
	slo, shi := x.addressBounds(s.base, s.off)
	lo, hi := x.addressBounds(base, off)
	if shi < ^uint64(0)-8 && shi+uint64(s.n) <= lo || hi < ^uint64(0)-8 && hi+uint64(n) <= slo {
		return aliasApart
	}
	if x.b.Opaque(x.address(s.base, s.off)) || x.b.Opaque(x.address(base, off)) {
		x.abort(trace.ReasonOpaqueAddress, "")
	}
	if s.base != 0 {
		x.fix(s.base, s.concrete-s.off, WhyOffset)
	}
	if base != 0 {
		x.fix(base, concrete-off, WhyOffset)
	}
	return aliasFixed
}

func (x *exec) addressBounds(base bv.Term, off uint64) (lo, hi uint64) {
	if base == 0 {
		return off, off
	}
	return x.f.Bounds(x.address(base, off))
}

// inPacket makes sure that the condition keeps an access within the packet. In
// a verified program the bounds checks before it imply that already.
// What lies beyond the linear part only helpers reach, whose own checks say so.
func (x *exec) inPacket(addr bv.Term, concrete uint64, n int) {
	b := x.b
	if b.Opaque(addr) {
		return
	}
	last := x.dataEnd
	if x.frags > 0 && concrete+uint64(n) > x.endInRun() {
		last = b.Bin(bv.OpAdd, last, x.fragBytes())
	}
	end := b.Bin(bv.OpAdd, addr, b.Const(uint64(n), 64))
	x.decide(b.Bin(bv.OpULt, last, end), false, WhyBounds)
	if _, v, ok := x.of(addr); ok && v.Kind == points.Packet {
		return // where it came from, it was no address before the packet
	}
	x.decide(b.Bin(bv.OpULt, addr, x.meta), false, WhyBounds)
}

// readMem reads n bytes at addr wherever they are.
func (x *exec) readMem(addr bv.Term, concrete uint64, n int) bv.Term {
	kind, owner := x.place(concrete, n)
	x.region(addr, concrete)
	switch kind {
	case trace.MemStack:
		x.fix(addr, concrete, WhyOffset)
		o := concrete - x.s.Stack
		return x.joinBytes(x.stack[o : o+uint64(n)])
	case trace.MemPacket:
		x.inPacket(addr, concrete, n)
		x.came(addr, concrete)
		return x.loadLog(&x.packet, addr, concrete, n, x.aliasPacket, x.initialBytes)
	case trace.MemMap:
		x.inMap(owner, addr, concrete, n)
		x.came(addr, concrete)
		return x.readMap(owner, addr, concrete, n)
	case trace.MemOther:
		// Keys lent to callbacks, and records of ring buffers: no two are open at one
		// place, and of what an old one left in a new one nothing is known.
		apart := func(*store, bv.Term, uint64, uint64, int) aliasing { return aliasApart }
		return x.loadLog(&x.other, addr, concrete, n, apart, func(base bv.Term, off uint64, m int) bv.Term { return x.unknown(8 * m) })
	}
	x.abort(trace.ReasonOpaqueAddress, fmt.Sprintf("address %#x", concrete))
	return 0
}

// writeMem writes val (8n bits) at addr.
func (x *exec) writeMem(addr bv.Term, concrete uint64, n int, val bv.Term) {
	kind, owner := x.place(concrete, n)
	x.region(addr, concrete)
	st := store{n: n, val: val, concrete: concrete, cond: x.active}
	switch kind {
	case trace.MemStack:
		x.fix(addr, concrete, WhyOffset)
		o := concrete - x.s.Stack
		for i := 0; i < n; i++ {
			x.setByte(o+uint64(i), byteRef{val, uint8(i)})
		}
	case trace.MemPacket:
		x.inPacket(addr, concrete, n)
		x.came(addr, concrete)
		st.base, st.off = x.split(addr)
		x.packet.stores = append(x.packet.stores, st)
	case trace.MemMap:
		x.inMap(owner, addr, concrete, n)
		x.came(addr, concrete)
		st.base, st.off = x.split(addr)
		x.writeMap(owner, st)
	case trace.MemOther:
		st.base, st.off = x.split(addr)
		x.other.stores = append(x.other.stores, st)
	default:
		x.abort(trace.ReasonOpaqueAddress, fmt.Sprintf("address %#x", concrete))
	}
	x.held = x.held && kind != trace.MemOther
}

// load executes a load instruction.
func (x *exec) load(in ebpf.Insn) {
	st := x.step
	addr := x.b.Bin(bv.OpAdd, x.r[in.Src], x.b.Const(uint64(int64(in.Off)), 64))
	n := in.Size()
	if x.s.IsCtx(st.Addr) {
		x.fix(addr, st.Addr, WhyOffset)
		x.out.context(x, in.Src, st.Addr-uint64(int64(in.Off))-x.s.CtxPtr())
		x.r[in.Dst] = x.ctxField(st.Addr - x.s.Ctx)
		x.out.ctxLoad(x, in)
		return
	}
	var v bv.Term
	if x.s.IsConn(st.Addr) {
		v = x.connField(addr, n)
	} else {
		v = x.readMem(addr, st.Addr, n)
	}
	if in.Mode() == ebpf.ModeMEMSX {
		v = x.b.SExt(v, 64)
	} else {
		v = x.b.ZExt(v, 64)
	}
	x.r[in.Dst] = v
	x.out.load(x, in, v)
}

func (x *exec) ctxField(off uint64) bv.Term {
	switch off {
	case vm.CtxData:
		return x.data
	case vm.CtxDataEnd:
		return x.dataEnd
	case vm.CtxMeta:
		return x.meta
	case vm.CtxIfIndex:
		return x.b.ZExt(x.input(InIfindex, 32, bv.Fact{}), 64)
	case vm.CtxQueue:
		return x.b.ZExt(x.input(InQueue, 32, bv.Fact{}), 64)
	}
	return x.b.Const(0, 64)
}

func (x *exec) storeInsn(in ebpf.Insn) {
	st := x.step
	addr := x.b.Bin(bv.OpAdd, x.r[in.Dst], x.b.Const(uint64(int64(in.Off)), 64))
	n := in.Size()
	var v bv.Term
	if in.Class() == ebpf.ClassST {
		v = x.b.Const(uint64(int64(in.Imm)), 8*n)
	} else {
		v = x.b.Extract(x.r[in.Src], 0, 8*n)
	}
	x.writeMem(addr, st.Addr, n, v)
	x.out.store(x, in)
}

func (x *exec) atomic(in ebpf.Insn) {
	st := x.step
	n := in.Size()
	b := x.b
	if in.Imm == ebpf.AtomicLoadAcq { // dst = *(src + off)
		addr := b.Bin(bv.OpAdd, x.r[in.Src], b.Const(uint64(int64(in.Off)), 64))
		x.r[in.Dst] = b.ZExt(x.readMem(addr, st.Addr, n), 64)
		x.out.atomic(x, in)
		return
	}
	addr := b.Bin(bv.OpAdd, x.r[in.Dst], b.Const(uint64(int64(in.Off)), 64))
	src := b.Extract(x.r[in.Src], 0, 8*n)
	if in.Imm == ebpf.AtomicStRel {
		x.writeMem(addr, st.Addr, n, src)
		x.out.atomic(x, in)
		return
	}
	old := x.readMem(addr, st.Addr, n)
	switch in.Imm {
	case ebpf.AtomicXchg:
		x.writeMem(addr, st.Addr, n, src)
		x.r[in.Src] = b.ZExt(old, 64)
	case ebpf.AtomicCmpXchg:
		eq := b.Bin(bv.OpEq, old, b.Extract(x.r[0], 0, 8*n))
		x.writeMem(addr, st.Addr, n, b.Ite(eq, src, old))
		x.r[0] = b.ZExt(old, 64)
	default:
		v, ok := Atomic(b, in.Imm, old, src)
		if !ok {
			x.abort(trace.ReasonUnencodable, "unknown atomic")
		}
		x.writeMem(addr, st.Addr, n, v)
		if in.Imm&ebpf.AtomicFetch != 0 {
			x.r[in.Src] = b.ZExt(old, 64)
		}
	}
	x.out.atomic(x, in)
}
