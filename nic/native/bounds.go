package native

import (
	"math"
	"slices"

	"jitnic/host/ebpf"
	"jitnic/host/maps"
	"jitnic/host/vm"
)

// What is known of a program before each instruction, so that accesses that
// are in bounds by what came before need no check when they run. It is the
// kernel verifier's way of seeing pointers (kernel/bpf/verifier.c), cut down to
// what pays, and it must be right for programs that no verifier has seen:
// whatever isn't certain is unknown, and an access through it is checked.

// kind is what a register or stack slot holds.
type kind uint8

const (
	kAny    kind = iota // anything
	kNumber             // at most max
	kCtx                // the context + off
	kFrame              // the top of the frame in use + off
	kPacket             // a place in the packet + off; see val.id
	kEnd                // where the packet ends
	kValue              // a value of map id's m + off; or 0, where null
	kRecord             // a reserved record of max bytes + off; or 0, where null
	kMap                // the map m itself
)

// val is what is known of one value.
type val struct {
	kind  kind
	null  bool
	exact bool // of a number: it is max
	m     int32
	// id tells one thing of a kind from another. A packet pointer of id 0 is
	// data + off; any other counts from where the instruction at slot id-1
	// put it, which is at or above data. A value's id is the slot+1 of the
	// look-up.
	id  int32
	off int64
	max uint64
}

// reach says that the n bytes from a packet pointer of that id on lie in the
// packet.
type reach struct{ id, n int32 }

// known is what holds before an instruction.
type known struct {
	r     [11]val
	slot  [slots]val // of the stack, 8 bytes each: see slotOf
	reach [4]reach
}

const offLimit = 1 << 20

// Slots that are kept track of: the frame in use from its bottom, and in traces
// the places above each frame where an inlined call saves registers.
const (
	frameSlots = vm.StackSize / 8
	saveSlots  = 5 // registers 6 to 9 and a callback's context: see pathcond's emitter
	slots      = frameSlots + vm.MaxFrames*saveSlots
)

// slotOf is the slot of 8 bytes at an offset from the frame's top, or -1.
func slotOf(at int64) int {
	if at&7 != 0 || at < -vm.StackSize {
		return -1
	}
	if at < 0 {
		return int(at+vm.StackSize) / 8
	}
	frame, i := at/vm.StackStride, at%vm.StackStride/8
	if frame >= vm.MaxFrames || i >= saveSlots {
		return -1
	}
	return frameSlots + int(frame)*saveSlots + int(i)
}

func number(max uint64) val { return val{kind: kNumber, max: max} }
func exactly(v uint64) val  { return val{kind: kNumber, max: v, exact: true} }

// reachOf is how many bytes behind a packet pointer of that id are in bounds.
func (k *known) reachOf(id int32) int32 {
	for _, r := range k.reach {
		if r.n > 0 && r.id == id {
			return r.n
		}
	}
	return 0
}

func (k *known) learnReach(id int32, n int64) {
	if n <= 0 || n > offLimit {
		return
	}
	least := 0
	for i := range k.reach {
		r := &k.reach[i]
		if r.n > 0 && r.id == id {
			r.n = max(r.n, int32(n))
			return
		}
		if r.n < k.reach[least].n {
			least = i
		}
	}
	if k.reach[least].n < int32(n) {
		k.reach[least] = reach{id, int32(n)}
	}
}

// each calls f with every value.
func (k *known) each(f func(v *val)) {
	for i := range k.r {
		f(&k.r[i])
	}
	for i := range k.slot {
		f(&k.slot[i])
	}
}

// forget makes values unknown that drop says so of.
func (k *known) forget(drop func(v *val) bool) {
	k.each(func(v *val) {
		if drop(v) {
			*v = val{}
		}
	})
}

// fresh forgets what has the id of the instruction at pc: it gets a new
// meaning.
func (k *known) fresh(pc int) int32 {
	id := int32(pc) + 1
	k.forget(func(v *val) bool { return v.id == id && (v.kind == kPacket || v.kind == kValue || v.kind == kRecord) })
	for i := range k.reach {
		if k.reach[i].id == id {
			k.reach[i] = reach{}
		}
	}
	return id
}

func (k *known) forgetPacket() {
	k.forget(func(v *val) bool { return v.kind == kPacket || v.kind == kEnd })
	k.reach = [4]reach{}
}

func (k *known) forgetStack() { k.slot = [slots]val{} }

// join is what holds where two ways meet. widen gives up on numbers that keep
// growing.
func join(a, b val, widen bool) val {
	if a == b {
		return a
	}
	if a.kind != b.kind {
		return val{}
	}
	switch a.kind {
	case kNumber:
		if widen {
			return number(math.MaxUint64)
		}
		return number(max(a.max, b.max))
	case kValue, kRecord:
		if a.m == b.m && a.id == b.id && a.off == b.off && a.max == b.max {
			a.null = a.null || b.null
			return a
		}
	}
	return val{}
}

func (k *known) join(o *known, widen bool) {
	for i := range k.r {
		k.r[i] = join(k.r[i], o.r[i], widen)
	}
	for i := range k.slot {
		k.slot[i] = join(k.slot[i], o.slot[i], widen)
	}
	for i := range k.reach {
		r := &k.reach[i]
		if r.n > 0 {
			n := o.reachOf(r.id)
			if widen && n < r.n {
				n = 0
			}
			r.n = min(r.n, n)
		}
		if r.n == 0 {
			*r = reach{}
		}
	}
}

// analysis works out what is known; it is of one program on one State.
type analysis struct {
	s    *vm.State
	code []ebpf.Insn
	flat []bool // by map: look-ups give the address of a value
	subs []lookupCode
	// frames is how many frames from the one in use upwards may be touched:
	// those of a trace's inlined calls.
	frames int64
}

func newAnalysis(s *vm.State, code []ebpf.Insn) *analysis {
	a := &analysis{s: s, code: code, frames: 1}
	a.subs = make([]lookupCode, len(s.Maps))
	for _, m := range s.Maps {
		_, ok := maps.FlatOf(m)
		a.flat = append(a.flat, ok)
	}
	return a
}

// inBounds says whether an access of n bytes at base + off is certain to be in
// bounds, with write or without.
func (a *analysis) inBounds(k *known, base uint8, off int16, n int, write bool) bool {
	v := &k.r[base]
	at := v.off + int64(off)
	end := at + int64(n)
	switch v.kind {
	case kFrame:
		if a.frames == 1 {
			return at >= -vm.StackSize && end <= 0
		}
		// Between frames lies what inlined calls save.
		return at >= -vm.StackSize && end <= a.frames*vm.StackStride-vm.StackSize
	case kPacket:
		return at >= 0 && end <= int64(k.reachOf(v.id))
	case kValue:
		size, load, store := a.s.MapAccess(int(v.m))
		return !v.null && at >= 0 && end <= int64(size) && (write && store || !write && load)
	case kRecord:
		return !v.null && at >= 0 && end <= int64(v.max)
	}
	return false
}

// there says whether an access takes a value to be there that is in bounds if it is, and
// notes so: behind the access it is.
func (a *analysis) there(k *known, base uint8, off int16, n int, write bool) bool {
	v := &k.r[base]
	if !v.null || v.off != 0 {
		return false
	}
	v.null = false
	in := a.inBounds(k, base, off, n, write)
	v.null = true
	if was := *v; in {
		k.each(func(o *val) {
			if o.kind == was.kind && o.id == was.id && o.m == was.m {
				o.null = false
			}
		})
	}
	return in
}

// step makes of what is known before the instruction at pc what is known after
// it, where control falls through to the next.
func (a *analysis) step(k *known, pc int) {
	in := a.code[pc]
	switch in.Class() {
	case ebpf.ClassALU64, ebpf.ClassALU:
		k.r[in.Dst] = a.alu(k, in, pc)
	case ebpf.ClassLD:
		if in.IsWide() && pc+1 < len(a.code) {
			k.r[in.Dst] = a.constant(in, a.code[pc+1])
			return
		}
		k.r[0] = val{}
	case ebpf.ClassLDX:
		a.there(k, in.Src, in.Off, in.Size(), false)
		k.r[in.Dst] = a.load(k, in)
	case ebpf.ClassST, ebpf.ClassSTX:
		if in.IsAtomic() && in.Imm == ebpf.AtomicLoadAcq {
			a.there(k, in.Src, in.Off, in.Size(), false)
		} else {
			a.there(k, in.Dst, in.Off, in.Size(), true)
		}
		if in.IsAtomic() {
			a.atomic(k, in)
			return
		}
		v := val{}
		if in.Class() == ebpf.ClassSTX {
			v = k.r[in.Src]
		} else {
			v = exactly(uint64(int64(in.Imm)))
		}
		a.store(k, in, v)
	default:
		if in.Op == ebpf.OpCall || in.Op == ebpf.OpCallX {
			a.call(k, in, pc)
		}
	}
}

func (a *analysis) constant(lo, hi ebpf.Insn) val {
	switch lo.Src {
	case ebpf.PseudoNone:
		return exactly(ebpf.Const64(lo, hi))
	case ebpf.PseudoMapFD:
		if lo.Imm >= 0 && int(lo.Imm) < len(a.s.Maps) {
			return val{kind: kMap, m: lo.Imm}
		}
	case ebpf.PseudoMapValue:
		if lo.Imm >= 0 && int(lo.Imm) < len(a.s.Maps) && hi.Imm >= 0 {
			if _, ok := a.s.ValuePtr(int(lo.Imm), uint32(hi.Imm)); ok {
				return val{kind: kValue, m: lo.Imm, off: int64(hi.Imm)}
			}
		}
	}
	return val{}
}

func (a *analysis) load(k *known, in ebpf.Insn) val {
	n := in.Size()
	base := &k.r[in.Src]
	at := base.off + int64(in.Off)
	sx := in.Mode() == ebpf.ModeMEMSX
	if base.kind == kFrame && n == 8 && a.inBounds(k, in.Src, in.Off, n, false) {
		if i := slotOf(at); i >= 0 {
			return k.slot[i]
		}
	}
	if base.kind == kCtx && n == 4 && !sx {
		switch at {
		case vm.CtxData:
			return val{kind: kPacket}
		case vm.CtxDataEnd:
			return val{kind: kEnd}
		case vm.CtxIfIndex, vm.CtxQueue, vm.CtxEgress:
			return number(math.MaxUint32)
		}
		return val{}
	}
	if sx || n == 8 {
		return number(math.MaxUint64)
	}
	return number(1<<(8*n) - 1)
}

// store notes what a store does to the frame. One that isn't certain to go
// elsewhere may change any of it.
func (a *analysis) store(k *known, in ebpf.Insn, v val) {
	n := in.Size()
	base := &k.r[in.Dst]
	if !a.inBounds(k, in.Dst, in.Off, n, true) {
		k.forgetStack()
		return
	}
	if base.kind != kFrame {
		return
	}
	at := base.off + int64(in.Off)
	for b := at &^ 7; b < at+int64(n); b += 8 {
		if i := slotOf(b); i >= 0 {
			k.slot[i] = val{}
		}
	}
	if i := slotOf(at); i >= 0 && n == 8 {
		k.slot[i] = v
	}
}

func (a *analysis) atomic(k *known, in ebpf.Insn) {
	if in.Imm == ebpf.AtomicLoadAcq {
		k.r[in.Dst] = number(math.MaxUint64)
		return
	}
	a.store(k, in, val{})
	switch {
	case in.Imm == ebpf.AtomicCmpXchg:
		k.r[0] = number(math.MaxUint64)
	case in.Imm&ebpf.AtomicFetch != 0 && in.Imm != ebpf.AtomicStRel:
		k.r[in.Src] = number(math.MaxUint64)
	}
}

// call is what is known after a call. The interpreter leaves registers 1 to 5
// of a helper's caller alone, and gives 6 to 9 back after a function's.
func (a *analysis) call(k *known, in ebpf.Insn, pc int) {
	m := k.r[1]
	id := k.fresh(pc)
	h := in.Called()
	if h == nil || h.Flow != ebpf.Returns || slices.ContainsFunc(h.Args[:], func(x ebpf.Arg) bool { return x.Ends }) {
		k.forget(func(v *val) bool { return v.kind == kRecord })
	}
	if h == nil || h.Flow != ebpf.Returns {
		k.forgetPacket()
		k.forgetStack()
		last := 5
		if in.Op == ebpf.OpCall && in.Src == ebpf.CallKfunc {
			last = 9 // vm.Interp.Kfunc is handed all of them
		}
		for r := 0; r <= last; r++ {
			k.r[r] = val{}
		}
		return
	}
	if h.Moves() {
		k.forgetPacket()
	}
	if writesMemory(h) {
		k.forgetStack()
	}
	k.r[0] = val{}
	if size := k.r[2]; in.Imm == ebpf.FnRingbufReserve && size.kind == kNumber && size.exact && size.max <= offLimit {
		k.r[0] = val{kind: kRecord, null: true, id: id, max: size.max}
	}
	if in.Imm == ebpf.FnMapLookupElem && m.kind == kMap && a.flat[m.m] {
		k.r[0] = val{kind: kValue, null: true, m: m.m, id: id}
	}
}

// writesMemory says whether a helper may write memory that an argument points
// to.
func writesMemory(h *ebpf.Helper) bool {
	if h.Writes&(ebpf.Stack|ebpf.AnyMemory) != 0 || h.OnFail&(ebpf.Stack|ebpf.AnyMemory) != 0 {
		return true
	}
	return slices.ContainsFunc(h.Args[:], func(x ebpf.Arg) bool { return x.Writes })
}

// alu is what an arithmetic instruction leaves in its destination.
func (a *analysis) alu(k *known, in ebpf.Insn, pc int) val {
	d, s := k.r[in.Dst], exactly(uint64(int64(in.Imm)))
	if in.Op&ebpf.SrcX != 0 {
		s = k.r[in.Src]
	}
	wide := in.Class() == ebpf.ClassALU64
	op := in.ALUOp()
	if in.IsSelect() {
		return join(d, s, false)
	}
	if wide && in.Off == 0 {
		switch op {
		case ebpf.ALUMov:
			return s
		case ebpf.ALUAdd:
			if v, ok := a.addPointer(k, d, s, pc); ok {
				return v
			}
			if v, ok := a.addPointer(k, s, d, pc); ok {
				return v
			}
		case ebpf.ALUSub:
			if s.kind == kNumber && s.exact && d.kind != kNumber {
				if v, ok := a.addPointer(k, d, exactly(-s.max), pc); ok {
					return v
				}
			}
		}
	}
	known := func(v val) bool { return v.kind == kNumber && v.exact }
	if known(s) && (op == ebpf.ALUMov || known(d)) {
		return exactly(vm.ALU(in, d.max, s.max))
	}
	top := uint64(math.MaxUint64)
	if !wide {
		top = math.MaxUint32
	}
	if op == ebpf.ALUEnd {
		switch in.Imm {
		case 16:
			return number(math.MaxUint16)
		case 32:
			return number(math.MaxUint32)
		}
		return number(math.MaxUint64)
	}
	if in.Off != 0 {
		return number(top)
	}
	x, y := top, top
	if d.kind == kNumber {
		x = min(d.max, top)
	}
	if s.kind == kNumber {
		y = s.max
		if !wide && s.exact {
			y = uint64(uint32(y))
		}
		y = min(y, top)
	}
	return number(min(bound(op, x, y, s), top))
}

// bound is the largest result of an operation on numbers of at most x and y,
// or the largest number where it could overflow.
func bound(op uint8, x, y uint64, s val) uint64 {
	const all = math.MaxUint64
	switch op {
	case ebpf.ALUMov:
		return y
	case ebpf.ALUAnd:
		return min(x, y)
	case ebpf.ALUAdd:
		if x > all-y {
			return all
		}
		return x + y
	case ebpf.ALUMul:
		if x != 0 && y > all/x {
			return all
		}
		return x * y
	case ebpf.ALUOr, ebpf.ALUXor:
		m := x | y
		for i := 1; i < 64; i *= 2 {
			m |= m >> i
		}
		return m
	case ebpf.ALULsh:
		if s.exact && s.max < 64 && x <= all>>s.max {
			return x << s.max
		}
	case ebpf.ALURsh:
		if s.exact && s.max < 32 {
			return x >> s.max
		}
		return x
	case ebpf.ALUDiv:
		return x
	case ebpf.ALUMod:
		return x
	}
	return all
}

// addPointer is a pointer plus a number.
func (a *analysis) addPointer(k *known, p, n val, pc int) (val, bool) {
	switch p.kind {
	case kCtx, kFrame, kPacket, kValue, kRecord:
	default:
		return val{}, false
	}
	if n.kind != kNumber || p.null {
		return val{}, true
	}
	if n.exact {
		d := int64(n.max)
		if d > offLimit || d < -offLimit {
			return val{}, true
		}
		if p.off += d; p.off > offLimit || p.off < -offLimit {
			return val{}, true
		}
		return p, true
	}
	// A place in the packet that only running tells: at or above data, and
	// too near to wrap round.
	if p.kind != kPacket || p.off < 0 || n.max > offLimit {
		return val{}, true
	}
	return val{kind: kPacket, id: k.fresh(pc)}, true
}

// branch narrows what is known to one outcome of the conditional jump at pc.
func (a *analysis) branch(k *known, pc int, taken bool) {
	in := a.code[pc]
	if in.Op == ebpf.OpMayGo || in.Class() != ebpf.ClassJMP {
		return
	}
	d := k.r[in.Dst]
	op := in.JmpOp()
	if in.Op&ebpf.SrcX == 0 {
		a.branchK(k, in, d, op, taken)
		return
	}
	s := k.r[in.Src]
	switch {
	case d.kind == kPacket && s.kind == kEnd:
		pastEnd(k, d, op, taken)
	case d.kind == kEnd && s.kind == kPacket:
		pastEnd(k, s, mirror[op>>4], taken)
	}
}

// mirror is the comparison with its sides changed.
var mirror = [16]uint8{
	ebpf.JmpGT >> 4: ebpf.JmpLT, ebpf.JmpGE >> 4: ebpf.JmpLE, ebpf.JmpLT >> 4: ebpf.JmpGT, ebpf.JmpLE >> 4: ebpf.JmpGE,
}

// pastEnd learns from the comparison of a packet pointer with the end. The
// pointer can't wrap round: the flat memory ends far below.
func pastEnd(k *known, p val, op uint8, taken bool) {
	switch {
	case op == ebpf.JmpGT && !taken, op == ebpf.JmpLE && taken:
		k.learnReach(p.id, p.off)
	case op == ebpf.JmpGE && !taken, op == ebpf.JmpLT && taken:
		k.learnReach(p.id, p.off+1)
	}
}

func (a *analysis) branchK(k *known, in ebpf.Insn, d val, op uint8, taken bool) {
	imm := uint64(int64(in.Imm))
	switch d.kind {
	case kValue, kRecord:
		if !d.null || d.off != 0 || imm != 0 || op != ebpf.JmpEQ && op != ebpf.JmpNE {
			return
		}
		isNull := (op == ebpf.JmpEQ) == taken
		k.each(func(v *val) {
			if v.kind == d.kind && v.null && v.id == d.id && v.m == d.m {
				if isNull {
					*v = exactly(0)
				} else {
					v.null = false
				}
			}
		})
	case kNumber:
		most := d.max
		switch {
		case op == ebpf.JmpEQ && taken, op == ebpf.JmpNE && !taken:
			k.r[in.Dst] = exactly(imm)
			return
		case op == ebpf.JmpGT && !taken, op == ebpf.JmpLE && taken:
			most = min(most, imm)
		case op == ebpf.JmpGE && !taken, op == ebpf.JmpLT && taken:
			if imm > 0 {
				most = min(most, imm-1)
			}
		}
		if most != d.max {
			k.r[in.Dst] = number(most)
		}
	}
}
