package points

import (
	"jitnic/host/ebpf"
	"jitnic/host/maps"

	cebpf "github.com/cilium/ebpf"
)

// Region is memory that never overlaps with another region's; InAny may be any
// of them but the context.
type Region uint8

const (
	InNone Region = iota
	InCtx
	InPacket
	InStack
	InValue // of map m; -1: of some map
	InKeys  // which keys map m has
	InUse   // in what order they were used, of an LRU map
	InSet   // what has no address: OnGeometry, OnRedirect, … in lo
	InAny
)

// Kind is what a register holds.
type Kind uint8

const (
	Any    Kind = iota // unknown: maybe an address
	Const              // the number off
	Scalar             // a number that isn't an address
	Ctx
	Packet    // an address in or behind the packet
	PacketEnd // data_end: an address behind the packet
	Stack
	MapValue // an address in a value of map m, or 0
	Map      // map m itself
)

// Value is what is known of a register: its kind, and that it is off bytes from
// the value number base. Two registers with the same base differ by their offs;
// base 0 is an unknown one.
type Value struct {
	Kind Kind
	Map  int32
	Base int32
	Off  int64
}

// Bases that mean the same everywhere in a program. data_end after an
// adjust_head is another value than before, but all accesses of the packet are
// ordered with the call, so the same number does no harm.
const (
	BaseStack int32 = 1 + iota
	BaseData
	BaseEnd
	BaseMeta
	BaseCtx
	BaseFresh
)

func mapBase(m int32) int32 { return -1 - m }

// Access is one use of memory by an op: bytes [lo, hi) from base.
type Access struct {
	Op     int32
	Region Region
	Write  bool
	Map    int32
	Base   int32
	Lo, Hi int64
}

const (
	farLo = -1 << 40
	farHi = 1 << 40
)

// Conflict says whether two accesses must keep their order.
func Conflict(a, b *Access) bool {
	if !a.Write && !b.Write {
		return false
	}
	x, y := a.Region, b.Region
	if x == InAny || y == InAny {
		other := y
		if y == InAny {
			other = x
		}
		return other == InAny || other == InPacket || other == InStack || other == InValue
	}
	if x != y {
		return false
	}
	switch x {
	case InSet:
		return a.Lo&b.Lo != 0
	case InValue, InKeys, InUse:
		if a.Map != b.Map && a.Map >= 0 && b.Map >= 0 {
			return false
		}
	}
	if a.Base != b.Base || a.Base == 0 {
		return true
	}
	return a.Lo < b.Hi && b.Lo < a.Hi
}

// Insn is an instruction as the analysis takes it.
type Insn struct {
	In, Hi ebpf.Insn // Hi: the second slot of a lddw
	Left   uint8     // the register that arithmetic starts from: In.Dst
	Size   int       // bytes that a load or store moves: In.Size()
}

// stays says whether a spilled value is what it was, if it is used as such.
func (v *Value) stays() bool { return IsPointer(v.Kind) || v.Kind == Map }

// Spill is a register's value on the stack, at off from r10.
type Spill struct {
	Off int64
	V   Value
}

// Flow follows what registers and spilled values are, instruction by
// instruction, and notes the accesses of each.
type Flow struct {
	// Specs are the maps, by index; what isn't there is not known.
	Specs  []*maps.Spec
	R      [11]Value // what each register holds
	Spills []Spill
	Acc    []Access // noted since Acc was emptied last
	fresh  int32
}

// Enter is the state in which a program starts.
func (f *Flow) Enter(specs []*maps.Spec) {
	f.Specs, f.fresh = specs, BaseFresh
	f.Spills, f.Acc = f.Spills[:0], f.Acc[:0]
	f.R = [11]Value{}
	f.R[1] = Value{Kind: Ctx, Base: BaseCtx}
	f.R[10] = Value{Kind: Stack, Base: BaseStack}
}

func (f *Flow) number() int32 { f.fresh++; return f.fresh }

// Unknown is a value of which only its kind is known.
func (f *Flow) Unknown(k Kind) Value { return Value{Kind: k, Map: -1, Base: f.number()} }

// IsPointer says whether a value of the kind is an address.
func IsPointer(k Kind) bool {
	return k == Packet || k == PacketEnd || k == Stack || k == MapValue || k == Ctx
}

func (f *Flow) note(op int32, r Region, m, base int32, lo, hi int64, write bool) {
	f.Acc = append(f.Acc, Access{Op: op, Region: r, Map: m, Base: base, Lo: lo, Hi: hi, Write: write})
}

// regionOf is where an address points.
func regionOf(v *Value) (r Region, m int32) {
	switch v.Kind {
	case Ctx:
		return InCtx, -1
	case Packet, PacketEnd:
		return InPacket, -1
	case Stack:
		return InStack, -1
	case MapValue:
		return InValue, v.Map
	}
	return InAny, -1
}

// Hint is memory that a recording saw an access touch: it refines what the
// analysis can't tell. The zero value says nothing.
type Hint struct {
	Region Region
	Map    int32
}

func (h Hint) refine(r Region, m int32) (Region, int32) {
	if h.Region == InNone || r != InAny && (r != InValue || m >= 0) {
		return r, m
	}
	return h.Region, h.Map
}

// memory notes an access of n bytes at off from v.
func (f *Flow) memory(op int32, v *Value, off int64, n int64, write bool, hint Hint) Region {
	r, m := regionOf(v)
	r, m = hint.refine(r, m)
	lo, hi := v.Off+off, v.Off+off+n
	if r == InCtx && !write {
		// data, data_end, data_meta move together.
		f.note(op, InSet, -1, 0, int64(OnGeometry), 0, false)
		return r
	}
	f.note(op, r, m, v.Base, lo, hi, write)
	if r == InAny && !write {
		f.note(op, InSet, -1, 0, int64(OnGeometry), 0, false) // perhaps the context
	}
	if write {
		f.forget(r, v, lo, hi)
	}
	return r
}

// forget drops spilled values that a write may have changed. Where the place
// of the write isn't known, pointers stay: the verifier lets no program use a
// pointer that it read back from a slot which may have been overwritten.
func (f *Flow) forget(r Region, v *Value, lo, hi int64) {
	if r != InStack && r != InAny {
		return
	}
	known := r == InStack && v.Base == BaseStack
	n := 0
	for _, s := range f.Spills {
		if known && (hi <= s.Off || s.Off+8 <= lo) || !known && s.V.stays() {
			f.Spills[n] = s
			n++
		}
	}
	f.Spills = f.Spills[:n]
}

// Step takes one instruction; op is the number its accesses are noted under.
func (f *Flow) Step(op int32, o *Insn, hint Hint) {
	in := o.In
	switch in.Class() {
	case ebpf.ClassALU, ebpf.ClassALU64:
		f.alu(o)
	case ebpf.ClassLD:
		f.wide(o)
	case ebpf.ClassLDX:
		f.load(op, o, hint)
	case ebpf.ClassST, ebpf.ClassSTX:
		f.store(op, o, hint)
	default:
		if in.Op == ebpf.OpCall || in.Op == ebpf.OpCallX {
			f.call(op, in)
		}
	}
}

func (f *Flow) wide(o *Insn) {
	in := o.In
	switch {
	case !in.IsWide(): // LD_ABS, LD_IND: not in traces
		for r := 0; r <= 5; r++ {
			f.R[r] = f.Unknown(Any)
		}
	case in.Src == ebpf.PseudoNone:
		f.R[in.Dst] = Value{Kind: Const, Off: int64(ebpf.Const64(in, o.Hi))}
	case in.Src == ebpf.PseudoMapFD:
		f.R[in.Dst] = Value{Kind: Map, Map: in.Imm}
	case in.Src == ebpf.PseudoMapValue:
		f.R[in.Dst] = Value{Kind: MapValue, Map: in.Imm, Base: mapBase(in.Imm), Off: int64(o.Hi.Imm)}
	default:
		f.R[in.Dst] = f.Unknown(Any)
	}
}

func (f *Flow) alu(o *Insn) {
	in := o.In
	left := f.R[o.Left]
	right := Value{Kind: Const, Off: int64(in.Imm)}
	if in.Op&ebpf.SrcX != 0 && in.ALUOp() != ebpf.ALUEnd {
		right = f.R[in.Src]
	}
	if in.IsSelect() {
		f.R[in.Dst] = f.either(left, right)
		return
	}
	f.R[in.Dst] = f.result(in, left, right)
}

// either is one of two values.
func (f *Flow) either(a, b Value) Value {
	number := func(k Kind) bool { return k == Const || k == Scalar }
	switch {
	case a == b:
		return a
	case number(a.Kind) && number(b.Kind):
		return f.Unknown(Scalar)
	case a.Kind == b.Kind && a.Map == b.Map && IsPointer(a.Kind):
		return Value{Kind: a.Kind, Map: a.Map, Base: f.number()}
	}
	return f.Unknown(Any)
}

func (f *Flow) result(in ebpf.Insn, a, b Value) Value {
	if in.Class() == ebpf.ClassALU64 {
		switch op := in.ALUOp(); {
		case op == ebpf.ALUMov && in.Off == 0:
			return b
		case op == ebpf.ALUAdd && b.Kind == Const && a.Kind != Map:
			a.Off += b.Off
			return a
		case op == ebpf.ALUAdd && a.Kind == Const && b.Kind != Map:
			b.Off += a.Off
			return b
		case op == ebpf.ALUSub && b.Kind == Const && a.Kind != Map:
			a.Off -= b.Off
			return a
		case op == ebpf.ALUAdd || op == ebpf.ALUSub:
			ap, bp := IsPointer(a.Kind), IsPointer(b.Kind)
			switch {
			case ap && !bp && (b.Kind != Any || op == ebpf.ALUAdd): // never two addresses
				return Value{Kind: a.Kind, Map: a.Map, Base: f.number()}
			case bp && !ap && op == ebpf.ALUAdd:
				return Value{Kind: b.Kind, Map: b.Map, Base: f.number()}
			case a.Kind == Any || b.Kind == Any || ap != bp:
				return f.Unknown(Any)
			}
			return f.Unknown(Scalar)
		}
		// Numbers whose arithmetic stays so; an address that was masked is
		// still one.
		if IsPointer(a.Kind) || IsPointer(b.Kind) || a.Kind == Any || b.Kind == Any {
			return f.Unknown(Any)
		}
		return f.Unknown(Scalar)
	}
	if in.ALUOp() == ebpf.ALUMov && b.Kind == Const && in.Off == 0 {
		return Value{Kind: Const, Off: int64(uint32(b.Off))}
	}
	if IsPointer(a.Kind) || IsPointer(b.Kind) {
		return f.Unknown(Any)
	}
	return f.Unknown(Scalar)
}

func (f *Flow) load(op int32, o *Insn, hint Hint) {
	in := o.In
	base := f.R[in.Src]
	r := f.memory(op, &base, int64(in.Off), int64(o.Size), false, hint)
	v := f.Unknown(Scalar)
	switch {
	case r == InCtx:
		switch base.Off + int64(in.Off) {
		case ebpf.XDPData:
			v = Value{Kind: Packet, Base: BaseData}
		case ebpf.XDPDataEnd:
			v = Value{Kind: PacketEnd, Base: BaseEnd}
		case ebpf.XDPDataMeta:
			v = Value{Kind: Packet, Base: BaseMeta}
		}
	case o.Size != 8:
	case r == InStack:
		v = f.Unknown(Any)
		if base.Base == BaseStack {
			for _, s := range f.Spills {
				if s.Off == base.Off+int64(in.Off) {
					v = s.V
				}
			}
		}
	case r == InPacket: // can't hold an address
	default:
		v = f.Unknown(Any)
	}
	f.R[in.Dst] = v
}

func (f *Flow) store(op int32, o *Insn, hint Hint) {
	in := o.In
	if in.IsAtomic() {
		base := f.R[in.Dst]
		if in.Imm == ebpf.AtomicLoadAcq {
			base = f.R[in.Src]
		}
		f.memory(op, &base, int64(in.Off), int64(o.Size), false, hint)
		// load_acquire and store_release order other accesses too: taken for
		// writes, and of anything.
		f.memory(op, &base, int64(in.Off), int64(o.Size), true, hint)
		if in.Imm == ebpf.AtomicLoadAcq || in.Imm == ebpf.AtomicStRel {
			f.note(op, InAny, -1, 0, farLo, farHi, true)
		}
		for r := uint8(0); r < 10; r++ {
			if in.Writes().Has(r) {
				f.R[r] = f.Unknown(Any)
			}
		}
		return
	}
	base := f.R[in.Dst]
	r := f.memory(op, &base, int64(in.Off), int64(o.Size), true, hint)
	if r == InStack && base.Base == BaseStack && in.Class() == ebpf.ClassSTX && o.Size == 8 {
		f.Spills = append(f.Spills, Spill{base.Off + int64(in.Off), f.R[in.Src]})
	}
}

// call notes what a call touches and clobbers r0 to r5.
func (f *Flow) call(op int32, in ebpf.Insn) {
	e := &unknownEffect
	if in.Op == ebpf.OpCall && in.Src == ebpf.CallHelper {
		e = EffectOf(in.Imm)
	}
	m := int32(-1)
	if e.MapIn > 0 && f.R[e.MapIn].Kind == Map {
		m = f.R[e.MapIn].Map
	}
	if e.All {
		f.note(op, InAny, -1, 0, farLo, farHi, true)
		f.note(op, InKeys, -1, 0, 0, 0, true)
		f.note(op, InUse, -1, 0, 0, 0, true)
		f.note(op, InSet, -1, 0, -1, 0, true)
		f.forget(InAny, nil, 0, 0)
	}
	for i := range e.Mem {
		if e.Mem[i].Reg > 0 {
			f.span(op, &e.Mem[i], m)
		}
	}
	f.sets(op, e.Reads, m, false)
	f.sets(op, e.Writes, m, true)
	if e.Look && f.orders(m) {
		f.note(op, InUse, m, 0, 0, 0, true)
	}
	ret := f.Unknown(Scalar)
	switch {
	case e.All:
		ret = f.Unknown(Any)
	case e.Look:
		// Of a map that isn't known it may be an inner map instead, but what
		// memory is accessed through is a value.
		ret = f.Unknown(MapValue)
		ret.Map = m
		if s := f.spec(m); s != nil && (s.Type == cebpf.ArrayOfMaps || s.Type == cebpf.HashOfMaps) {
			ret = Value{Kind: Map, Map: -1}
		}
	}
	for r := 1; r <= 5; r++ {
		f.R[r] = f.Unknown(Any)
	}
	f.R[0] = ret
}

// span notes memory that an argument points to.
func (f *Flow) span(op int32, s *Span, m int32) {
	v := f.R[s.Reg]
	n := int64(s.Size)
	known := n > 0
	spec := f.spec(m)
	switch {
	case s.From == KeySize && spec != nil:
		n, known = int64(spec.KeySize), true
	case s.From == ValueSize && spec != nil:
		n, known = int64(spec.ValueSize), true
	case s.From > 0 && s.From <= 5 && f.R[s.From].Kind == Const:
		n, known = int64(uint32(f.R[s.From].Off)), true
	}
	if known && n == 0 {
		return
	}
	r, owner := regionOf(&v)
	if v.Kind == Const { // NULL with a size that isn't known
		r = InAny
	}
	lo, hi := v.Off, v.Off+n
	if !known {
		hi = farHi
	}
	f.note(op, r, owner, v.Base, lo, hi, false)
	if s.Write {
		f.note(op, r, owner, v.Base, lo, hi, true)
		f.forget(r, &v, lo, hi)
	}
}

func (f *Flow) sets(op int32, s Set, m int32, write bool) {
	if s&OnMap != 0 {
		f.note(op, InKeys, m, 0, 0, 0, write)
	}
	if s&OnValues != 0 {
		f.note(op, InValue, m, 0, farLo, farHi, write)
	}
	if s&OnPacket != 0 {
		f.note(op, InPacket, -1, 0, farLo, farHi, write)
	}
	if s &^= OnMap | OnValues | OnPacket; s != 0 {
		f.note(op, InSet, -1, 0, int64(s), 0, write)
	}
}

func (f *Flow) spec(i int32) *maps.Spec {
	if i < 0 || int(i) >= len(f.Specs) {
		return nil
	}
	return f.Specs[i]
}

// orders says whether look-ups in map i change it: an LRU map notes them. A map
// that isn't known is taken to be one.
func (f *Flow) orders(i int32) bool {
	s := f.spec(i)
	return s == nil || s.Type == cebpf.LRUHash || s.Type == cebpf.LRUCPUHash
}
