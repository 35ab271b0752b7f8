package vliw

import (
	"jitnic/host/ebpf"
	"jitnic/host/vm"
	"jitnic/trace"

	cebpf "github.com/cilium/ebpf"
)

// region is memory that never overlaps with another region's; rAny may be any
// of them but the context.
type region uint8

const (
	rNone region = iota
	rCtx
	rPacket
	rStack
	rValue // of map m; -1: of some map
	rKeys  // which keys map m has
	rUse   // in what order they were used, of an LRU map
	rSet   // what has no address: onGeometry, onRedirect, … in lo
	rAny
)

// kind is what a register holds.
type kind uint8

const (
	kAny    kind = iota // unknown: maybe an address
	kConst              // the number off
	kScalar             // a number that isn't an address
	kCtx
	kPacket // an address in or behind the packet
	kEnd    // data_end: an address behind the packet
	kStack
	kValue // an address in a value of map m, or 0
	kMap   // map m itself
)

// value is what is known of a register: its kind, and that it is off bytes from
// the value number base. Two registers with the same base differ by their offs;
// base 0 is an unknown one.
type value struct {
	kind kind
	m    int32
	base int32
	off  int64
}

// Bases that mean the same everywhere in a program. data_end after an
// adjust_head is another value than before, but all accesses of the packet are
// ordered with the call, so the same number does no harm.
const (
	baseStack int32 = 1 + iota
	baseData
	baseEnd
	baseMeta
	baseCtx
	baseFresh
)

func mapBase(m int32) int32 { return -1 - m }

// access is one use of memory by an op: bytes [lo, hi) from base.
type access struct {
	op     int32
	region region
	write  bool
	m      int32
	base   int32
	lo, hi int64
}

const (
	farLo = -1 << 40
	farHi = 1 << 40
)

// conflict says whether two accesses must keep their order.
func conflict(a, b *access) bool {
	if !a.write && !b.write {
		return false
	}
	x, y := a.region, b.region
	if x == rAny || y == rAny {
		other := y
		if y == rAny {
			other = x
		}
		return other == rAny || other == rPacket || other == rStack || other == rValue
	}
	if x != y {
		return false
	}
	switch x {
	case rSet:
		return a.lo&b.lo != 0
	case rValue, rKeys, rUse:
		if a.m != b.m && a.m >= 0 && b.m >= 0 {
			return false
		}
	}
	if a.base != b.base || a.base == 0 {
		return true
	}
	return a.lo < b.hi && b.lo < a.hi
}

// spill is a register's value on the stack, at off from r10.
type spill struct {
	off int64
	v   value
}

// flow follows what registers and spilled values are, instruction by
// instruction, and notes the accesses of each.
type flow struct {
	m      *Machine
	r      [11]value
	spills []spill
	fresh  int32
	acc    []access
}

// enter is the state in which a program starts.
func (f *flow) enter(m *Machine) {
	f.m, f.fresh = m, baseFresh
	f.spills, f.acc = f.spills[:0], f.acc[:0]
	f.r = [11]value{}
	f.r[1] = value{kind: kCtx, base: baseCtx}
	f.r[10] = value{kind: kStack, base: baseStack}
}

func (f *flow) number() int32 { f.fresh++; return f.fresh }

func (f *flow) unknown(k kind) value { return value{kind: k, m: -1, base: f.number()} }

func isPointer(k kind) bool {
	return k == kPacket || k == kEnd || k == kStack || k == kValue || k == kCtx
}

func (f *flow) note(op int32, r region, m, base int32, lo, hi int64, write bool) {
	f.acc = append(f.acc, access{op: op, region: r, m: m, base: base, lo: lo, hi: hi, write: write})
}

// regionOf is where an address points.
func regionOf(v *value) (r region, m int32) {
	switch v.kind {
	case kCtx:
		return rCtx, -1
	case kPacket, kEnd:
		return rPacket, -1
	case kStack:
		return rStack, -1
	case kValue:
		return rValue, v.m
	}
	return rAny, -1
}

// hint refines a region the analysis couldn't tell by what a recording saw:
// the memory an access touches is part of the path.
func hint(r region, m int32, meta *trace.Meta) (region, int32) {
	if meta == nil || r != rAny && (r != rValue || m >= 0) {
		return r, m
	}
	switch meta.Mem {
	case trace.MemCtx:
		return rCtx, -1
	case trace.MemPacket:
		return rPacket, -1
	case trace.MemStack:
		return rStack, -1
	case trace.MemMap:
		return rValue, meta.Map
	}
	return r, m
}

// memory notes an access of n bytes at off from v.
func (f *flow) memory(op int32, v *value, off int64, n int64, write bool, meta *trace.Meta) region {
	r, m := regionOf(v)
	r, m = hint(r, m, meta)
	lo, hi := v.off+off, v.off+off+n
	if r == rCtx && !write {
		// data, data_end, data_meta move together.
		f.note(op, rSet, -1, 0, int64(onGeometry), 0, false)
		return r
	}
	f.note(op, r, m, v.base, lo, hi, write)
	if r == rAny && !write {
		f.note(op, rSet, -1, 0, int64(onGeometry), 0, false) // perhaps the context
	}
	if write {
		f.forget(r, v, lo, hi)
	}
	return r
}

// forget drops spilled values that a write may have changed.
func (f *flow) forget(r region, v *value, lo, hi int64) {
	if r != rStack && r != rAny {
		return
	}
	n := 0
	for _, s := range f.spills {
		if r == rStack && v.base == baseStack && (hi <= s.off || s.off+8 <= lo) {
			f.spills[n] = s
			n++
		}
	}
	f.spills = f.spills[:n]
}

// step takes one op. meta may be nil.
func (f *flow) step(op int32, o *Op, meta *trace.Meta) {
	in := o.In
	switch in.Class() {
	case ebpf.ClassALU, ebpf.ClassALU64:
		f.alu(o)
	case ebpf.ClassLD:
		f.wide(o)
	case ebpf.ClassLDX:
		f.load(op, o, meta)
	case ebpf.ClassST, ebpf.ClassSTX:
		f.store(op, o, meta)
	default:
		if in.Op == ebpf.OpCall || in.Op == ebpf.OpCallX {
			f.call(op, in)
		}
	}
}

func (f *flow) wide(o *Op) {
	in := o.In
	switch {
	case !in.IsWide(): // LD_ABS, LD_IND: not in traces
		for r := 0; r <= 5; r++ {
			f.r[r] = f.unknown(kAny)
		}
	case in.Src == ebpf.PseudoNone:
		f.r[in.Dst] = value{kind: kConst, off: int64(ebpf.Const64(in, o.Hi))}
	case in.Src == ebpf.PseudoMapFD:
		f.r[in.Dst] = value{kind: kMap, m: in.Imm}
	case in.Src == ebpf.PseudoMapValue:
		f.r[in.Dst] = value{kind: kValue, m: in.Imm, base: mapBase(in.Imm), off: int64(o.Hi.Imm)}
	default:
		f.r[in.Dst] = f.unknown(kAny)
	}
}

func (f *flow) alu(o *Op) {
	in := o.In
	left := f.r[in.Dst]
	if o.Form == Three {
		left = f.r[o.Left]
	}
	right := value{kind: kConst, off: int64(in.Imm)}
	if in.Op&ebpf.SrcX != 0 && in.ALUOp() != ebpf.ALUEnd {
		right = f.r[in.Src]
	}
	f.r[in.Dst] = f.result(in, left, right)
}

func (f *flow) result(in ebpf.Insn, a, b value) value {
	if in.Class() == ebpf.ClassALU64 {
		switch op := in.ALUOp(); {
		case op == ebpf.ALUMov && in.Off == 0:
			return b
		case op == ebpf.ALUAdd && b.kind == kConst && a.kind != kMap:
			a.off += b.off
			return a
		case op == ebpf.ALUAdd && a.kind == kConst && b.kind != kMap:
			b.off += a.off
			return b
		case op == ebpf.ALUSub && b.kind == kConst && a.kind != kMap:
			a.off -= b.off
			return a
		case op == ebpf.ALUAdd || op == ebpf.ALUSub:
			ap, bp := isPointer(a.kind), isPointer(b.kind)
			switch {
			case ap && !bp && b.kind != kAny:
				return value{kind: a.kind, m: a.m, base: f.number()}
			case bp && !ap && a.kind != kAny && op == ebpf.ALUAdd:
				return value{kind: b.kind, m: b.m, base: f.number()}
			case a.kind == kAny || b.kind == kAny || ap != bp:
				return f.unknown(kAny)
			}
			return f.unknown(kScalar)
		}
		// Numbers whose arithmetic stays so; an address that was masked is
		// still one.
		if isPointer(a.kind) || isPointer(b.kind) || a.kind == kAny || b.kind == kAny {
			return f.unknown(kAny)
		}
		return f.unknown(kScalar)
	}
	if in.ALUOp() == ebpf.ALUMov && b.kind == kConst && in.Off == 0 {
		return value{kind: kConst, off: int64(uint32(b.off))}
	}
	if isPointer(a.kind) || isPointer(b.kind) {
		return f.unknown(kAny)
	}
	return f.unknown(kScalar)
}

func (f *flow) load(op int32, o *Op, meta *trace.Meta) {
	in := o.In
	base := f.r[in.Src]
	r := f.memory(op, &base, int64(in.Off), int64(o.size()), false, meta)
	v := f.unknown(kScalar)
	switch {
	case r == rCtx:
		switch base.off + int64(in.Off) {
		case vm.CtxData:
			v = value{kind: kPacket, base: baseData}
		case vm.CtxDataEnd:
			v = value{kind: kEnd, base: baseEnd}
		case vm.CtxMeta:
			v = value{kind: kPacket, base: baseMeta}
		}
	case o.size() != 8:
	case r == rStack:
		v = f.unknown(kAny)
		if base.base == baseStack {
			for _, s := range f.spills {
				if s.off == base.off+int64(in.Off) {
					v = s.v
				}
			}
		}
	case r == rPacket: // can't hold an address
	default:
		v = f.unknown(kAny)
	}
	f.r[in.Dst] = v
}

func (f *flow) store(op int32, o *Op, meta *trace.Meta) {
	in := o.In
	if in.IsAtomic() {
		base := f.r[in.Dst]
		if in.Imm == ebpf.AtomicLoadAcq {
			base = f.r[in.Src]
		}
		f.memory(op, &base, int64(in.Off), int64(o.size()), false, meta)
		// load_acquire and store_release order other accesses too: taken for
		// writes, and of anything.
		f.memory(op, &base, int64(in.Off), int64(o.size()), true, meta)
		if in.Imm == ebpf.AtomicLoadAcq || in.Imm == ebpf.AtomicStRel {
			f.note(op, rAny, -1, 0, farLo, farHi, true)
		}
		for r := uint8(0); r < 10; r++ {
			if o.writes().Has(r) {
				f.r[r] = f.unknown(kAny)
			}
		}
		return
	}
	base := f.r[in.Dst]
	r := f.memory(op, &base, int64(in.Off), int64(o.size()), true, meta)
	if r == rStack && base.base == baseStack && in.Class() == ebpf.ClassSTX && o.size() == 8 {
		f.spills = append(f.spills, spill{base.off + int64(in.Off), f.r[in.Src]})
	}
}

// call notes what a call touches and clobbers r0 to r5.
func (f *flow) call(op int32, in ebpf.Insn) {
	e := &unknownEffect
	if in.Op == ebpf.OpCall && in.Src == ebpf.CallHelper {
		e = effectOf(in.Imm)
	}
	m := int32(-1)
	if e.mapIn > 0 && f.r[e.mapIn].kind == kMap {
		m = f.r[e.mapIn].m
	}
	if e.all {
		f.note(op, rAny, -1, 0, farLo, farHi, true)
		f.note(op, rKeys, -1, 0, 0, 0, true)
		f.note(op, rUse, -1, 0, 0, 0, true)
		f.note(op, rSet, -1, 0, -1, 0, true)
		f.spills = f.spills[:0]
	}
	for i := range e.mem {
		if e.mem[i].reg > 0 {
			f.span(op, &e.mem[i], m)
		}
	}
	f.sets(op, e.reads, m, false)
	f.sets(op, e.write, m, true)
	if e.look && f.m.orders(m) {
		f.note(op, rUse, m, 0, 0, 0, true)
	}
	ret := f.unknown(kScalar)
	switch {
	case e.all:
		ret = f.unknown(kAny)
	case e.look:
		// Of a map that isn't known it may be an inner map instead, but what
		// memory is accessed through is a value.
		ret = f.unknown(kValue)
		ret.m = m
		if s := f.m.spec(m); s != nil && (s.Type == cebpf.ArrayOfMaps || s.Type == cebpf.HashOfMaps) {
			ret = value{kind: kMap, m: -1}
		}
	}
	for r := 1; r <= 5; r++ {
		f.r[r] = f.unknown(kAny)
	}
	f.r[0] = ret
}

// span notes memory that an argument points to.
func (f *flow) span(op int32, s *span, m int32) {
	v := f.r[s.reg]
	n := int64(s.size)
	known := n > 0
	spec := f.m.spec(m)
	switch {
	case s.from == keySize && spec != nil:
		n, known = int64(spec.KeySize), true
	case s.from == valueSize && spec != nil:
		n, known = int64(spec.ValueSize), true
	case s.from > 0 && s.from <= 5 && f.r[s.from].kind == kConst:
		n, known = int64(uint32(f.r[s.from].off)), true
	}
	if known && n == 0 {
		return
	}
	r, vm := regionOf(&v)
	if v.kind == kConst { // NULL with a size that isn't known
		r = rAny
	}
	lo, hi := v.off, v.off+n
	if !known {
		hi = farHi
	}
	f.note(op, r, vm, v.base, lo, hi, false)
	if s.write {
		f.note(op, r, vm, v.base, lo, hi, true)
		f.forget(r, &v, lo, hi)
	}
}

func (f *flow) sets(op int32, s set, m int32, write bool) {
	if s&onMap != 0 {
		f.note(op, rKeys, m, 0, 0, 0, write)
	}
	if s&onValues != 0 {
		f.note(op, rValue, m, 0, farLo, farHi, write)
	}
	if s&onPacket != 0 {
		f.note(op, rPacket, -1, 0, farLo, farHi, write)
	}
	if s &^= onMap | onValues | onPacket; s != 0 {
		f.note(op, rSet, -1, 0, int64(s), 0, write)
	}
}
