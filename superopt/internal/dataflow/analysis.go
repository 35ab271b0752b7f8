package dataflow

import (
	"fmt"
	"math/bits"

	"jitnic/host/ebpf"
	"jitnic/superopt/internal/ir"
)

// valKind is what a register holds.
type valKind uint8

const (
	Unreadable valKind = iota // unreadable
	Scalar
	Stack
	Ctx
	Packet
	PacketEnd
	Map      // a map itself
	MapValue // a pointer into a value
	Anything // a number or a pointer, not known which
)

var kindNames = [...]string{"unreadable", "a number", "a stack pointer", "the context", "a packet pointer", "the packet's end", "a map", "a map value pointer", "unknown"}

// Value is what is known of a register (or spill slot) wherever it is reached.
type Value struct {
	Kind  valKind
	Null  bool  // MapValue: may still be 0
	VarOf int32 // pointers: 0, or the name (Prog.ID, +1) of the instruction that added a variable
	Site  int32 // MapValue: the lookup that made it, -1 unknown; Anything: its source; Map: unused
	MapID int32 // Map; MapValue: -1 where it may be a value of several
	Off   int64 // pointers: constant offset (beside the variable)
	Range int64 // Packet: bytes from the (variable) base that were checked against the end
	// numbers: known bits (bits where unknown is 0 are those of known), and bounds
	Unknown, Known uint64
	Min, Max       uint64
}

// Sources of what may be a number or a pointer: two of one source are either
// both numbers or both pointers of one kind.
const (
	sourceMixed  = 1 << (20 + iota) // of several sources, or computed from some
	sourceArg                       // plus the register: of a function's caller
	sourceLost                      // plus its kind: a packet pointer before a call that may have moved the packet
	sourceStack                     // plus the slot: bytes that a callee or a store somewhere may have changed
	sourceResult                    // plus the slot of the call or address load that gave it
	sourceMemory                    // plus a number made of the address it was loaded from
)

// anything is what an instruction gives that may be a number or a pointer.
func anything(in *ir.Inst) Value {
	if in.Slot < 0 {
		return Value{Kind: Anything, Site: sourceMixed}
	}
	return Value{Kind: Anything, Site: sourceResult + in.Slot}
}

// loaded is what memory at base+off holds where that may be a number or a
// pointer: the same wherever it is loaded, by whichever instruction.
func loaded(base Value, off int64) Value {
	h := uint64(base.Kind)<<56 ^ uint64(uint32(base.MapID))<<40 ^ uint64(uint32(base.Site))<<16 ^ uint64(base.Off+off)
	return Value{Kind: Anything, Site: sourceMemory + int32(h*0x9e3779b97f4a7c15>>44)} // 20 bits
}

// String names the value in what the verifier would say of it.
func (v Value) String() string {
	if v.Kind != Anything {
		return kindNames[v.Kind]
	}
	return fmt.Sprintf("what may be a pointer (%#x)", v.Site)
}

// Top is a number nothing is known of.
func Top() Value              { return Value{Kind: Scalar, Unknown: ^uint64(0), Max: ^uint64(0)} }
func constant(v uint64) Value { return Value{Kind: Scalar, Known: v, Min: v, Max: v} }

// IsConst says whether v is one number.
func (v Value) IsConst() bool { return v.Kind == Scalar && v.Unknown == 0 }
func (v Value) isPtr() bool {
	return v.Kind >= Stack && v.Kind <= MapValue
}

// Norm brings bits and bounds of a number in line.
func (v Value) Norm() Value {
	if v.Kind != Scalar {
		return v
	}
	v.Known &^= v.Unknown
	v.Min = max(v.Min, v.Known)
	v.Max = min(v.Max, v.Known|v.Unknown)
	if v.Min > v.Max { // an impossible path: anything holds
		return constant(v.Known)
	}
	if v.Min == v.Max {
		return constant(v.Min)
	}
	if hi := v.Min ^ v.Max; hi != 0 { // common leading bits are known
		m := ^uint64(0) << bits.Len64(hi)
		v.Unknown &^= m
		v.Known = v.Known&^m | v.Min&m
	}
	return v
}

func fits(n int) Value { // a number of n bits
	m := ^uint64(0) >> (64 - n)
	return Value{Kind: Scalar, Unknown: m, Max: m}
}

func join(a, b Value) Value {
	if a == b {
		return a
	}
	if a.Kind == Unreadable || b.Kind == Unreadable {
		return Value{}
	}
	if a.Kind == Scalar && b.Kind == Scalar {
		return Value{Kind: Scalar, Unknown: a.Unknown | b.Unknown | (a.Known ^ b.Known), Known: a.Known & b.Known,
			Min: min(a.Min, b.Min), Max: max(a.Max, b.Max)}.Norm()
	}
	// a value pointer or its null
	if a.Kind == MapValue && b.IsConst() && b.Known == 0 {
		a.Null = true
		return a
	}
	if b.Kind == MapValue && a.IsConst() && a.Known == 0 {
		b.Null = true
		return b
	}
	if a.Kind == b.Kind && a.isPtr() && a.MapID == b.MapID {
		a.Null = a.Null || b.Null
		if a.Site != b.Site {
			a.Site = -1
		}
		if a.Off != b.Off || a.VarOf != b.VarOf {
			a.Range = max(0, min(a.Range-a.Off, b.Range-b.Off))
			a.VarOf, a.Off = -1, 0
		}
		a.Range = min(a.Range, max(0, b.Range))
		return a
	}
	if a.Kind == MapValue && b.Kind == MapValue { // of some map
		return Value{Kind: MapValue, Null: a.Null || b.Null, MapID: -1, Site: -1, VarOf: -1}
	}
	return Value{Kind: Anything, Site: sourceMixed}
}

// joinSlots is join for bytes of the stack: where one path left a pointer and
// another did not, they may be either.
func joinSlots(a, b Value) Value {
	if a.Kind == Unreadable && (b.isPtr() || b.Kind == Anything) || b.Kind == Unreadable && (a.isPtr() || a.Kind == Anything) {
		return Value{Kind: Anything, Site: sourceMixed}
	}
	return join(a, b)
}

// Facts is what is known at one point of the program.
type Facts struct {
	Reached bool // reached
	R       [11]Value
	Spill   [64]Value // 8-byte stack slots, slot 0 at fp-512; Unreadable: bytes, see init
	init    [8]uint64 // stack bytes surely written, bit 0 at fp-512
}

func joinFacts(a, b *Facts) Facts {
	if !a.Reached {
		return *b
	}
	if !b.Reached {
		return *a
	}
	f := *a
	for i := range f.R {
		f.R[i] = join(a.R[i], b.R[i])
	}
	for i := range f.Spill {
		f.Spill[i] = joinSlots(a.Spill[i], b.Spill[i])
	}
	for i := range f.init {
		f.init[i] &= b.init[i]
	}
	return f
}

// widen gives up on bounds that keep growing in a loop.
func widen(old, new Facts) Facts {
	w := func(o, n Value) Value {
		if o == n {
			return n
		}
		if n.Kind == Scalar {
			return Top()
		}
		return n
	}
	for i := range new.R {
		new.R[i] = w(old.R[i], new.R[i])
	}
	for i := range new.Spill {
		new.Spill[i] = w(old.Spill[i], new.Spill[i])
	}
	return new
}

// losePacket: the packet may have moved; what pointed into it points nowhere
// that is known, or, where it didn't move, still there.
func (f *Facts) losePacket() {
	lose := func(v *Value) {
		if v.Kind == Packet || v.Kind == PacketEnd {
			*v = Value{Kind: Anything, Site: sourceLost + int32(v.Kind)}
		}
	}
	for i := range f.R {
		lose(&f.R[i])
	}
	for i := range f.Spill {
		lose(&f.Spill[i])
	}
}

// blur: somewhere on the stack something may have been stored, a pointer too
// where pointers says so. What was a pointer may be one still.
func (f *Facts) blur(pointers bool) {
	for k := range f.Spill {
		if v := &f.Spill[k]; pointers || v.isPtr() || v.Kind == Anything {
			*v = Value{Kind: Anything, Site: sourceStack + int32(k)}
		} else {
			*v = Value{}
		}
	}
}

// StackBytes gives where n bytes at r10+off lie, counted from fp-512; ok is false
// where they leave the frame.
func StackBytes(off int64, n int) (lo int, ok bool) {
	if off < -512 || off+int64(n) > 0 {
		return 0, false
	}
	return int(off + 512), true
}

func setBits(m *[8]uint64, lo, n int) {
	for i := lo; i < lo+n; i++ {
		m[i>>6] |= 1 << (i & 63)
	}
}

func clearBits(m *[8]uint64, lo, n int) {
	for i := lo; i < lo+n; i++ {
		m[i>>6] &^= 1 << (i & 63)
	}
}

func allBits(m *[8]uint64, lo, n int) bool {
	for i := lo; i < lo+n; i++ {
		if m[i>>6]>>(i&63)&1 == 0 {
			return false
		}
	}
	return true
}

// Analysis is what forward and backward dataflow found.
type Analysis struct {
	p      *ir.Prog
	In     []*Facts // before each instruction; what nothing reaches shares one
	Live   []Live   // after each instruction
	Before []Live   // before each instruction
	// Problems are what the verifier would refuse.
	Problems []Problem
	target   []bool // instructions jumps lead to, and where functions begin
}

// EntryFacts is what holds where function f begins.
func EntryFacts(p *ir.Prog, f int) Facts {
	st := Facts{Reached: true}
	st.R[10] = Value{Kind: Stack}
	if f == 0 && !p.Sub {
		st.R[1] = Value{Kind: Ctx}
		if p.Kind == ir.KindConst {
			st.R[1] = Top()
		}
		return st
	}
	for i := range int32(5) {
		st.R[i+1] = Value{Kind: Anything, Site: sourceArg + i + 1}
	}
	return st
}

// nowhere is what is known where nothing leads to.
var nowhere = &Facts{}

// joining is the facts of a place while its edges are followed.
type joining struct {
	f      *Facts // nowhere, or its own
	visits int
}

// maxVisits is how often the facts of a place may get weaker before numbers
// there are given up.
const maxVisits = 12

// push adds what holds on one edge; it says whether the place has new facts.
func (j *joining) push(f *Facts) bool {
	if !f.Reached {
		return false
	}
	if !j.f.Reached { // most places are come to once
		c := *f
		j.f = &c
		j.visits++
		return true
	}
	n := joinFacts(j.f, f)
	if n == *j.f {
		return false
	}
	if j.visits++; j.visits > maxVisits {
		n = widen(*j.f, n)
	}
	*j.f = n
	return true
}

// roots are the functions that begin with nothing known of their callers: the
// main one, and those whose address is taken or that nothing calls.
func roots(p *ir.Prog) []int {
	called, taken := map[int32]bool{}, map[int32]bool{}
	for i := range p.Insts {
		switch in := &p.Insts[i]; {
		case in.To < 0:
		case in.Op == ebpf.OpCall:
			called[in.To] = true
		case in.Op == ebpf.OpLDDW:
			taken[in.To] = true
		}
	}
	var out []int
	for i, e := range p.Entry {
		if i == 0 || !called[e] || taken[e] {
			out = append(out, i)
		}
	}
	return out
}

// edges gives to each what holds on every edge out of instruction i, before
// which f holds.
func edges(p *ir.Prog, i int, f *Facts, each func(to int, f *Facts)) {
	in := &p.Insts[i]
	if in.IsCondJump() {
		yes, no := *f, *f
		Branch(in, &yes, true)
		Branch(in, &no, false)
		each(int(in.To), &yes)
		each(i+1, &no)
		return
	}
	after := *f
	if in.Op == ebpf.OpCall && in.To >= 0 { // a callee knows what its callers hand it
		g := Facts{Reached: true}
		g.R[10] = Value{Kind: Stack}
		for r := 1; r <= 5; r++ {
			if g.R[r] = f.R[r]; f.R[r].Kind == Stack || f.R[r].Kind == Anything { // of another frame
				g.R[r] = Value{Kind: Anything, Site: sourceArg + int32(r)}
			}
		}
		each(int(in.To), &g)
	}
	Step(p, i, &after, nil)
	if in.Jumps() {
		each(int(in.To), &after)
	} else if !in.Ends() {
		each(i+1, &after)
	}
}

// complaints gives the problems of instruction i, before which f holds.
func complaints(p *ir.Prog, i int, f *Facts, out []Problem) []Problem {
	after := *f
	Step(p, i, &after, func(format string, args ...any) { out = append(out, problem(i, format, args...)) })
	return out
}

// Analyse runs the forward pass. It always ends: loops are widened.
func Analyse(p *ir.Prog) *Analysis {
	n := len(p.Insts)
	at := make([]joining, n+1)
	for i := range at {
		at[i].f = nowhere
	}
	work := make([]bool, n+1)
	push := func(to int, f *Facts) {
		if to < n && at[to].push(f) {
			work[to] = true
		}
	}
	for _, i := range roots(p) {
		f := EntryFacts(p, i)
		push(int(p.Entry[i]), &f)
	}
	for again := true; again; {
		again = false
		for i := range p.Insts {
			if work[i] {
				work[i], again = false, true
				edges(p, i, at[i].f, push)
			}
		}
	}
	a := &Analysis{p: p, In: make([]*Facts, n+1)}
	for i := range at {
		a.In[i] = at[i].f
	}
	for i := range p.Insts {
		if a.In[i].Reached {
			a.Problems = complaints(p, i, a.In[i], a.Problems)
		}
	}
	return a
}

// Line is the problems of a straight program, and what is known where it begins:
// one state goes along, and nothing of it is kept.
func Line(p *ir.Prog) *Analysis {
	f := EntryFacts(p, 0)
	begin := f
	a := &Analysis{p: p, In: []*Facts{&begin}}
	for i := range p.Insts {
		Step(p, i, &f, func(format string, args ...any) { a.Problems = append(a.Problems, problem(i, format, args...)) })
	}
	return a
}

// Problem is something the verifier would refuse. Two are the same trouble where
// What is the same, wherever an edit has moved the instruction.
type Problem struct {
	Insn int // index
	What string
}

// String begins with the place: "insn 4: …".
func (p Problem) String() string { return fmt.Sprintf("insn %d: %s", p.Insn, p.What) }

func problem(i int, format string, args ...any) Problem {
	return Problem{i, fmt.Sprintf(format, args...)}
}

// bin computes a number op b of width w; everything unknown gives the top.
func bin(op uint8, a, b Value, w int) Value {
	m := ^uint64(0) >> (64 - w)
	res := fits(w)
	if a.IsConst() && b.IsConst() {
		if v, ok := FoldALU(op, a.Known&m, b.Known&m, w); ok {
			return constant(v)
		}
		return res
	}
	trunc := func(v Value) Value {
		if w == 64 {
			return v
		}
		t := Value{Kind: Scalar, Unknown: v.Unknown & m, Known: v.Known & m, Max: m}
		if v.Max <= m {
			t.Min, t.Max = v.Min, v.Max
		}
		return t.Norm()
	}
	a, b = trunc(a), trunc(b)
	switch op {
	case ebpf.ALUMov:
		return b
	case ebpf.ALUAnd:
		z := (^a.Unknown & ^a.Known) | (^b.Unknown & ^b.Known)
		one := a.Known & b.Known
		res = Value{Kind: Scalar, Unknown: (a.Unknown | b.Unknown) &^ z, Known: one, Max: min(a.Max, b.Max)}
	case ebpf.ALUOr:
		one := a.Known | b.Known
		res = Value{Kind: Scalar, Unknown: (a.Unknown | b.Unknown) &^ one, Known: one, Min: max(a.Min, b.Min), Max: m}
	case ebpf.ALUXor:
		res = Value{Kind: Scalar, Unknown: a.Unknown | b.Unknown, Known: a.Known ^ b.Known, Max: m}
	case ebpf.ALUAdd:
		if s, c := bits.Add64(a.Max, b.Max, 0); c == 0 && s <= m {
			res.Min, res.Max = a.Min+b.Min, s
		}
		tz := min(bits.TrailingZeros64(a.Unknown|a.Known), bits.TrailingZeros64(b.Unknown|b.Known))
		if tz < 64 {
			res.Unknown &^= 1<<tz - 1
		}
	case ebpf.ALUSub:
		if a.Min >= b.Max {
			res.Min, res.Max = a.Min-b.Max, a.Max-b.Min
		}
	case ebpf.ALUMul:
		if hi, lo := bits.Mul64(a.Max, b.Max); hi == 0 && lo <= m {
			res.Min, res.Max = a.Min*b.Min, lo
		}
	case ebpf.ALUDiv:
		if b.IsConst() && b.Known != 0 {
			res.Min, res.Max = a.Min/b.Known, a.Max/b.Known
		}
	case ebpf.ALUMod:
		if b.IsConst() && b.Known != 0 {
			res.Max = min(a.Max, b.Known-1)
		}
	case ebpf.ALULsh:
		if b.IsConst() && b.Known < uint64(w) {
			k := b.Known
			res.Unknown, res.Known = a.Unknown<<k&m, a.Known<<k&m
			if bits.Len64(a.Max)+int(k) <= w {
				res.Min, res.Max = a.Min<<k, a.Max<<k
			}
		}
	case ebpf.ALURsh:
		if b.IsConst() && b.Known < uint64(w) {
			k := b.Known
			res.Unknown, res.Known = a.Unknown>>k, a.Known>>k
			res.Min, res.Max = a.Min>>k, a.Max>>k
		}
	case ebpf.ALUArsh:
		if b.IsConst() && b.Known < uint64(w) && a.Max < uint64(1)<<(w-1) {
			return bin(ebpf.ALURsh, a, b, w)
		}
	}
	return res.Norm()
}

// FoldALU computes an operation on constants; false where it isn't known here.
func FoldALU(op uint8, x, y uint64, w int) (uint64, bool) {
	m := ^uint64(0) >> (64 - w)
	sh := y & uint64(w-1)
	switch op {
	case ebpf.ALUMov:
		return y, true
	case ebpf.ALUAdd:
		return (x + y) & m, true
	case ebpf.ALUSub:
		return (x - y) & m, true
	case ebpf.ALUMul:
		return x * y & m, true
	case ebpf.ALUAnd:
		return x & y, true
	case ebpf.ALUOr:
		return x | y, true
	case ebpf.ALUXor:
		return x ^ y, true
	case ebpf.ALULsh:
		return x << sh & m, true
	case ebpf.ALURsh:
		return x >> sh, true
	case ebpf.ALUArsh:
		return uint64(int64(x<<(64-w))>>(64-w)>>sh) & m, true
	case ebpf.ALUDiv:
		if y == 0 {
			return 0, true
		}
		return x / y, true
	case ebpf.ALUMod:
		if y == 0 {
			return x, true
		}
		return x % y, true
	}
	return 0, false
}

// Step is the forward transfer of a non-branching instruction. complain is
// told what the verifier would refuse; nil when nobody listens.
func Step(p *ir.Prog, i int, f *Facts, complain func(string, ...any)) {
	in := &p.Insts[i]
	say := func(format string, args ...any) {
		if complain != nil {
			complain(format, args...)
		}
	}
	read := func(r uint8) Value {
		v := f.R[r]
		if v.Kind == Unreadable {
			say("r%d is not readable", r)
		}
		return v
	}
	if in.Fixed { // what the loader makes of it isn't known
		if in.Op == ebpf.OpCall {
			args := f.R
			for r := 1; r <= 5; r++ {
				f.R[r] = Value{}
				if args[r].Kind == Stack || args[r].Kind == Anything {
					f.blur(true)
					for k := range f.init {
						f.init[k] = ^uint64(0)
					}
				}
			}
			f.R[0] = anything(in)
			f.losePacket()
			return
		}
		if d := ir.DefReg(in); d >= 0 {
			f.R[d] = anything(in)
		} else {
			f.blur(true)
		}
		return
	}
	switch in.Class() {
	case ebpf.ClassALU, ebpf.ClassALU64:
		w := 64
		if in.Class() == ebpf.ClassALU {
			w = 32
		}
		op := in.ALUOp()
		if in.Dst == 10 {
			say("r10 is read-only")
			return
		}
		var b Value
		if op == ebpf.ALUNeg || op == ebpf.ALUEnd {
			b = constant(0)
		} else if in.Op&ebpf.SrcX != 0 {
			b = read(in.Src)
		} else {
			b = constant(uint64(int64(in.Imm)))
			if w == 32 {
				b = constant(uint64(uint32(in.Imm)))
			}
		}
		var a Value
		if op != ebpf.ALUMov {
			a = read(in.Dst)
		} else {
			a = constant(0)
		}
		f.R[in.Dst] = alu(p, i, in, op, a, b, w, say)
	case ebpf.ClassLD:
		switch {
		case in.Op == ir.Nop:
		case in.Op == ebpf.OpLDDW:
			switch in.Src {
			case ebpf.PseudoNone:
				f.R[in.Dst] = constant(in.Const64())
			case ebpf.PseudoMapFD:
				f.R[in.Dst] = Value{Kind: Map, MapID: in.Imm}
			case ebpf.PseudoMapValue:
				f.R[in.Dst] = Value{Kind: MapValue, MapID: in.Imm, Off: int64(in.Hi), Site: -2}
			default:
				f.R[in.Dst] = anything(in)
			}
		default: // LD_ABS, LD_IND: r6 is the context, r0 the result, r1-r5 are gone
			if f.R[6].Kind != Ctx && f.R[6].Kind != Anything {
				say("LD_ABS needs the context in r6")
			}
			for r := 1; r <= 5; r++ {
				f.R[r] = Value{}
			}
			f.R[0] = fits(32)
		}
	case ebpf.ClassLDX:
		base := read(in.Src)
		access(p, in, base, int64(in.Off), in.Size(), false, f, say)
		v := fits(8 * in.Size())
		if in.Mode() == ebpf.ModeMEMSX {
			v = Top()
		}
		switch base.Kind {
		case Stack:
			if lo, ok := StackBytes(base.Off+int64(in.Off), in.Size()); ok && base.VarOf == 0 {
				if in.Size() == 8 && lo%8 == 0 && f.Spill[lo/8].Kind != Unreadable {
					v = f.Spill[lo/8]
				}
			} else {
				v = loaded(base, int64(in.Off))
			}
		case Ctx:
			if k, ok := CtxPointer(p.Kind, base.Off+int64(in.Off), in.Size()); ok && base.VarOf == 0 {
				if v = (Value{Kind: k}); k == Anything {
					v = loaded(base, int64(in.Off))
				}
			} else if p.Kind != ir.KindXDP && p.Kind != ir.KindSKB && in.Size() == 8 {
				v = loaded(base, int64(in.Off))
			}
		case Anything:
			if _, ok := CtxPointer(p.Kind, int64(in.Off), in.Size()); ok || in.Size() == 8 {
				v = loaded(base, int64(in.Off)) // perhaps the context's packet pointers
			}
		case MapValue:
			if in.Size() == 8 {
				v = loaded(base, int64(in.Off)) // could be a kptr
				if p.Kind != ir.KindTracing {
					v = Top()
				}
			}
		}
		f.R[in.Dst] = v
		if in.Dst == 10 {
			say("r10 is read-only")
		}
	case ebpf.ClassST, ebpf.ClassSTX:
		if in.IsAtomic() && in.Imm == ebpf.AtomicLoadAcq { // a load in a store's clothes
			base := read(in.Src)
			access(p, in, base, int64(in.Off), in.Size(), false, f, say)
			f.R[in.Dst] = Top()
			if in.Size() == 8 {
				f.R[in.Dst] = loaded(base, int64(in.Off))
			}
			return
		}
		base := read(in.Dst)
		v := constant(uint64(int64(in.Imm)))
		if in.Class() == ebpf.ClassSTX {
			v = read(in.Src)
		}
		access(p, in, base, int64(in.Off), in.Size(), true, f, say)
		if v.isPtr() && base.Kind != Stack && base.Kind != Anything && p.Kind != ir.KindTracing {
			say("leaks a pointer into %s", kindNames[base.Kind])
		}
		if v.isPtr() && base.Kind == Stack && in.Size() != 8 {
			say("stores part of a pointer on the stack")
		}
		if base.Kind == Stack || base.Kind == Anything {
			lo, ok := StackBytes(base.Off+int64(in.Off), in.Size())
			if !ok || base.VarOf != 0 || base.Kind == Anything {
				f.blur(base.Kind == Anything && (v.isPtr() || v.Kind == Anything))
			} else {
				for k := lo / 8; k <= (lo+in.Size()-1)/8; k++ {
					f.Spill[k] = Value{}
				}
				if in.Size() == 8 && lo%8 == 0 && !in.IsAtomic() {
					f.Spill[lo/8] = v
				}
				setBits(&f.init, lo, in.Size())
			}
		}
		if in.IsAtomic() {
			if base.Kind == Ctx || base.Kind == Packet {
				say("atomic on %s", kindNames[base.Kind])
			}
			if v.isPtr() {
				say("atomic with a pointer operand")
			}
			if base.Kind == MapValue && base.VarOf == 0 && (base.Off+int64(in.Off))%int64(in.Size()) != 0 {
				say("misaligned atomic at %d, %d bytes", base.Off+int64(in.Off), in.Size())
			}
			if in.Imm == ebpf.AtomicCmpXchg {
				f.R[0] = Top()
			} else if in.Imm&ebpf.AtomicFetch != 0 {
				f.R[in.Src] = Top()
			}
		}
	case ebpf.ClassJMP, ebpf.ClassJMP32:
		switch in.Op {
		case ebpf.OpExit:
			if read(0); f.R[0].isPtr() && p.Kind != ir.KindConst && p.Kind != ir.KindTracing && int32(i) >= p.Entry[0] && len(p.Entry) == 1 {
				say("leaks a pointer as the return value")
			}
		case ebpf.OpCall:
			call(p, i, in, f, say)
		case ebpf.OpCallX:
			for r := 0; r <= 5; r++ {
				f.R[r] = Value{}
			}
			f.blur(true)
			f.losePacket()
			f.R[0] = anything(in)
		}
	}
}

func alu(p *ir.Prog, i int, in *ir.Inst, op uint8, a, b Value, w int, say func(string, ...any)) Value {
	if a.Kind == Unreadable && op != ebpf.ALUMov || b.Kind == Unreadable {
		return Value{Kind: Anything, Site: sourceMixed}
	}
	switch op {
	case ebpf.ALUMov:
		if in.Off != 0 {
			return Top()
		}
		if w == 64 {
			return b
		}
		if b.Kind != Scalar {
			say("takes 32 bits of %v", b)
			return fits(32)
		}
		return bin(op, a, b, 32)
	case ebpf.ALUNeg:
		if a.IsConst() {
			return constant(-a.Known & (^uint64(0) >> (64 - w)))
		}
		if a.Kind != Scalar {
			say("negates %v", a)
		}
		return fits(w)
	case ebpf.ALUEnd:
		if a.isPtr() {
			say("swaps the bytes of a pointer")
		}
		if in.Class() == ebpf.ClassALU && in.Op&ebpf.SrcX == 0 { // to little endian: cuts
			return bin(ebpf.ALUAnd, scalarOr(a), fits(int(in.Imm)), 64)
		}
		s := scalarOr(a)
		n := uint(in.Imm)
		return Value{Kind: Scalar, Unknown: bits.ReverseBytes64(s.Unknown) >> (64 - n), Known: bits.ReverseBytes64(s.Known) >> (64 - n),
			Max: ^uint64(0) >> (64 - n)}.Norm()
	}
	if op == ebpf.ALUSub && w == 32 && (a.Kind != Scalar || b.Kind != Scalar) {
		return fits(32) // of pointers too: who may know them gets a number (adjust_ptr_min_max_vals)
	}
	if a.Kind == Anything || b.Kind == Anything {
		return aluAnything(op, a, b, w, say)
	}
	if a.isPtr() || b.isPtr() {
		if w == 32 || op != ebpf.ALUAdd && op != ebpf.ALUSub {
			say("arithmetic on %s", kindNames[max(a.Kind, b.Kind)])
			return Top()
		}
		if a.isPtr() && b.isPtr() {
			if op == ebpf.ALUSub && (a.Kind == b.Kind || a.Kind+b.Kind == Packet+PacketEnd) {
				return Top()
			}
			say("arithmetic on two pointers")
			return Top()
		}
		ptr, n := a, b
		if b.isPtr() {
			if op == ebpf.ALUSub {
				say("subtracts a pointer from a number")
				return Top()
			}
			ptr, n = b, a
		}
		if ptr.Kind == PacketEnd || ptr.Kind == Map {
			say("arithmetic on %s", kindNames[ptr.Kind])
			return Top()
		}
		if ptr.Null {
			say("arithmetic on a value pointer that may be null")
		}
		if n.IsConst() {
			if op == ebpf.ALUSub {
				ptr.Off -= int64(n.Known)
			} else {
				ptr.Off += int64(n.Known)
			}
			if ptr.VarOf == -1 {
				ptr.VarOf = p.ID(i) + 1
				ptr.Off = 0
			}
			return ptr
		}
		ptr.VarOf, ptr.Off, ptr.Range = p.ID(i)+1, 0, 0
		return ptr
	}
	if (op == ebpf.ALUDiv || op == ebpf.ALUMod) && in.Off != 0 {
		return fits(w)
	}
	return bin(op, a, b, w)
}

// aluAnything is arithmetic on what may be a pointer. The verifier knows what it
// is, and took what the program did with it: what the program adds to is no end
// of the packet, and what it only subtracts may be.
func aluAnything(op uint8, a, b Value, w int, say func(string, ...any)) Value {
	if op == ebpf.ALUSub {
		say("subtracts %v from %v", b, a)
		if a.Kind == Scalar { // it was one too, then
			return Top()
		}
		return Value{Kind: Anything, Site: sourceMixed}
	}
	what := "adds to %v"
	if op != ebpf.ALUAdd || w == 32 {
		what = "arithmetic on %v"
	}
	for _, v := range []Value{a, b} {
		if v.Kind != Scalar {
			say(what, v)
		}
	}
	if w == 32 || op != ebpf.ALUAdd { // those are for numbers
		return fits(w)
	}
	return Value{Kind: Anything, Site: sourceMixed}
}

func scalarOr(v Value) Value {
	if v.Kind == Scalar {
		return v
	}
	return Top()
}

// access checks one memory access as the verifier does, where that needs no
// packet bounds (those are checked against the original's accesses).
func access(p *ir.Prog, in *ir.Inst, base Value, off int64, n int, store bool, f *Facts, say func(string, ...any)) {
	at := base.Off + off
	switch base.Kind {
	case Scalar:
		say("memory access through a number")
	case Map, PacketEnd:
		say("memory access through %s", kindNames[base.Kind])
	case Stack:
		if base.VarOf != 0 {
			return
		}
		lo, ok := StackBytes(at, n)
		if !ok {
			say("stack access at %+d, %d bytes", at, n)
			return
		}
		if lo%n != 0 {
			say("misaligned stack access at %+d, %d bytes", at, n)
		}
		if (!store || in.IsAtomic()) && !allBits(&f.init, lo, n) {
			say("reads stack bytes at %+d that may never have been written", at)
		}
	case Ctx:
		if store && in.Class() == ebpf.ClassST {
			say("BPF_ST to the context")
		}
		if base.VarOf != 0 {
			say("context access at a variable offset")
		} else if at%int64(n) != 0 || at < 0 {
			say("misaligned context access at %d, %d bytes", at, n)
		} else if p.Kind == ir.KindXDP && (n != 4 || at > 20) {
			say("context field at %d can't be accessed with %d bytes", at, n)
		}
	case Packet:
		if !p.Trace && (at+int64(n) > base.Range || at < 0 && base.VarOf == 0) {
			say("packet access at %d, %d bytes, further than was checked", at, n)
		}
	case MapValue:
		if base.Null {
			say("value pointer may be null")
		}
		if base.VarOf == 0 && base.MapID >= 0 && int(base.MapID) < len(p.Maps) {
			if at < 0 || at+int64(n) > int64(p.Maps[base.MapID].ValueSize) && !isGlobal(p, base) {
				say("value of %d bytes accessed at %d, %d bytes", p.Maps[base.MapID].ValueSize, at, n)
			}
		}
	}
}

func isGlobal(p *ir.Prog, v Value) bool { return v.Site == -2 }

// CtxPointer says which context fields are packet pointers.
func CtxPointer(k ir.Kind, off int64, n int) (valKind, bool) {
	if n != 4 {
		return 0, false
	}
	switch {
	case k == ir.KindXDP && off == 0, k == ir.KindSKB && off == 76:
		return Packet, true
	case k == ir.KindXDP && off == 4, k == ir.KindSKB && off == 80:
		return PacketEnd, true
	case k == ir.KindXDP && off == 8, k == ir.KindSKB && off == 140:
		return Anything, true // data_meta
	}
	return 0, false
}

func call(p *ir.Prog, i int, in *ir.Inst, f *Facts, say func(string, ...any)) {
	args := f.R
	for r := 1; r <= 5; r++ {
		f.R[r] = Value{}
	}
	f.R[0] = anything(in)
	h := ir.HelperOf(in)
	row := in.Called()
	switch {
	case row == nil:
	case row.Ret == ebpf.RetNothing:
		defer func() { f.R[0] = Value{} }()
	case row.Ret == ebpf.RetScalar:
		f.R[0] = Top()
	}
	if row == nil || row.Moves() {
		f.losePacket()
	}
	if in.Src != ebpf.CallHelper || h == nil {
		// Whoever is called may write where an argument points to.
		for r := 1; r <= 5; r++ {
			if args[r].Kind == Stack || args[r].Kind == Anything {
				f.blur(in.Src != ebpf.CallHelper || row == nil || row.Flow == ebpf.CallsBack)
				if args[r].Kind == Stack && args[r].VarOf == 0 && in.Src == ebpf.CallHelper {
					// an out buffer: the verifier takes it as written
					if lo, ok := StackBytes(args[r].Off, 1); ok {
						n := 512 - lo
						if r < 5 && args[r+1].IsConst() && args[r+1].Known <= uint64(n) {
							n = int(args[r+1].Known)
						}
						setBits(&f.init, lo, n)
					}
				} else {
					f.init = [8]uint64{}
					for k := range f.init {
						f.init[k] = ^uint64(0)
					}
				}
			}
		}
		return
	}
	mapID := int32(-1)
	for k, arg := range h.Args {
		v := args[k+1]
		if arg.Kind != ebpf.NoArg && v.Kind == Unreadable {
			say("r%d is not readable at the call of %s", k+1, h.Name)
			continue
		}
		switch {
		case arg.Kind == ebpf.ConstMap:
			if v.Kind == Map {
				mapID = v.MapID
			} else if v.Kind != Anything {
				say("r%d is %s where %s wants a map", k+1, kindNames[v.Kind], h.Name)
			}
		case arg.Kind == ebpf.Context:
			if v.Kind != Ctx && v.Kind != Anything || v.Off != 0 {
				say("r%d is %s where %s wants the context", k+1, kindNames[v.Kind], h.Name)
			}
		case ir.IsNumber(arg):
			if v.isPtr() {
				say("r%d is %s where %s wants a number", k+1, kindNames[v.Kind], h.Name)
			}
		case ir.IsMemory(arg):
			memoryArg(p, h, k, mapID, &args, f, say)
		}
	}
	if ir.IsLookup(h) {
		f.R[0] = Value{Kind: MapValue, Null: true, MapID: mapID, Site: p.ID(i)}
		if mapID < 0 || int(mapID) >= len(p.Maps) || ir.MapOfOther(p.Maps[mapID].Type) {
			f.R[0] = anything(in)
		}
	} else {
		f.R[0] = Top()
	}
}

// memoryArg is an argument that points to memory (check_helper_mem_access,
// kernel/bpf/verifier.c): what the verifier asks of it, and what is known of the
// memory after the call. Where its size is 0 the pointer is checked all the same.
func memoryArg(p *ir.Prog, h *ebpf.Helper, k int, mapID int32, args *[11]Value, f *Facts, say func(string, ...any)) {
	arg, v := h.Args[k], args[k+1]
	n := argBytes(p, h, k, mapID, args)
	known := n > 0 || h.SizeArg(uint8(k+1)) != 0 && args[k+2].IsConst() && args[k+2].Known == 0
	switch {
	case v.Kind == Stack && v.VarOf == 0 && n > 0:
		lo, ok := StackBytes(v.Off, n)
		if !ok {
			say("%s reads the stack at %+d, %d bytes", h.Name, v.Off, n)
			break
		}
		if arg.Reads && !allBits(&f.init, lo, n) {
			say("%s reads stack bytes at %+d that may never have been written", h.Name, v.Off)
		}
		if arg.Writes {
			setBits(&f.init, lo, n)
			for s := lo / 8; s <= (lo+n-1)/8; s++ {
				f.Spill[s] = Value{}
			}
		}
	case v.Kind == Stack && v.VarOf == 0 && known && (v.Off < -512 || v.Off >= 0):
		say("%s is given no byte of the stack, at %+d", h.Name, v.Off)
	case arg.Writes && (v.Kind == Stack || v.Kind == Anything):
		f.blur(false)
	case v.Kind == Scalar && !(v.IsConst() && v.Known == 0):
		say("r%d is a number where %s wants memory", k+1, h.Name)
	case v.Kind == Scalar && !arg.Null:
		say("r%d is 0 where %s wants memory", k+1, h.Name)
	}
	switch v.Kind {
	case Ctx, PacketEnd, Map, Anything: // even where no byte of it is used
		say("r%d is %s where %s wants memory", k+1, kindNames[v.Kind], h.Name)
	case Packet:
		if p.Trace {
			break
		}
		if known && v.Off+int64(n) > v.Range {
			say("%s wants %d bytes of the packet at %d, further than was checked", h.Name, n, v.Off)
		}
		if !known {
			// The key of a map that isn't known here is known to the verifier:
			// a program must go on checking what it does check.
			say("%s wants bytes of the packet, nobody knows how many, of %d that were checked", h.Name, max(0, v.Range-v.Off))
		}
	}
	if v.Null {
		say("r%d may be null at the call of %s", k+1, h.Name)
	}
}

// argBytes is how many bytes argument k of helper h points to; 0 unknown.
func argBytes(p *ir.Prog, h *ebpf.Helper, k int, mapID int32, args *[11]Value) int {
	arg := h.Args[k]
	switch {
	case arg.Kind == ebpf.MapKey || arg.Kind == ebpf.MapValue:
		if mapID < 0 || int(mapID) >= len(p.Maps) {
			return 0
		}
		if arg.Kind == ebpf.MapKey {
			return int(p.Maps[mapID].KeySize)
		}
		return int(p.Maps[mapID].ValueSize)
	case arg.Size != 0:
		return int(arg.Size)
	case arg.Kind == ebpf.Mem:
		if size := args[k+2]; size.IsConst() && size.Known <= 512 {
			return int(size.Known)
		}
	}
	return 0
}

// Branch refines the facts on one side of a conditional jump; ok turns false
// where that side can't be taken.
func Branch(in *ir.Inst, f *Facts, taken bool) {
	op := in.JmpOp()
	d := &f.R[in.Dst]
	var s Value
	if in.Op&ebpf.SrcX != 0 {
		s = f.R[in.Src]
	} else if in.Class() == ebpf.ClassJMP32 {
		s = constant(uint64(uint32(in.Imm)))
	} else {
		s = constant(uint64(int64(in.Imm)))
	}
	// null checks of value pointers: every copy from one lookup is decided
	if d.Kind == MapValue && s.IsConst() && s.Known == 0 && (op == ebpf.JmpEQ || op == ebpf.JmpNE) && in.Class() == ebpf.ClassJMP {
		isNull := taken == (op == ebpf.JmpEQ)
		if !d.Null {
			if isNull {
				f.Reached = false
			}
			return
		}
		site := d.Site
		fix := func(v *Value) {
			if v.Kind == MapValue && v.Null && v.Site == site && site >= 0 {
				if isNull {
					*v = constant(0)
				} else {
					v.Null = false
				}
			}
		}
		if site < 0 {
			if isNull {
				*d = constant(0)
			} else {
				d.Null = false
			}
			return
		}
		for i := range f.R {
			fix(&f.R[i])
		}
		for i := range f.Spill {
			fix(&f.Spill[i])
		}
		return
	}
	if in.Class() == ebpf.ClassJMP && (d.Kind == Packet && s.Kind == PacketEnd || d.Kind == PacketEnd && s.Kind == Packet) {
		packetCheck(in, f, taken)
		return
	}
	if d.Kind != Scalar || s.Kind != Scalar {
		return
	}
	if in.Class() == ebpf.ClassJMP32 {
		if d.Max > 0xffffffff || s.Max > 0xffffffff {
			return
		}
	}
	if !taken {
		op = ir.Negated(op)
		if op == 0 {
			return
		}
	}
	sv := s
	switch op {
	case ebpf.JmpEQ:
		m := Value{Kind: Scalar, Unknown: d.Unknown & sv.Unknown, Min: max(d.Min, sv.Min), Max: min(d.Max, sv.Max)}
		if (d.Known^sv.Known)&^d.Unknown&^sv.Unknown != 0 || m.Min > m.Max {
			f.Reached = false
			return
		}
		m.Known = (d.Known &^ d.Unknown) | (sv.Known &^ sv.Unknown)
		*d = m.Norm()
		if in.Op&ebpf.SrcX != 0 {
			f.R[in.Src] = *d
		}
		return
	case ebpf.JmpNE:
		if sv.IsConst() {
			if d.IsConst() && d.Known == sv.Known {
				f.Reached = false
				return
			}
			if d.Min == sv.Known && d.Min < d.Max {
				d.Min++
			}
			if d.Max == sv.Known && d.Max > d.Min {
				d.Max--
			}
		}
	case ebpf.JmpGT, ebpf.JmpGE, ebpf.JmpLT, ebpf.JmpLE:
		lo, hi := d, &sv
		strict := op == ebpf.JmpGT || op == ebpf.JmpLT
		if op == ebpf.JmpGT || op == ebpf.JmpGE {
			lo, hi = hi, lo
		}
		// lo < hi (or <=)
		top, bot := hi.Max, lo.Min
		if strict {
			if top == 0 || bot == ^uint64(0) {
				f.Reached = false
				return
			}
			top--
			bot++
		}
		lo.Max = min(lo.Max, top)
		hi.Min = max(hi.Min, bot)
		if lo.Min > lo.Max || hi.Min > hi.Max {
			f.Reached = false
			return
		}
		if in.Op&ebpf.SrcX != 0 {
			f.R[in.Src] = sv.Norm()
		}
	case ebpf.JmpSET:
		if sv.IsConst() && d.IsConst() && d.Known&sv.Known == 0 {
			f.Reached = false
			return
		}
	case ir.JmpNotSet:
		if sv.IsConst() {
			if d.Known&sv.Known&^d.Unknown != 0 {
				f.Reached = false
				return
			}
			d.Unknown &^= sv.Known
			d.Known &^= sv.Known
		}
	case ebpf.JmpSGT, ebpf.JmpSGE, ebpf.JmpSLT, ebpf.JmpSLE:
		if d.IsConst() && sv.IsConst() && in.Class() == ebpf.ClassJMP {
			x, y := int64(d.Known), int64(sv.Known)
			if !(op == ebpf.JmpSGT && x > y || op == ebpf.JmpSGE && x >= y || op == ebpf.JmpSLT && x < y || op == ebpf.JmpSLE && x <= y) {
				f.Reached = false
				return
			}
		}
	}
	*d = d.Norm()
}

// packetCheck notes how far the packet surely reaches where pkt <= end or
// pkt < end holds, in every pointer of the same base (find_good_pkt_pointers
// in kernel/bpf/verifier.c).
func packetCheck(in *ir.Inst, f *Facts, taken bool) {
	op := in.JmpOp()
	p := f.R[in.Dst]
	if p.Kind == PacketEnd {
		p = f.R[in.Src]
		op = ir.Swapped(op)
	}
	if !taken {
		op = ir.Negated(op)
	}
	n := p.Off
	switch op {
	case ebpf.JmpLE:
	case ebpf.JmpLT:
		n++
	default:
		return
	}
	fix := func(v *Value) {
		if v.Kind == Packet && v.VarOf == p.VarOf && v.VarOf >= 0 {
			v.Range = max(v.Range, n)
		}
	}
	for i := range f.R {
		fix(&f.R[i])
	}
	for i := range f.Spill {
		fix(&f.Spill[i])
	}
	if p.VarOf < 0 {
		r := in.Dst
		if f.R[r].Kind == PacketEnd {
			r = in.Src
		}
		f.R[r].Range = max(f.R[r].Range, n)
	}
}
