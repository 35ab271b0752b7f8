package consult

import (
	"cmp"
	"slices"

	"jitnic/host/ebpf"
	"jitnic/host/vm"
	"jitnic/pathcond"
	"jitnic/pathcond/bv"
	"jitnic/trace"
)

// Bytes are the bytes of the packet, by offset from its first byte as it
// arrived and in order, that a megaflow entry for a path must match: those its
// condition reads (the keys of its map look-ups among them), and those its trace
// reads to make something else of, since the actions of a megaflow are
// constants (Open vSwitch un-wildcards what it consults: Pfaff and others, "The
// Design and Implementation of Open vSwitch", NSDI 2015, section 5).
//
// What a flow cache has other means for is left out: bytes that only say how
// long things are, and are checked against the packet's length (its parser does
// that before there is a key), and bytes that the trace only changes in place
// (checksums, hop counts: it has actions for them).
//
// t must be the trace as recorded, with Meta; without one, or with nil, only the
// condition counts. Bytes at places that depend on the packet (behind IPv4
// options) have no offset: Masker counts them too.
func Bytes(cond []pathcond.Pred, t *trace.Trace, c *pathcond.Compiler) []uint16 {
	return consult(cond, t, c).at
}

// consulted is what a path reads of its packets.
type consulted struct {
	at  []uint16 // offsets, sorted
	far []span   // at addresses that are terms over the packet, sorted
}

// span is n bytes at the address of a term.
type span struct {
	addr bv.Term
	n    int
}

// consulter walks a condition and a trace. Registers hold terms, 0 where the
// value is not known: only what addresses are made of matters.
type consulter struct {
	c     *pathcond.Compiler
	b     *bv.Builder
	base  uint64 // address of the first byte of every packet
	cond  *demand
	reads set           // of the trace, of bytes as they arrived
	wrote set           // by the trace
	sent  map[span]bool // stores at variable addresses

	r     [11]bv.Term
	stack map[span]bv.Term // spilled values; addr is a number here
	moved bool             // the trace has moved the packet's ends
}

// set is a set of packet offsets.
type set [vm.MaxLinear]bool

func (s *set) add(off uint64, n int) {
	for i := off; i < off+uint64(n) && i < vm.MaxLinear; i++ {
		s[i] = true
	}
}

func consult(cond []pathcond.Pred, t *trace.Trace, c *pathcond.Compiler) consulted {
	x := &consulter{c: c, b: c.B, base: c.S.Buf + vm.Headroom, sent: map[span]bool{}, stack: map[span]bv.Term{}}
	x.cond = demanded(cond, x.b, x.base)
	if t != nil && len(t.Meta) == len(t.Code) {
		x.trace(t)
	}
	var out consulted
	for i := range x.cond.at {
		if x.cond.at[i] || x.reads[i] && !x.wrote[i] {
			out.at = append(out.at, uint16(i))
		}
	}
	for s := range x.cond.far {
		out.far = append(out.far, s)
	}
	slices.SortFunc(out.far, func(a, b span) int { return cmp.Or(cmp.Compare(a.addr, b.addr), cmp.Compare(a.n, b.n)) })
	return out
}

// read notes that the trace reads n bytes at an address.
func (x *consulter) read(addr bv.Term, n int) {
	off, fixed, ok := packetOffset(x.b, addr, x.base)
	switch {
	case !ok:
	case fixed:
		for i := off; i < off+uint64(n) && i < vm.MaxLinear; i++ {
			x.reads[i] = x.reads[i] || !x.wrote[i]
		}
	default:
		x.cond.bits(addr, ^uint64(0)) // what the address itself depends on
		if s := (span{addr, n}); !x.sent[s] {
			x.cond.far[s] = true
		}
	}
}

func (x *consulter) write(addr bv.Term, n int) {
	off, fixed, ok := packetOffset(x.b, addr, x.base)
	switch {
	case !ok:
	case fixed:
		x.wrote.add(off, n)
	default:
		s := span{addr, n}
		x.sent[s] = true
		if x.cond.seen[x.load(addr, n)] == 0 { // changed in place, and no predicate reads it
			delete(x.cond.far, s)
		}
	}
}

func (x *consulter) load(addr bv.Term, n int) bv.Term {
	return x.b.Fun(pathcond.FunLoad, 8*n, bv.Fact{}, addr)
}

// trace walks the trace with terms in place of values.
func (x *consulter) trace(t *trace.Trace) {
	s := x.c.S
	x.r[1] = x.b.Const(s.CtxPtr(), 64)
	x.r[10] = x.b.Const(s.FrameTop(0), 64)
	for i := 0; i < len(t.Code); i++ {
		in, m := t.Code[i], &t.Meta[i]
		switch in.Class() {
		case ebpf.ClassALU, ebpf.ClassALU64:
			x.alu(in)
		case ebpf.ClassLD:
			x.r[in.Dst] = 0
			if in.IsWide() && i+1 < len(t.Code) {
				if in.Src == ebpf.PseudoNone {
					x.r[in.Dst] = x.b.Const(ebpf.Const64(in, t.Code[i+1]), 64)
				}
				i++
			}
		case ebpf.ClassLDX:
			x.r[in.Dst] = x.loaded(in, m)
		case ebpf.ClassST, ebpf.ClassSTX:
			x.store(in, m)
		default:
			if in.Op == ebpf.OpCall {
				x.call(in, m)
			}
		}
	}
}

func (x *consulter) alu(in ebpf.Insn) {
	move := in.ALUOp() == ebpf.ALUMov
	dst, src := x.r[in.Dst], x.r[in.Src%11]
	if dst == 0 && !move || in.Op&ebpf.SrcX != 0 && in.ALUOp() != ebpf.ALUEnd && src == 0 {
		x.r[in.Dst] = 0
		return
	}
	if dst == 0 {
		dst = x.b.Const(0, 64) // of no consequence
	}
	if src == 0 {
		src = dst
	}
	if in.IsSelect() {
		if c := x.r[in.Cond()]; c != 0 {
			x.r[in.Dst] = x.b.Ite(x.b.Bin(bv.OpEq, c, x.b.Const(0, 64)), dst, src)
		} else {
			x.r[in.Dst] = 0
		}
		return
	}
	v, ok := pathcond.ALU(x.b, in, dst, src)
	if !ok {
		v = 0
	}
	x.r[in.Dst] = v
}

// address is where a load or store goes: the term, or what it was when the
// path was recorded where the term is not known.
func (x *consulter) address(in ebpf.Insn, reg uint8, m *trace.Meta) bv.Term {
	if x.r[reg] == 0 {
		return x.b.Const(m.Addr, 64)
	}
	return x.b.Bin(bv.OpAdd, x.r[reg], x.b.Const(uint64(int64(in.Off)), 64))
}

func (x *consulter) loaded(in ebpf.Insn, m *trace.Meta) bv.Term {
	n := in.Size()
	switch m.Mem {
	case trace.MemCtx:
		if off := m.Addr - x.c.S.Ctx; !x.moved && (off == vm.CtxData || off == vm.CtxMeta) {
			return x.b.Const(x.base, 64)
		}
	case trace.MemStack:
		return x.stack[span{bv.Term(m.Addr - x.c.S.Stack), n}]
	case trace.MemPacket:
		addr := x.address(in, in.Src, m)
		x.read(addr, n)
		if off, fixed, ok := packetOffset(x.b, addr, x.base); ok && (fixed && x.untouched(off, n) || !fixed && len(x.sent) == 0) {
			v := x.load(addr, n)
			if in.Mode() == ebpf.ModeMEMSX {
				return x.b.SExt(v, 64)
			}
			return x.b.ZExt(v, 64)
		}
	}
	return 0
}

func (x *consulter) untouched(off uint64, n int) bool {
	for i := off; i < off+uint64(n) && i < vm.MaxLinear; i++ {
		if x.wrote[i] {
			return false
		}
	}
	return true
}

func (x *consulter) store(in ebpf.Insn, m *trace.Meta) {
	n := in.Size()
	if in.IsAtomic() {
		if m.Mem == trace.MemPacket {
			addr := x.address(in, in.Dst, m)
			x.read(addr, n)
			x.write(addr, n)
		}
		if m.Mem == trace.MemStack {
			x.spill(m.Addr, n, 0)
		}
		if in.Imm&ebpf.AtomicFetch != 0 {
			x.r[in.Src], x.r[0] = 0, 0
		}
		if in.Imm == ebpf.AtomicLoadAcq {
			x.r[in.Dst] = 0
		}
		return
	}
	switch m.Mem {
	case trace.MemPacket:
		x.write(x.address(in, in.Dst, m), n)
	case trace.MemStack:
		var v bv.Term
		if in.Class() == ebpf.ClassSTX && n == 8 {
			v = x.r[in.Src]
		}
		x.spill(m.Addr, n, v)
	}
}

// spill puts a value on the stack; what it overlaps is gone.
func (x *consulter) spill(addr uint64, n int, v bv.Term) {
	o := bv.Term(addr - x.c.S.Stack)
	for s := range x.stack {
		if s.addr < o+bv.Term(n) && o < s.addr+bv.Term(s.n) {
			delete(x.stack, s)
		}
	}
	if v != 0 {
		x.stack[span{o, n}] = v
	}
}

func (x *consulter) call(in ebpf.Insn, m *trace.Meta) {
	size := func(reg int) int {
		if x.r[reg] == 0 {
			return 0
		}
		k, ok := x.b.IsConst(x.r[reg])
		if !ok {
			return 0
		}
		return int(min(k, vm.MaxLinear))
	}
	// at is the address of an offset into the packet.
	at := func(reg int) bv.Term {
		if x.r[reg] == 0 || x.moved {
			return 0
		}
		return x.b.Bin(bv.OpAdd, x.r[reg], x.b.Const(x.base, 64))
	}
	switch in.Imm {
	case ebpf.FnMapLookupElem, ebpf.FnMapDeleteElem, ebpf.FnMapUpdateElem, ebpf.FnMapLookupPercpuElem:
		if m.Map < 0 || int(m.Map) >= len(x.c.S.Maps) {
			break
		}
		spec := x.c.S.Maps[m.Map].Spec()
		x.read(x.r[2], int(spec.KeySize))
		if in.Imm == ebpf.FnMapUpdateElem {
			x.read(x.r[3], int(spec.ValueSize))
		}
	case ebpf.FnCsumDiff:
		x.read(x.r[1], size(2))
		x.read(x.r[3], size(4))
	case ebpf.FnXdpLoadBytes:
		x.read(at(2), size(4))
	case ebpf.FnXdpStoreBytes:
		x.write(at(2), size(4))
	case ebpf.FnXdpAdjustHead, ebpf.FnXdpAdjustMeta, ebpf.FnXdpAdjustTail:
		x.moved = true
	}
	for _, w := range m.Writes {
		x.spill(w.Addr, int(w.N), 0)
	}
	clear(x.r[:6])
}
