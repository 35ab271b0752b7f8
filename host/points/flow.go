package points

import (
	"jitnic/host/ebpf"
	"jitnic/host/maps"
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

// Bases of accesses. Those of values that an instruction named come after them.
// data_end after an adjust_head is another value than before, but all accesses of
// the packet are ordered with the call, so the same number does no harm.
const (
	BaseStack int32 = 1 + iota
	baseData
	baseEnd
	baseCtx
	baseNamed
)

// What an instruction may be numbered: bases are made of it.
const (
	maxNamed = 1 << 28 // results of arithmetic and loads
	entered  = 1 << 27 // what held unnamed bases where a block begins
)

// nameless says of a value that may be an address whether nobody knows what it
// is counted from.
func (v *Value) nameless() bool {
	return v.Base < 0 || v.Base == 0 && (v.Kind == Anything || v.Kind == MapValue && v.Site == -1 || v.Kind == Scalar && v.Number == upTo(64))
}

// place is where an address is: off bytes from base, 0 of which is not known.
// Two of one base differ by their offs.
func (v *Value) place() (base int32, off int64) {
	switch {
	case v.Base < 0:
		return 0, v.Off
	case v.Base > 0:
		return baseNamed + v.Base, v.Off
	}
	switch v.Kind {
	case Stack:
		base = BaseStack
	case Packet:
		base = baseData
	case PacketEnd:
		base = baseEnd
	case Ctx:
		base = baseCtx
	case Record:
		base = maxNamed + v.Site
	case MapValue:
		if base = maxNamed + v.Site; v.Site == Direct {
			base = -1 - v.Map
		} else if v.Site < 0 {
			base = 0
		}
	}
	return base, v.Off
}

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
	x, y := a.Region, b.Region
	return (a.Write || b.Write) && (x == y || x == InAny || y == InAny) && a.meets(b)
}

// meets is Conflict of accesses that may be of one region.
func (a *Access) meets(b *Access) bool {
	x, y := a.Region, b.Region
	if x == InAny || y == InAny {
		other := y
		if y == InAny {
			other = x
		}
		return other == InAny || other == InPacket || other == InStack || other == InValue
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

// Flow follows what registers and spilled values are, instruction by
// instruction, through code that the verifier has accepted, and notes the
// accesses of each.
type Flow struct {
	Program
	Facts
	Acc []Access // noted since Acc was emptied last
}

// Enter is the state in which a program starts.
func (f *Flow) Enter(specs []*maps.Spec) {
	f.Program = Program{Context: ebpf.ContextXDP, Maps: specs, Accepted: true, Above: f.Above[:0]}
	f.Facts = Facts{Reached: true}
	f.Acc = f.Acc[:0]
	f.R[1] = Value{Kind: Ctx}
	f.R[10] = Value{Kind: Stack}
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
func (f *Flow) memory(op int32, v *Value, off int64, n int64, write bool, hint Hint) {
	r, m := regionOf(v)
	r, m = hint.refine(r, m)
	base, at := v.place()
	at += off
	if r == InCtx && !write {
		// data, data_end, data_meta move together.
		f.note(op, InSet, -1, 0, int64(OnGeometry), 0, false)
		return
	}
	f.note(op, r, m, base, at, at+n, write)
	if r == InAny && !write {
		f.note(op, InSet, -1, 0, int64(OnGeometry), 0, false) // perhaps the context
	}
	if write {
		f.forget(r, base, at, at+n)
	}
}

// forget drops what is known above the frame and a write may have changed; as
// in the frame, pointers stay where the place of the write isn't known.
func (f *Flow) forget(r Region, base int32, lo, hi int64) {
	if r != InStack && r != InAny {
		return
	}
	known := r == InStack && base == BaseStack
	f.keepAbove(func(s Spill) bool { return known && s.outside(lo, hi) || !known && s.V.IsPointer() })
}

// Step takes one instruction, whose accesses are noted under its number.
func (f *Flow) Step(in *Insn, hint Hint) {
	in.Slot = -1
	switch in.Class() {
	case ebpf.ClassLDX:
		base := f.R[in.Src]
		f.memory(in.At, &base, int64(in.Off), int64(in.Bytes), false, hint)
		f.follow(in)
	case ebpf.ClassST, ebpf.ClassSTX:
		f.store(in, hint)
	default:
		if in.Op == ebpf.OpCall || in.Op == ebpf.OpCallX {
			f.call(in)
		}
		f.follow(in)
	}
}

// follow is the step of the facts. What may be an address gets a name.
func (f *Flow) follow(in *Insn) {
	f.Program.Step(in, &f.Facts, nil)
	for w, r := in.Writes(), 0; w != 0; w, r = w>>1, r+1 {
		if w&1 != 0 && f.R[r].nameless() {
			f.R[r].Base = in.At + 1
		}
	}
}

func (f *Flow) store(in *Insn, hint Hint) {
	if in.IsAtomic() {
		base := f.R[in.Dst]
		if in.Imm == ebpf.AtomicLoadAcq {
			base = f.R[in.Src]
		}
		f.memory(in.At, &base, int64(in.Off), int64(in.Bytes), false, hint)
		// load_acquire and store_release order other accesses too: taken for
		// writes, and of anything.
		f.memory(in.At, &base, int64(in.Off), int64(in.Bytes), true, hint)
		if in.Imm == ebpf.AtomicLoadAcq || in.Imm == ebpf.AtomicStRel {
			f.note(in.At, InAny, -1, 0, farLo, farHi, true)
		}
		f.follow(in)
		return
	}
	base := f.R[in.Dst]
	f.memory(in.At, &base, int64(in.Off), int64(in.Bytes), true, hint)
	f.follow(in)
}

// call notes what a call touches.
func (f *Flow) call(in *Insn) {
	e := &unknownEffect
	if in.Op == ebpf.OpCall && in.Src == ebpf.CallHelper {
		e = EffectOf(in.Imm)
	}
	in.Row = e.row
	m := int32(-1)
	if e.MapIn > 0 && f.R[e.MapIn].Kind == Map {
		m = f.R[e.MapIn].Map
	}
	if e.All {
		f.note(in.At, InAny, -1, 0, farLo, farHi, true)
		f.note(in.At, InKeys, -1, 0, 0, 0, true)
		f.note(in.At, InUse, -1, 0, 0, 0, true)
		f.note(in.At, InSet, -1, 0, -1, 0, true)
		f.forget(InAny, 0, 0, 0)
	}
	for i := range e.Mem {
		if e.Mem[i].Reg > 0 {
			f.span(in.At, &e.Mem[i], m)
		}
	}
	f.sets(in.At, e.Reads, m, false)
	f.sets(in.At, e.Writes, m, true)
	if e.Look && f.orders(m) {
		f.note(in.At, InUse, m, 0, 0, 0, true)
	}
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
	case s.From > 0 && s.From <= 5 && f.R[s.From].IsConst():
		n, known = int64(uint32(f.R[s.From].Known)), true
	}
	if known && n == 0 {
		return
	}
	r, owner := regionOf(&v)
	base, lo := v.place()
	hi := lo + n
	if !known {
		hi = farHi
	}
	f.note(op, r, owner, base, lo, hi, false)
	if s.Write {
		f.note(op, r, owner, base, lo, hi, true)
		f.forget(r, base, lo, hi)
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

// orders says whether look-ups in map i change it: an LRU map notes them. A map
// that isn't known is taken to be one.
func (f *Flow) orders(i int32) bool {
	s := f.spec(i)
	return s == nil || maps.Ordered(s.Type)
}
