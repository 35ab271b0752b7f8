package progen

import (
	"math/rand/v2"

	"jitnic/host/ebpf"
	"jitnic/host/maps"
)

// The registers. r6 holds the context throughout; r7 to r9 survive calls.
const (
	r0 = iota
	r1
	r2
	r3
	r4
	r5
	r6
	r7
	r8
	r9
	r10
)

// kind is what the verifier will take a register or a stack slot for.
type kind uint8

const (
	none kind = iota // not initialised, or a mix of paths: not to be read
	scalar
	ctx
	pkt    // data + off; base says which variable part is in it
	pktEnd // data_end
	value  // into the value of a map, or into a caller's stack
	inner  // a map out of a map of maps, like map m
)

// reg is the abstract value of a register.
type reg struct {
	k    kind
	base int // of a pkt: state.room[base] bytes from its base are checked; negative: it has a variable part
	off  int // of a pkt or value: constant part
	m    int // of a value or inner: map index; of a value -1: a caller's stack
	from field
}

// field is where in the packet at the start a scalar was loaded from; size 0
// is nowhere in particular.
type field struct {
	off, size int
	swapped   bool // read as a big-endian integer
}

// Stack bytes: what may be read.
const (
	unset uint8 = iota
	data
	spilled // part of a pointer that was saved
)

const stackBytes = 192

// state is what is known at one point of the program being made, on every
// path that leads there. It is stricter than the verifier's, which looks at
// each path for itself.
type state struct {
	r     [10]reg
	stack [stackBytes]uint8 // stack[i] is the byte at r10-1-i
	saved [stackBytes / 8]reg
	room  map[int]int // bytes checked from a packet base
	shift int         // data now less data at the start, after adjust_head
	lost  bool        // shift is no longer known
}

func (s *state) clone() *state {
	c := *s
	c.room = make(map[int]int, len(s.room))
	for k, v := range s.room {
		c.room[k] = v
	}
	return &c
}

// join keeps what holds on both paths.
func (s *state) join(o *state) {
	for i := range s.r {
		s.r[i] = joinReg(s.r[i], o.r[i])
	}
	for i := range s.stack {
		if s.stack[i] != o.stack[i] {
			s.stack[i] = unset
		}
	}
	for i := range s.saved {
		if s.saved[i] != o.saved[i] {
			s.saved[i] = reg{}
			for b := range 8 {
				if s.stack[i*8+b] == spilled {
					s.stack[i*8+b] = unset
				}
			}
		}
	}
	for b, n := range s.room {
		s.room[b] = min(n, o.room[b])
	}
	s.lost = s.lost || o.lost || s.shift != o.shift
}

func joinReg(a, b reg) reg {
	if a.k == scalar && b.k == scalar && a.from != b.from {
		a.from = field{}
	}
	if a != b {
		return reg{}
	}
	return a
}

// dropPackets forgets every packet pointer, as the verifier does after a
// helper that moves the packet.
func (s *state) dropPackets() {
	for i := range s.r {
		if s.r[i].k == pkt || s.r[i].k == pktEnd {
			s.r[i] = reg{}
		}
	}
	for i, r := range s.saved {
		if r.k == pkt || r.k == pktEnd {
			s.saved[i] = reg{}
			for b := range 8 {
				s.stack[i*8+b] = unset
			}
		}
	}
	clear(s.room)
}

// dropTemps is what a call leaves: r0 is the result, r1 to r5 are gone.
func (s *state) dropTemps() {
	for i := r0; i <= r5; i++ {
		s.r[i] = reg{}
	}
	s.r[r0] = reg{k: scalar}
}

// callerBytes is how much of its stack a function hands to a callback.
const callerBytes = 16

// valueSize is the number of bytes that r, a value, points into.
func (g *gen) valueSize(r reg) int {
	if r.m < 0 {
		return callerBytes
	}
	return int(g.maps[r.m].ValueSize)
}

// label is a place jumps go to.
type label struct{ refs []int }

// gen makes one function.
type gen struct {
	*shared
	code  []ebpf.Insn
	st    *state
	out   label      // the common exit
	stack int        // bytes of stack this function may use
	fn    int        // index into shared.subs, -1 in an entry function
	entry bool       // may make tail calls
	loop  int        // loops around this point
	fixed [10]bool   // registers whose kind must stay: loop invariants
	calls []callSite // of subprograms, to be linked
	left  int        // statements that may still be made
	moved bool       // has made a call that moves the packet
	back  bool       // is a callback
}

type callSite struct{ pc, sub int }

// shared is what all functions of an object have in common.
type shared struct {
	rnd   *rand.Rand
	opt   Options
	maps  []*maps.Spec
	subs  []*sub // of the program being made
	bases int    // packet bases so far

	fields  []Compared // constants packets are compared with
	lengths []int      // lengths packets are compared with
	keys    []keyField // where in the packet map keys come from
}

// sub is a subprogram and what it takes.
type sub struct {
	args  int  // scalars, in r1…, or r2… behind the context
	ctx   bool // r1 is the context
	back  bool // a callback: called by a helper, returns 0 or 1
	moved bool // moves the packet
	code  []ebpf.Insn
	calls []callSite
}

// Compared is a constant that the program compares with bytes of the packet.
type Compared struct {
	Off, Size int
	Value     uint64 // as the little-endian integer at Off
}

// keyField says that Size bytes at Off become a key of map Map.
type keyField struct{ m, off, size int }

func (g *gen) n(n int) int            { return g.rnd.IntN(n) }
func (g *gen) chance(in float64) bool { return g.rnd.Float64() < in }

func pick[T any](g *gen, of ...T) T { return of[g.n(len(of))] }

func (g *gen) emit(in ebpf.Insn) int {
	g.code = append(g.code, in)
	return len(g.code) - 1
}

// jump emits a jump to l, whose place comes later.
func (g *gen) jump(in ebpf.Insn, l *label) { l.refs = append(l.refs, g.emit(in)) }

// goTo emits an unconditional jump to l, the long form now and then.
func (g *gen) goTo(l *label) {
	op := ebpf.OpJA
	if g.opt.V4 && g.chance(0.2) {
		op = ebpf.OpJA32
	}
	g.jump(ebpf.Insn{Op: op}, l)
}

// place makes l stand here.
func (g *gen) place(l *label) {
	for _, at := range l.refs {
		if d := len(g.code) - at - 1; g.code[at].Op == ebpf.OpJA32 {
			g.code[at].Imm = int32(d)
		} else {
			g.code[at].Off = int16(d)
		}
	}
}

// Emitting.

func (g *gen) mov(dst, src int) {
	g.emit(ebpf.Insn{Op: ebpf.ClassALU64 | ebpf.ALUMov | ebpf.SrcX, Dst: uint8(dst), Src: uint8(src)})
	g.st.r[dst] = g.st.get(src)
}

// get is the abstract value of a register, r10 included.
func (s *state) get(r int) reg {
	if r == r10 {
		return reg{}
	}
	return s.r[r]
}

func (g *gen) movImm(dst int, v int32) {
	g.emit(ebpf.Insn{Op: ebpf.ClassALU64 | ebpf.ALUMov, Dst: uint8(dst), Imm: v})
	g.set(dst, reg{k: scalar})
}

func (g *gen) aluImm(op uint8, dst int, v int32) {
	g.emit(ebpf.Insn{Op: ebpf.ClassALU64 | op, Dst: uint8(dst), Imm: v})
}

func (g *gen) aluReg(op uint8, dst, src int) {
	g.emit(ebpf.Insn{Op: ebpf.ClassALU64 | op | ebpf.SrcX, Dst: uint8(dst), Src: uint8(src)})
}

func (g *gen) set(dst int, r reg) {
	if dst < r10 {
		g.st.r[dst] = r
	}
}

var sizeBits = map[int]uint8{1: ebpf.SizeB, 2: ebpf.SizeH, 4: ebpf.SizeW, 8: ebpf.SizeDW}

func (g *gen) ldx(size, dst, src, off int) {
	g.emit(ebpf.Insn{Op: ebpf.ClassLDX | ebpf.ModeMEM | sizeBits[size], Dst: uint8(dst), Src: uint8(src), Off: int16(off)})
}

func (g *gen) stx(size, dst, off, src int) {
	g.emit(ebpf.Insn{Op: ebpf.ClassSTX | ebpf.ModeMEM | sizeBits[size], Dst: uint8(dst), Src: uint8(src), Off: int16(off)})
}

func (g *gen) st8(size, dst, off int, v int32) {
	g.emit(ebpf.Insn{Op: ebpf.ClassST | ebpf.ModeMEM | sizeBits[size], Dst: uint8(dst), Off: int16(off), Imm: v})
}

func (g *gen) loadMap(dst, m int) {
	g.emit(ebpf.Insn{Op: ebpf.OpLDDW, Dst: uint8(dst), Src: ebpf.PseudoMapFD, Imm: int32(m)})
	g.emit(ebpf.Insn{})
	g.set(dst, reg{})
}

func (g *gen) helper(id int32) {
	g.emit(ebpf.Insn{Op: ebpf.OpCall, Imm: id})
	g.st.dropTemps()
}

// Choosing registers.

// scalars lists the registers that hold one and may be written if write.
func (g *gen) regs(k kind, write bool) []int {
	var out []int
	for i, r := range g.st.r {
		if r.k == k && i != r6 && !(write && g.fixed[i] && (r.k != scalar)) {
			out = append(out, i)
		}
	}
	return out
}

// dst picks a register to be overwritten with a scalar.
func (g *gen) dst() int {
	for {
		r := g.n(10)
		if r == r6 || g.fixed[r] && g.st.r[r].k != scalar || g.isCounter(r) {
			continue
		}
		if k := g.st.r[r].k; k != none && k != scalar && g.chance(0.8) {
			continue // pointers are dear
		}
		return r
	}
}

// ptrDst picks a register for a pointer: one that survives calls where that
// changes no loop invariant.
func (g *gen) ptrDst() int {
	if g.loop == 0 && g.chance(0.7) {
		return pick(g, r7, r8, r9)
	}
	return pick(g, r2, r3, r4, r5)
}

// temp picks one of r1 to r5, not one of those.
func (g *gen) temp(not ...int) int {
next:
	for {
		r := r1 + g.n(5)
		for _, o := range not {
			if r == o {
				continue next
			}
		}
		return r
	}
}

// isCounter: loop counters are fixed and of kind ctx in no case; they are
// marked by the field's size.
func (g *gen) isCounter(r int) bool { return g.fixed[r] && g.st.r[r].from.size == counter }

// counter marks a loop counter in reg.from.size.
const counter = -1

// aScalar returns a register that holds a scalar, made on the spot if need be.
func (g *gen) aScalar() int {
	if rs := g.regs(scalar, false); len(rs) > 0 && g.chance(0.9) {
		return rs[g.n(len(rs))]
	}
	if g.chance(0.5) && g.loadPacket() {
		if rs := g.regs(scalar, false); len(rs) > 0 {
			return rs[g.n(len(rs))]
		}
	}
	d := g.dst()
	g.movImm(d, g.imm())
	return d
}

// ownScalar returns a scalar register that may be changed.
func (g *gen) ownScalar() int {
	var rs []int
	for _, r := range g.regs(scalar, true) {
		if !g.isCounter(r) {
			rs = append(rs, r)
		}
	}
	if len(rs) > 0 && g.chance(0.9) {
		return rs[g.n(len(rs))]
	}
	d := g.dst()
	g.movImm(d, g.imm())
	return d
}

// imm is a constant that is likely to matter: small, a boundary, a protocol
// number, or anything.
func (g *gen) imm() int32 {
	switch g.n(6) {
	case 0, 1:
		return int32(g.n(17))
	case 2:
		return pick[int32](g, -1, -2, 1<<31-1, -1<<31, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xffff, 0x10000)
	case 3:
		return pick[int32](g, 0x0800, 0x0008, 0x86dd, -0x2234, 0x8100, 6, 17, 58, 80, 0x5000, 0x45, 0x3c, 60, 20)
	case 4:
		return int32(1) << g.n(31)
	}
	return int32(g.rnd.Uint32())
}
