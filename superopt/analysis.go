package superopt

import (
	"fmt"
	"math/bits"

	"jitnic/host/ebpf"
)

// valKind is what a register holds.
type valKind uint8

const (
	kUninit valKind = iota // unreadable
	kScalar
	kStack
	kCtx
	kPkt
	kPktEnd
	kMap    // a map itself
	kMapVal // a pointer into a value
	kAny    // a number or a pointer, not known which
)

var kindNames = [...]string{"unreadable", "a number", "a stack pointer", "the context", "a packet pointer", "the packet's end", "a map", "a map value pointer", "unknown"}

// val is what is known of a register (or spill slot) wherever it is reached.
type val struct {
	kind  valKind
	null  bool  // kMapVal: may still be 0
	varOf int32 // pointers: 0, or the instruction (+1) that added a variable
	site  int32 // kMapVal: the lookup that made it, -1 unknown; kMap: unused
	mapID int32 // kMap; kMapVal: -1 where it may be a value of several
	off   int64 // pointers: constant offset (beside the variable)
	rng   int64 // kPkt: bytes from the (variable) base that were checked against the end
	// numbers: known bits (bits where unknown is 0 are those of known), and bounds
	unknown, known uint64
	min, max       uint64
}

func top() val              { return val{kind: kScalar, unknown: ^uint64(0), max: ^uint64(0)} }
func constant(v uint64) val { return val{kind: kScalar, known: v, min: v, max: v} }
func (v val) isConst() bool { return v.kind == kScalar && v.unknown == 0 }
func (v val) isPtr() bool {
	return v.kind >= kStack && v.kind <= kMapVal
}

// norm brings bits and bounds of a number in line.
func (v val) norm() val {
	if v.kind != kScalar {
		return v
	}
	v.known &^= v.unknown
	v.min = max(v.min, v.known)
	v.max = min(v.max, v.known|v.unknown)
	if v.min > v.max { // an impossible path: anything holds
		return constant(v.known)
	}
	if v.min == v.max {
		return constant(v.min)
	}
	if hi := v.min ^ v.max; hi != 0 { // common leading bits are known
		m := ^uint64(0) << bits.Len64(hi)
		v.unknown &^= m
		v.known = v.known&^m | v.min&m
	}
	return v
}

func fits(n int) val { // a number of n bits
	m := ^uint64(0) >> (64 - n)
	return val{kind: kScalar, unknown: m, max: m}
}

func join(a, b val) val {
	if a == b {
		return a
	}
	if a.kind == kUninit || b.kind == kUninit {
		return val{}
	}
	if a.kind == kScalar && b.kind == kScalar {
		return val{kind: kScalar, unknown: a.unknown | b.unknown | (a.known ^ b.known), known: a.known & b.known,
			min: min(a.min, b.min), max: max(a.max, b.max)}.norm()
	}
	// a value pointer or its null
	if a.kind == kMapVal && b.isConst() && b.known == 0 {
		a.null = true
		return a
	}
	if b.kind == kMapVal && a.isConst() && a.known == 0 {
		b.null = true
		return b
	}
	if a.kind == b.kind && a.isPtr() && a.mapID == b.mapID {
		a.null = a.null || b.null
		if a.site != b.site {
			a.site = -1
		}
		if a.off != b.off || a.varOf != b.varOf {
			a.rng = max(0, min(a.rng-a.off, b.rng-b.off))
			a.varOf, a.off = -1, 0
		}
		a.rng = min(a.rng, max(0, b.rng))
		return a
	}
	if a.kind == kMapVal && b.kind == kMapVal { // of some map
		return val{kind: kMapVal, null: a.null || b.null, mapID: -1, site: -1, varOf: -1}
	}
	return val{kind: kAny}
}

// facts is what is known at one point of the program.
type facts struct {
	ok    bool // reached
	r     [11]val
	spill [64]val   // 8-byte stack slots, slot 0 at fp-512; kUninit: bytes, see init
	init  [8]uint64 // stack bytes surely written, bit 0 at fp-512
}

func joinFacts(a, b *facts) facts {
	if !a.ok {
		return *b
	}
	if !b.ok {
		return *a
	}
	f := *a
	for i := range f.r {
		f.r[i] = join(a.r[i], b.r[i])
	}
	for i := range f.spill {
		f.spill[i] = join(a.spill[i], b.spill[i])
	}
	for i := range f.init {
		f.init[i] &= b.init[i]
	}
	return f
}

// widen gives up on bounds that keep growing in a loop.
func widen(old, new facts) facts {
	w := func(o, n val) val {
		if o == n {
			return n
		}
		if n.kind == kScalar {
			return top()
		}
		return n
	}
	for i := range new.r {
		new.r[i] = w(old.r[i], new.r[i])
	}
	for i := range new.spill {
		new.spill[i] = w(old.spill[i], new.spill[i])
	}
	return new
}

// losePacket: the packet may have moved; what pointed into it points nowhere
// that is known.
func (f *facts) losePacket() {
	lose := func(v *val) {
		if v.kind == kPkt || v.kind == kPktEnd {
			*v = val{kind: kAny}
		}
	}
	for i := range f.r {
		lose(&f.r[i])
	}
	for i := range f.spill {
		lose(&f.spill[i])
	}
}

func stackBytes(off int64, n int) (lo int, ok bool) {
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

// analysis is what forward and backward dataflow found.
type analysis struct {
	p      *Prog
	in     []facts // before each instruction
	live   []live  // after each instruction
	before []live  // before each instruction
	// problems are accesses the verifier would refuse: "insn 4: …".
	problems []string
	target   []bool // instructions jumps lead to, and where functions begin
}

// entryFacts is what holds where function f begins.
func (p *Prog) entryFacts(f int) facts {
	st := facts{ok: true}
	st.r[10] = val{kind: kStack}
	if f == 0 && !p.Sub {
		st.r[1] = val{kind: kCtx}
		if p.Kind == KindConst {
			st.r[1] = top()
		}
		return st
	}
	for i := 1; i <= 5; i++ {
		st.r[i] = val{kind: kAny}
	}
	return st
}

// analyse runs the forward pass. It always ends: loops are widened.
func analyse(p *Prog) *analysis {
	a := &analysis{p: p, in: make([]facts, len(p.Insts)+1)}
	visits := make([]int, len(p.Insts)+1)
	work := make([]bool, len(p.Insts)+1)
	push := func(to int, f *facts) {
		if to >= len(p.Insts) {
			return
		}
		old := a.in[to]
		n := joinFacts(&old, f)
		if n != old {
			if visits[to]++; visits[to] > 12 {
				n = widen(old, n)
			}
			a.in[to] = n
			work[to] = true
		}
	}
	// A function that is only called knows what its callers hand it.
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
	for i, e := range p.Entry {
		if i == 0 || !called[e] || taken[e] {
			f := p.entryFacts(i)
			push(int(e), &f)
		}
	}
	for again := true; again; {
		again = false
		for i := range p.Insts {
			if !work[i] {
				continue
			}
			work[i], again = false, true
			in := &p.Insts[i]
			if in.IsCondJump() {
				yes, no := a.in[i], a.in[i]
				branch(in, &yes, true)
				branch(in, &no, false)
				if yes.ok {
					push(int(in.To), &yes)
				}
				if no.ok {
					push(i+1, &no)
				}
				continue
			}
			f := a.in[i]
			if in.Op == ebpf.OpCall && in.To >= 0 {
				g := facts{ok: true}
				g.r[10] = val{kind: kStack}
				for r := 1; r <= 5; r++ {
					if g.r[r] = f.r[r]; f.r[r].kind == kStack { // of another frame
						g.r[r] = val{kind: kAny}
					}
				}
				push(int(in.To), &g)
			}
			p.step(i, &f, nil)
			if in.jumps() {
				push(int(in.To), &f)
			} else if !in.ends() {
				push(i+1, &f)
			}
		}
	}
	report := func(i int, format string, args ...any) {
		a.problems = append(a.problems, problem(i, format, args...))
	}
	for i := range p.Insts {
		if a.in[i].ok {
			f := a.in[i]
			p.step(i, &f, func(format string, args ...any) { report(i, format, args...) })
		}
	}
	return a
}

func problem(i int, format string, args ...any) string {
	return fmt.Sprintf("insn %d: ", i) + fmt.Sprintf(format, args...)
}

// bin computes a number op b of width w; everything unknown gives the top.
func bin(op uint8, a, b val, w int) val {
	m := ^uint64(0) >> (64 - w)
	res := fits(w)
	if a.isConst() && b.isConst() {
		if v, ok := foldALU(op, a.known&m, b.known&m, w); ok {
			return constant(v)
		}
		return res
	}
	trunc := func(v val) val {
		if w == 64 {
			return v
		}
		t := val{kind: kScalar, unknown: v.unknown & m, known: v.known & m, max: m}
		if v.max <= m {
			t.min, t.max = v.min, v.max
		}
		return t.norm()
	}
	a, b = trunc(a), trunc(b)
	switch op {
	case ebpf.ALUMov:
		return b
	case ebpf.ALUAnd:
		z := (^a.unknown & ^a.known) | (^b.unknown & ^b.known)
		one := a.known & b.known
		res = val{kind: kScalar, unknown: (a.unknown | b.unknown) &^ z, known: one, max: min(a.max, b.max)}
	case ebpf.ALUOr:
		one := a.known | b.known
		res = val{kind: kScalar, unknown: (a.unknown | b.unknown) &^ one, known: one, min: max(a.min, b.min), max: m}
	case ebpf.ALUXor:
		res = val{kind: kScalar, unknown: a.unknown | b.unknown, known: a.known ^ b.known, max: m}
	case ebpf.ALUAdd:
		if s, c := bits.Add64(a.max, b.max, 0); c == 0 && s <= m {
			res.min, res.max = a.min+b.min, s
		}
		tz := min(bits.TrailingZeros64(a.unknown|a.known), bits.TrailingZeros64(b.unknown|b.known))
		if tz < 64 {
			res.unknown &^= 1<<tz - 1
		}
	case ebpf.ALUSub:
		if a.min >= b.max {
			res.min, res.max = a.min-b.max, a.max-b.min
		}
	case ebpf.ALUMul:
		if hi, lo := bits.Mul64(a.max, b.max); hi == 0 && lo <= m {
			res.min, res.max = a.min*b.min, lo
		}
	case ebpf.ALUDiv:
		if b.isConst() && b.known != 0 {
			res.min, res.max = a.min/b.known, a.max/b.known
		}
	case ebpf.ALUMod:
		if b.isConst() && b.known != 0 {
			res.max = min(a.max, b.known-1)
		}
	case ebpf.ALULsh:
		if b.isConst() && b.known < uint64(w) {
			k := b.known
			res.unknown, res.known = a.unknown<<k&m, a.known<<k&m
			if bits.Len64(a.max)+int(k) <= w {
				res.min, res.max = a.min<<k, a.max<<k
			}
		}
	case ebpf.ALURsh:
		if b.isConst() && b.known < uint64(w) {
			k := b.known
			res.unknown, res.known = a.unknown>>k, a.known>>k
			res.min, res.max = a.min>>k, a.max>>k
		}
	case ebpf.ALUArsh:
		if b.isConst() && b.known < uint64(w) && a.max < uint64(1)<<(w-1) {
			return bin(ebpf.ALURsh, a, b, w)
		}
	}
	return res.norm()
}

// foldALU computes an operation on constants; false where it isn't known here.
func foldALU(op uint8, x, y uint64, w int) (uint64, bool) {
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

// step is the forward transfer of a non-branching instruction. complain is
// told what the verifier would refuse; nil when nobody listens.
func (p *Prog) step(i int, f *facts, complain func(string, ...any)) {
	in := &p.Insts[i]
	say := func(format string, args ...any) {
		if complain != nil {
			complain(format, args...)
		}
	}
	read := func(r uint8) val {
		v := f.r[r]
		if v.kind == kUninit {
			say("r%d is not readable", r)
		}
		return v
	}
	if in.Fixed { // what the loader makes of it isn't known
		if in.Op == ebpf.OpCall {
			args := f.r
			for r := 1; r <= 5; r++ {
				f.r[r] = val{}
				if args[r].kind == kStack || args[r].kind == kAny {
					f.spill = [64]val{}
					for k := range f.init {
						f.init[k] = ^uint64(0)
					}
				}
			}
			f.r[0] = val{kind: kAny}
			f.losePacket()
			return
		}
		if d := defReg(in); d >= 0 {
			f.r[d] = val{kind: kAny}
		} else {
			f.spill = [64]val{}
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
		var b val
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
		var a val
		if op != ebpf.ALUMov {
			a = read(in.Dst)
		} else {
			a = constant(0)
		}
		f.r[in.Dst] = p.alu(i, in, op, a, b, w, say)
	case ebpf.ClassLD:
		switch {
		case in.Op == Nop:
		case in.Op == ebpf.OpLDDW:
			switch in.Src {
			case ebpf.PseudoNone:
				f.r[in.Dst] = constant(in.Const64())
			case ebpf.PseudoMapFD:
				f.r[in.Dst] = val{kind: kMap, mapID: in.Imm}
			case ebpf.PseudoMapValue:
				f.r[in.Dst] = val{kind: kMapVal, mapID: in.Imm, off: int64(in.Hi), site: -2}
			default:
				f.r[in.Dst] = val{kind: kAny}
			}
		default: // LD_ABS, LD_IND: r6 is the context, r0 the result, r1-r5 are gone
			if f.r[6].kind != kCtx && f.r[6].kind != kAny {
				say("LD_ABS needs the context in r6")
			}
			for r := 1; r <= 5; r++ {
				f.r[r] = val{}
			}
			f.r[0] = fits(32)
		}
	case ebpf.ClassLDX:
		base := read(in.Src)
		p.access(in, base, int64(in.Off), in.Size(), false, f, say)
		v := fits(8 * in.Size())
		if in.Mode() == ebpf.ModeMEMSX {
			v = top()
		}
		switch base.kind {
		case kStack:
			if lo, ok := stackBytes(base.off+int64(in.Off), in.Size()); ok && base.varOf == 0 {
				if in.Size() == 8 && lo%8 == 0 && f.spill[lo/8].kind != kUninit {
					v = f.spill[lo/8]
				}
			} else {
				v = val{kind: kAny}
			}
		case kCtx:
			if k, ok := ctxPointer(p.Kind, base.off+int64(in.Off), in.Size()); ok && base.varOf == 0 {
				v = val{kind: k}
			} else if p.Kind != KindXDP && p.Kind != KindSKB && in.Size() == 8 {
				v = val{kind: kAny}
			}
		case kAny:
			if _, ok := ctxPointer(p.Kind, int64(in.Off), in.Size()); ok || in.Size() == 8 {
				v = val{kind: kAny} // perhaps the context's packet pointers
			}
		case kMapVal:
			if in.Size() == 8 {
				v = val{kind: kAny} // could be a kptr
				if p.Kind != KindTracing {
					v = top()
				}
			}
		}
		f.r[in.Dst] = v
		if in.Dst == 10 {
			say("r10 is read-only")
		}
	case ebpf.ClassST, ebpf.ClassSTX:
		if in.IsAtomic() && in.Imm == ebpf.AtomicLoadAcq { // a load in a store's clothes
			p.access(in, read(in.Src), int64(in.Off), in.Size(), false, f, say)
			f.r[in.Dst] = top()
			if in.Size() == 8 {
				f.r[in.Dst] = val{kind: kAny}
			}
			return
		}
		base := read(in.Dst)
		v := constant(uint64(int64(in.Imm)))
		if in.Class() == ebpf.ClassSTX {
			v = read(in.Src)
		}
		p.access(in, base, int64(in.Off), in.Size(), true, f, say)
		if v.isPtr() && base.kind != kStack && base.kind != kAny && p.Kind != KindTracing {
			say("leaks a pointer into %s", kindNames[base.kind])
		}
		if v.isPtr() && base.kind == kStack && in.Size() != 8 {
			say("stores part of a pointer on the stack")
		}
		if base.kind == kStack || base.kind == kAny {
			lo, ok := stackBytes(base.off+int64(in.Off), in.Size())
			if !ok || base.varOf != 0 || base.kind == kAny {
				for k := range f.spill {
					f.spill[k] = val{}
				}
			} else {
				for k := lo / 8; k <= (lo+in.Size()-1)/8; k++ {
					f.spill[k] = val{}
				}
				if in.Size() == 8 && lo%8 == 0 && !in.IsAtomic() {
					f.spill[lo/8] = v
				}
				setBits(&f.init, lo, in.Size())
			}
		}
		if in.IsAtomic() {
			if base.kind == kCtx || base.kind == kPkt {
				say("atomic on %s", kindNames[base.kind])
			}
			if v.isPtr() {
				say("atomic with a pointer operand")
			}
			if base.kind == kMapVal && base.varOf == 0 && (base.off+int64(in.Off))%int64(in.Size()) != 0 {
				say("misaligned atomic at %d, %d bytes", base.off+int64(in.Off), in.Size())
			}
			if in.Imm == ebpf.AtomicCmpXchg {
				f.r[0] = top()
			} else if in.Imm&ebpf.AtomicFetch != 0 {
				f.r[in.Src] = top()
			}
		}
	case ebpf.ClassJMP, ebpf.ClassJMP32:
		switch in.Op {
		case ebpf.OpExit:
			if read(0); f.r[0].isPtr() && p.Kind != KindConst && p.Kind != KindTracing && int32(i) >= p.Entry[0] && len(p.Entry) == 1 {
				say("leaks a pointer as the return value")
			}
		case ebpf.OpCall:
			p.call(i, in, f, say)
		case ebpf.OpCallX:
			for r := 0; r <= 5; r++ {
				f.r[r] = val{}
			}
			f.losePacket()
			f.r[0] = val{kind: kAny}
		}
	}
}

func (p *Prog) alu(i int, in *Inst, op uint8, a, b val, w int, say func(string, ...any)) val {
	if a.kind == kUninit && op != ebpf.ALUMov || b.kind == kUninit {
		return val{kind: kAny}
	}
	switch op {
	case ebpf.ALUMov:
		if in.Off != 0 {
			return top()
		}
		if w == 64 {
			return b
		}
		if b.kind != kScalar {
			if b.isPtr() {
				say("takes 32 bits of a pointer")
			} else {
				say("takes 32 bits of what may be a pointer")
			}
			return fits(32)
		}
		return bin(op, a, b, 32)
	case ebpf.ALUNeg:
		if a.isConst() {
			return constant(-a.known & (^uint64(0) >> (64 - w)))
		}
		if a.kind != kScalar {
			say("arithmetic on what may be a pointer")
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
		return val{kind: kScalar, unknown: bits.ReverseBytes64(s.unknown) >> (64 - n), known: bits.ReverseBytes64(s.known) >> (64 - n),
			max: ^uint64(0) >> (64 - n)}.norm()
	}
	if a.kind == kAny || b.kind == kAny {
		if w == 32 || op != ebpf.ALUAdd && op != ebpf.ALUSub { // bitwise operators and the like are for numbers
			say("arithmetic on what may be a pointer")
		}
		if w == 32 {
			return fits(32)
		}
		return val{kind: kAny}
	}
	if a.isPtr() || b.isPtr() {
		if w == 32 || op != ebpf.ALUAdd && op != ebpf.ALUSub {
			say("arithmetic on %s", kindNames[max(a.kind, b.kind)])
			return top()
		}
		if a.isPtr() && b.isPtr() {
			if op == ebpf.ALUSub && (a.kind == b.kind || a.kind+b.kind == kPkt+kPktEnd) {
				return top()
			}
			say("arithmetic on two pointers")
			return top()
		}
		ptr, n := a, b
		if b.isPtr() {
			if op == ebpf.ALUSub {
				say("subtracts a pointer from a number")
				return top()
			}
			ptr, n = b, a
		}
		if ptr.kind == kPktEnd || ptr.kind == kMap {
			say("arithmetic on %s", kindNames[ptr.kind])
			return top()
		}
		if ptr.null {
			say("arithmetic on a value pointer that may be null")
		}
		if n.isConst() {
			if op == ebpf.ALUSub {
				ptr.off -= int64(n.known)
			} else {
				ptr.off += int64(n.known)
			}
			if ptr.varOf == -1 {
				ptr.varOf = int32(i) + 1
				ptr.off = 0
			}
			return ptr
		}
		ptr.varOf, ptr.off, ptr.rng = int32(i)+1, 0, 0
		return ptr
	}
	if (op == ebpf.ALUDiv || op == ebpf.ALUMod) && in.Off != 0 {
		return fits(w)
	}
	return bin(op, a, b, w)
}

func scalarOr(v val) val {
	if v.kind == kScalar {
		return v
	}
	return top()
}

// access checks one memory access as the verifier does, where that needs no
// packet bounds (those are checked against the original's accesses).
func (p *Prog) access(in *Inst, base val, off int64, n int, store bool, f *facts, say func(string, ...any)) {
	at := base.off + off
	switch base.kind {
	case kScalar:
		say("memory access through a number")
	case kMap, kPktEnd:
		say("memory access through %s", kindNames[base.kind])
	case kStack:
		if base.varOf != 0 {
			return
		}
		lo, ok := stackBytes(at, n)
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
	case kCtx:
		if store && in.Class() == ebpf.ClassST {
			say("BPF_ST to the context")
		}
		if base.varOf != 0 {
			say("context access at a variable offset")
		} else if at%int64(n) != 0 || at < 0 {
			say("misaligned context access at %d, %d bytes", at, n)
		} else if p.Kind == KindXDP && (n != 4 || at > 20) {
			say("context field at %d can't be accessed with %d bytes", at, n)
		}
	case kPkt:
		if at+int64(n) > base.rng || at < 0 && base.varOf == 0 {
			say("packet access at %d, %d bytes, further than was checked", at, n)
		}
	case kMapVal:
		if base.null {
			say("value pointer may be null")
		}
		if base.varOf == 0 && base.mapID >= 0 && int(base.mapID) < len(p.Maps) {
			if at < 0 || at+int64(n) > int64(p.Maps[base.mapID].ValueSize) && !isGlobal(p, base) {
				say("value of %d bytes accessed at %d, %d bytes", p.Maps[base.mapID].ValueSize, at, n)
			}
		}
	}
}

func isGlobal(p *Prog, v val) bool { return v.site == -2 }

// ctxPointer says which context fields are packet pointers.
func ctxPointer(k Kind, off int64, n int) (valKind, bool) {
	if n != 4 {
		return 0, false
	}
	switch {
	case k == KindXDP && off == 0, k == KindSKB && off == 76:
		return kPkt, true
	case k == KindXDP && off == 4, k == KindSKB && off == 80:
		return kPktEnd, true
	case k == KindXDP && off == 8, k == KindSKB && off == 140:
		return kAny, true // data_meta
	}
	return 0, false
}

func (p *Prog) call(i int, in *Inst, f *facts, say func(string, ...any)) {
	args := f.r
	for r := 1; r <= 5; r++ {
		f.r[r] = val{}
	}
	f.r[0] = val{kind: kAny}
	h := helperOf(in.Imm)
	if in.Src == ebpf.CallHelper && noResult[in.Imm] {
		defer func() { f.r[0] = val{} }()
	}
	if in.Src != ebpf.CallHelper || !keepsPacket(in.Imm) {
		f.losePacket()
	}
	if in.Src != ebpf.CallHelper || h == nil {
		// Whoever is called may write where an argument points to.
		for r := 1; r <= 5; r++ {
			if args[r].kind == kStack || args[r].kind == kAny {
				f.spill = [64]val{}
				if args[r].kind == kStack && args[r].varOf == 0 && in.Src == ebpf.CallHelper {
					// an out buffer: the verifier takes it as written
					if lo, ok := stackBytes(args[r].off, 1); ok {
						n := 512 - lo
						if r < 5 && args[r+1].isConst() && args[r+1].known <= uint64(n) {
							n = int(args[r+1].known)
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
	for k, kind := range h.args {
		v := args[k+1]
		if kind != argNone && v.kind == kUninit {
			say("r%d is not readable at the call of %s", k+1, h.name)
			continue
		}
		switch kind {
		case argMap:
			if v.kind == kMap {
				mapID = v.mapID
			} else if v.kind != kAny {
				say("r%d is %s where %s wants a map", k+1, kindNames[v.kind], h.name)
			}
		case argCtx:
			if v.kind != kCtx && v.kind != kAny || v.off != 0 {
				say("r%d is %s where %s wants the context", k+1, kindNames[v.kind], h.name)
			}
		case argScalar, argSize:
			if v.isPtr() {
				say("r%d is %s where %s wants a number", k+1, kindNames[v.kind], h.name)
			}
		case argKey, argValue, argMem, argInOut, argMemOut:
			n := p.argBytes(h, k, mapID, &args)
			if v.kind == kStack && v.varOf == 0 && n > 0 {
				if lo, ok := stackBytes(v.off, n); !ok {
					say("%s reads the stack at %+d, %d bytes", h.name, v.off, n)
				} else {
					if (kind != argMemOut) && !allBits(&f.init, lo, n) {
						say("%s reads stack bytes at %+d that may never have been written", h.name, v.off)
					}
					if kind == argMemOut || kind == argInOut {
						setBits(&f.init, lo, n)
						for s := lo / 8; s <= (lo+n-1)/8; s++ {
							f.spill[s] = val{}
						}
					}
				}
			} else if (kind == argMemOut || kind == argInOut) && (v.kind == kStack || v.kind == kAny) {
				f.spill = [64]val{}
			} else if v.kind == kScalar && !(v.isConst() && v.known == 0) {
				say("r%d is a number where %s wants memory", k+1, h.name)
			}
			switch v.kind {
			case kCtx, kPktEnd, kMap, kAny: // even where no byte of it is used
				say("r%d is %s where %s wants memory", k+1, kindNames[v.kind], h.name)
			case kPkt:
				if n > 0 && v.off+int64(n) > v.rng {
					say("%s wants %d bytes of the packet at %d, further than was checked", h.name, n, v.off)
				}
				if n == 0 && !(k < 4 && h.args[k+1] == argSize && args[k+2].isConst()) {
					// The key of a map that isn't known here is known to the verifier:
					// a program must go on checking what it does check.
					say("%s wants bytes of the packet, nobody knows how many, of %d that were checked", h.name, max(0, v.rng-v.off))
				}
			}
			if v.null {
				say("r%d may be null at the call of %s", k+1, h.name)
			}
		}
	}
	if h.pure {
		f.r[0] = val{kind: kMapVal, null: true, mapID: mapID, site: int32(i)}
		if mapID < 0 || int(mapID) >= len(p.Maps) || mapOfOther(p.Maps[mapID].Type) {
			f.r[0] = val{kind: kAny}
		}
	} else {
		f.r[0] = top()
	}
}

// argBytes is how many bytes argument k of helper h points to; 0 unknown.
func (p *Prog) argBytes(h *helper, k int, mapID int32, args *[11]val) int {
	switch h.args[k] {
	case argKey, argValue:
		if mapID < 0 || int(mapID) >= len(p.Maps) {
			return 0
		}
		if h.args[k] == argKey {
			return int(p.Maps[mapID].KeySize)
		}
		return int(p.Maps[mapID].ValueSize)
	case argMem, argMemOut, argInOut:
		if k < 4 && args[k+2].isConst() && args[k+2].known <= 512 {
			return int(args[k+2].known)
		}
	}
	return 0
}

// branch refines the facts on one side of a conditional jump; ok turns false
// where that side can't be taken.
func branch(in *Inst, f *facts, taken bool) {
	op := in.JmpOp()
	d := &f.r[in.Dst]
	var s val
	if in.Op&ebpf.SrcX != 0 {
		s = f.r[in.Src]
	} else if in.Class() == ebpf.ClassJMP32 {
		s = constant(uint64(uint32(in.Imm)))
	} else {
		s = constant(uint64(int64(in.Imm)))
	}
	// null checks of value pointers: every copy from one lookup is decided
	if d.kind == kMapVal && s.isConst() && s.known == 0 && (op == ebpf.JmpEQ || op == ebpf.JmpNE) && in.Class() == ebpf.ClassJMP {
		isNull := taken == (op == ebpf.JmpEQ)
		if !d.null {
			if isNull {
				f.ok = false
			}
			return
		}
		site := d.site
		fix := func(v *val) {
			if v.kind == kMapVal && v.null && v.site == site && site >= 0 {
				if isNull {
					*v = constant(0)
				} else {
					v.null = false
				}
			}
		}
		if site < 0 {
			if isNull {
				*d = constant(0)
			} else {
				d.null = false
			}
			return
		}
		for i := range f.r {
			fix(&f.r[i])
		}
		for i := range f.spill {
			fix(&f.spill[i])
		}
		return
	}
	if in.Class() == ebpf.ClassJMP && (d.kind == kPkt && s.kind == kPktEnd || d.kind == kPktEnd && s.kind == kPkt) {
		packetCheck(in, f, taken)
		return
	}
	if d.kind != kScalar || s.kind != kScalar {
		return
	}
	if in.Class() == ebpf.ClassJMP32 {
		if d.max > 0xffffffff || s.max > 0xffffffff {
			return
		}
	}
	if !taken {
		op = negated(op)
		if op == 0 {
			return
		}
	}
	sv := s
	switch op {
	case ebpf.JmpEQ:
		m := val{kind: kScalar, unknown: d.unknown & sv.unknown, min: max(d.min, sv.min), max: min(d.max, sv.max)}
		if (d.known^sv.known)&^d.unknown&^sv.unknown != 0 || m.min > m.max {
			f.ok = false
			return
		}
		m.known = (d.known &^ d.unknown) | (sv.known &^ sv.unknown)
		*d = m.norm()
		if in.Op&ebpf.SrcX != 0 {
			f.r[in.Src] = *d
		}
		return
	case ebpf.JmpNE:
		if sv.isConst() {
			if d.isConst() && d.known == sv.known {
				f.ok = false
				return
			}
			if d.min == sv.known && d.min < d.max {
				d.min++
			}
			if d.max == sv.known && d.max > d.min {
				d.max--
			}
		}
	case ebpf.JmpGT, ebpf.JmpGE, ebpf.JmpLT, ebpf.JmpLE:
		lo, hi := d, &sv
		strict := op == ebpf.JmpGT || op == ebpf.JmpLT
		if op == ebpf.JmpGT || op == ebpf.JmpGE {
			lo, hi = hi, lo
		}
		// lo < hi (or <=)
		top, bot := hi.max, lo.min
		if strict {
			if top == 0 || bot == ^uint64(0) {
				f.ok = false
				return
			}
			top--
			bot++
		}
		lo.max = min(lo.max, top)
		hi.min = max(hi.min, bot)
		if lo.min > lo.max || hi.min > hi.max {
			f.ok = false
			return
		}
		if in.Op&ebpf.SrcX != 0 {
			f.r[in.Src] = sv.norm()
		}
	case ebpf.JmpSET:
		if sv.isConst() && d.isConst() && d.known&sv.known == 0 {
			f.ok = false
			return
		}
	case JmpNotSet:
		if sv.isConst() {
			if d.known&sv.known&^d.unknown != 0 {
				f.ok = false
				return
			}
			d.unknown &^= sv.known
			d.known &^= sv.known
		}
	case ebpf.JmpSGT, ebpf.JmpSGE, ebpf.JmpSLT, ebpf.JmpSLE:
		if d.isConst() && sv.isConst() && in.Class() == ebpf.ClassJMP {
			x, y := int64(d.known), int64(sv.known)
			if !(op == ebpf.JmpSGT && x > y || op == ebpf.JmpSGE && x >= y || op == ebpf.JmpSLT && x < y || op == ebpf.JmpSLE && x <= y) {
				f.ok = false
				return
			}
		}
	}
	*d = d.norm()
}

// packetCheck notes how far the packet surely reaches where pkt <= end or
// pkt < end holds, in every pointer of the same base (find_good_pkt_pointers
// in kernel/bpf/verifier.c).
func packetCheck(in *Inst, f *facts, taken bool) {
	op := in.JmpOp()
	p := f.r[in.Dst]
	if p.kind == kPktEnd {
		p = f.r[in.Src]
		op = swapped(op)
	}
	if !taken {
		op = negated(op)
	}
	n := p.off
	switch op {
	case ebpf.JmpLE:
	case ebpf.JmpLT:
		n++
	default:
		return
	}
	fix := func(v *val) {
		if v.kind == kPkt && v.varOf == p.varOf && v.varOf >= 0 {
			v.rng = max(v.rng, n)
		}
	}
	for i := range f.r {
		fix(&f.r[i])
	}
	for i := range f.spill {
		fix(&f.spill[i])
	}
	if p.varOf < 0 {
		r := in.Dst
		if f.r[r].kind == kPktEnd {
			r = in.Src
		}
		f.r[r].rng = max(f.r[r].rng, n)
	}
}
