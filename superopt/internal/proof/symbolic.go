package proof

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"jitnic/host/ebpf"
	"jitnic/host/maps"
	"jitnic/host/points"
	"jitnic/pathcond"
	"jitnic/pathcond/bv"
	"jitnic/superopt/internal/ir"
)

// The symbolic semantics of a fragment: instructions [s, e) of a program,
// without loops, entered at s. Every path is followed at once; states meet at
// join points as if-then-else terms. What leaves the fragment is one state for
// each place it can go to.
//
// Memory is bytes, a list of writes for each region over what was there
// before. Addresses are a region's base plus an offset term, so that equal
// offsets are equal numbers to the term builder and only real questions of
// aliasing reach the solver. The regions are the four accelerations of K2:
// they are switched in [Accel].

// Accel switches K2's four accelerations of a proof (its Table 3). All on is
// the default; the ablation turns them off one by one.
type Accel struct {
	Regions bool // memory split by region
	Maps    bool // map values split by map
	Offsets bool // concrete offsets are compared before the solver sees them
	Windows bool // proofs of windows, not of whole programs
}

// AllAccel has everything on.
func AllAccel() Accel { return Accel{true, true, true, true} }

// regions of memory
const (
	StackRegion = iota
	ContextRegion
	PacketRegion
	rgMap // + map index
)

// input numbers of the term builder
const (
	inReg     = 0x100 // + register at entry
	inStack   = 0x200 // base of the stack: r10
	inCtx     = 0x201
	inPkt     = 0x202
	inPktEnd  = 0x203
	inWorld   = 0x204 // everything helpers can see and change
	inMeta    = 0x205
	VarInput  = 0x10000 // + instruction that made the variable part of a pointer
	inSite    = 1 << 60 // + map<<32 + lookup
	inMapPtr  = 0x30000 // + map index
	inGlobal  = 0x40000 // + map index: address of its first value
	inFresh   = 0x50000
	inHide    = 0x60000
	UserInput = 0x1000000 // a trace's own inputs
	inSome    = 1 << 55   // + register: a value of one map or another
)

// function numbers: kind in the high half
const (
	memFun    = 1 << 32  // + region: byte at (offset, version)
	fnOther   = 2 << 32  // + size: load through a pointer of no known region
	fnLookup  = 3 << 32  // + map: value address of (key…, version)
	fnRet     = 4 << 32  // + helper: r0 of (world, args…)
	fnWorld   = 5 << 32  // + helper: world after (world, args…)
	fnVersion = 6 << 32  // + region: version after a call
	fnOut     = 7 << 32  // + index: byte written by a helper
	fnDigest  = 8 << 32  // + region: what a helper sees of a region
	fnSome    = 10 << 32 // byte of (address, world) in a value of one map or another
)

// addrFact: no pointer is near 0 or the top of the address space, in the
// kernel or in host/vm, so pointer + small offset never wraps.
var addrFact = bv.Fact{Min: 1 << 16, Max: ^uint64(0) - 1<<16}

type memWrite struct {
	guard bv.Term // width 1
	off   bv.Term // width 64
	val   bv.Term // width 8
	word  bv.Term // what was stored, of which this is byte k
	k     uint8
}

type region struct {
	ver    bv.Term // version of what lies below the writes
	writes []memWrite
}

// State is what a path of the fragment has made so far.
type State struct {
	PC    bv.Term
	R     [11]bv.Term // 0: unreadable
	mem   []region
	world bv.Term
	// known is how many writes of each region only say what was there at entry.
	known []int
	// stale: something unknown ran, which may have moved the packet.
	stale bool
}

// NoteKnown takes the writes so far as knowledge, not as stores.
func (s *State) NoteKnown() {
	s.known = make([]int, len(s.mem))
	for i := range s.mem {
		s.known[i] = len(s.mem[i].writes)
	}
}

// Clone is a state that goes on by itself; the writes so far are shared.
func (s *State) Clone() *State {
	n := *s
	n.mem = make([]region, len(s.mem))
	for i, m := range s.mem {
		n.mem[i] = region{m.ver, m.writes[:len(m.writes):len(m.writes)]}
	}
	return &n
}

// Access is one memory access, for the check that a rewrite touches
// nothing the original does not.
type Access struct {
	guard bv.Term
	rg    int
	off   bv.Term
	n     int
	store bool
	top   bool // by r10 itself
}

// Machine makes terms for one proof: both sides share it.
type Machine struct {
	B    *bv.Builder
	p    *ir.Prog
	acc  Accel
	zero bv.Term
	One  bv.Term

	stopped *atomic.Bool // it gives up; nil: never

	// Havoc: what isn't modelled gives unknown values instead of an error.
	Havoc bool
	// Steps counts instructions followed: what a proof by terms costs, on every
	// machine the same.
	Steps int
	// digests are what helpers saw so far, of the original and of the rewrite.
	// vague: some were not compared with all, so that they may be equal where
	// their terms are not.
	digests  []digest
	vague    bool
	compared int
	fresh    uint64
	// line: a trace from beginning to end. The stack above r10 holds the frames of
	// its inlined calls, which end with it; what was stored whole is loaded whole.
	line bool
	// lemmas are terms proved equal, each with what stands for it.
	lemmas   map[bv.Term]bv.Term
	OnBranch func(i int, pc, c bv.Term)
}

// NewMachine makes a machine for proofs about p.
func NewMachine(p *ir.Prog, acc Accel) *Machine {
	b := bv.NewBuilder()
	return &Machine{B: b, p: p, acc: acc, zero: b.Bool(false), One: b.Bool(true)}
}

// refusedError is what no verifier takes: where the original does it not, a
// rewrite that does is refuted.
type refusedError struct{ what string }

// Error says what no verifier takes.
func (e *refusedError) Error() string { return e.what }

var errLoop = errors.New("the fragment has a loop")

// Entry is the symbolic state where f holds.
func (m *Machine) Entry(f *points.Facts, loopFree bool) *State {
	s := &State{PC: m.One, mem: make([]region, rgMap+len(m.p.Maps)), world: m.B.Input(inWorld, 64, bv.Fact{})}
	for i := range s.mem {
		s.mem[i].ver = m.B.Const(0, 64)
	}
	for i := range f.R {
		s.R[i] = m.value(&f.R[i], inReg+uint64(i), loopFree)
	}
	// What is known of spilled registers is known of the bytes.
	for i := range f.Spill {
		if f.Spill[i].Kind != points.Unreadable {
			t := m.value(&f.Spill[i], inReg+0x10+uint64(i), loopFree)
			m.put(s, StackRegion, m.hide(m.B.Const(uint64(int64(i*8-512)), 64)), t, 8)
		}
	}
	s.NoteKnown()
	return s
}

// base is the address a region's offsets count from.
func (m *Machine) base(rg int) bv.Term {
	switch rg {
	case StackRegion:
		return m.B.Input(inStack, 64, addrFact)
	case ContextRegion:
		return m.B.Input(inCtx, 64, addrFact)
	case PacketRegion:
		return m.B.Input(inPkt, 64, addrFact)
	}
	return 0
}

// value is the term of a register of which v is known.
func (m *Machine) value(v *points.Value, id uint64, loopFree bool) bv.Term {
	b := m.B
	plus := func(t bv.Term) bv.Term {
		if v.Base != 0 {
			vid := uint64(inFresh) + id
			if v.Base > 0 && loopFree {
				vid = VarInput + uint64(v.Base)
			}
			t = b.Bin(bv.OpAdd, t, b.Input(vid, 64, bv.Fact{}))
		}
		return b.Bin(bv.OpAdd, t, b.Const(uint64(v.Off), 64))
	}
	switch v.Kind {
	case points.Unreadable:
		return 0
	case points.Scalar:
		if v.Unknown == 0 {
			return b.Const(v.Known, 64)
		}
		f := bv.Fact{Min: v.Min, Max: v.Max, Zeros: ^(v.Unknown | v.Known)}
		if v.Known != 0 {
			t := b.Input(id, 64, bv.Fact{})
			t = b.Bin(bv.OpAnd, t, b.Const(v.Unknown, 64))
			return b.Bin(bv.OpOr, t, b.Const(v.Known, 64))
		}
		return b.Input(id, 64, f)
	case points.Stack:
		return plus(m.base(StackRegion))
	case points.Ctx:
		return plus(m.base(ContextRegion))
	case points.Packet:
		return plus(m.base(PacketRegion))
	case points.PacketEnd:
		return b.Input(inPktEnd, 64, addrFact)
	case points.Map:
		return b.Input(inMapPtr+uint64(v.Map), 64, addrFact)
	case points.MapValue:
		if v.Site == points.Direct {
			return plus(b.Input(inGlobal+uint64(v.Map), 64, addrFact))
		}
		f := addrFact
		if v.Null {
			f = bv.Fact{}
		}
		if v.Map < 0 {
			return plus(b.Input(inSome+id, 64, f))
		}
		site := freshID(v.Map, id) // may be any value of the map
		if v.Site >= 0 && loopFree {
			site = siteID(v.Map, v.Site)
		}
		return plus(b.Input(site, 64, f))
	}
	return b.Input(id, 64, bv.Fact{}) // Anything
}

// siteID numbers a lookup's result, freshID a value pointer of unknown origin.
func siteID(mapID, site int32) uint64 {
	return inSite | uint64(uint32(mapID))<<32 | uint64(uint32(site))
}
func freshID(mapID int32, id uint64) uint64 { return inSite | uint64(uint32(mapID))<<32 | 1<<31 | id }

// siteMap says which map an input of value's making points into.
func siteMap(id uint64) (int, bool) {
	switch {
	case id >= inSite:
		return int(id >> 32 & 0xfffffff), true
	case id >= inGlobal && id < inFresh:
		return int(id - inGlobal), true
	}
	return 0, false
}

// Locate splits an address into region and offset. Map values keep their
// whole address as offset: two lookups of one map may give one value.
func (m *Machine) Locate(addr bv.Term) (int, bv.Term, error) {
	b := m.B
	var rest bv.Term = b.Const(0, 64)
	rg, some := -1, false
	var walk func(t bv.Term) bool
	walk = func(t bv.Term) bool {
		switch b.Op(t) {
		case bv.OpAdd:
			a := b.Args(t)
			return walk(a[0]) && walk(a[1])
		case bv.OpInput:
			r := -1
			switch id := b.K(t); {
			case id == inStack:
				r = StackRegion
			case id == inCtx:
				r = ContextRegion
			case id == inPkt:
				r = PacketRegion
			default:
				if mp, ok := siteMap(id); ok {
					r = rgMap + mp
				}
				some = some || id >= inSome && id < inSome+0x100000
			}
			if r >= 0 {
				if rg >= 0 {
					return false
				}
				rg = r
				if r >= rgMap {
					rest = b.Bin(bv.OpAdd, rest, t)
				}
				return true
			}
		case bv.OpFun:
			if id := b.K(t); id>>32 == fnLookup>>32 {
				if rg >= 0 {
					return false
				}
				rg = rgMap + int(id&0xffffffff)
			}
		}
		rest = b.Bin(bv.OpAdd, rest, t)
		return true
	}
	if !walk(addr) {
		return 0, 0, fmt.Errorf("an address with two bases")
	}
	if rg >= 0 {
		return rg, rest, nil
	}
	if some {
		return 0, 0, errSomeMap
	}
	// A choice between two places of one region.
	if b.Op(rest) == bv.OpIte || b.Op(rest) == bv.OpAdd {
		base, c := b.SplitAdd(rest)
		if base != 0 && b.Op(base) == bv.OpIte {
			a := b.Args(base)
			r1, o1, e1 := m.Locate(a[1])
			r2, o2, e2 := m.Locate(a[2])
			if e1 == nil && e2 == nil && r1 == r2 {
				return r1, b.Bin(bv.OpAdd, b.Ite(a[0], o1, o2), b.Const(c, 64)), nil
			}
		}
	}
	return 0, 0, errNoRegion
}

var (
	errNoRegion = errors.New("an address of no known region")
	errSomeMap  = errors.New("an address in one map or another")
)

// get reads n bytes as a term of 8n bits.
func (m *Machine) get(s *State, rg int, off bv.Term, n int) bv.Term {
	b := m.B
	if n == 8 || n > 1 && m.line { // a word that was stored whole is itself: pointers keep their base
		if t := m.stored(s, rg, off, n); t != 0 {
			return t
		}
	}
	var t bv.Term
	for i := 0; i < n; i++ {
		byt := m.getByte(s, rg, b.Bin(bv.OpAdd, off, b.Const(uint64(i), 64)))
		if i == 0 {
			t = byt
		} else {
			t = b.Concat(byt, t)
		}
	}
	return t
}

// stored is the word of n bytes that one store surely left at off; 0 where
// there is none.
func (m *Machine) stored(s *State, rg int, off bv.Term, n int) bv.Term {
	b := m.B
	var word bv.Term
	for k := uint8(0); int(k) < n; k++ {
		w := m.lastWrite(s, rg, b.Bin(bv.OpAdd, off, b.Const(uint64(k), 64)))
		if w == nil || w.k != k || b.Width(w.word) != 64 || k > 0 && w.word != word {
			return 0
		}
		word = w.word
	}
	return m.low(word, n)
}

// low is the low n bytes of a word. A word that was put together of bytes is cut
// between them, so that half of a wide copy is what a narrow one would be.
func (m *Machine) low(word bv.Term, n int) bv.Term {
	b := m.B
	if n == 8 || b.Op(word) != bv.OpConcat {
		return b.Extract(word, 0, 8*n)
	}
	t := b.Extract(word, 0, 8)
	for i := 1; i < n; i++ {
		t = b.Concat(b.Extract(word, 8*i, 8), t)
	}
	return t
}

// lastWrite is the write whose byte surely lies at off, or nil.
func (m *Machine) lastWrite(s *State, rg int, off bv.Term) *memWrite {
	mem := &s.mem[rg]
	for i := len(mem.writes) - 1; i >= 0; i-- {
		w := &mem.writes[i]
		switch m.hits(w, off) {
		case m.zero:
		case m.One:
			return w
		default:
			return nil
		}
	}
	return nil
}

func (m *Machine) getByte(s *State, rg int, off bv.Term) bv.Term {
	b := m.B
	mem := &s.mem[rg]
	type choice struct{ c, v bv.Term }
	var pick []choice
	res := bv.Term(0)
	for i := len(mem.writes) - 1; i >= 0; i-- {
		w := &mem.writes[i]
		c := m.hits(w, off)
		if k, ok := b.IsConst(c); ok {
			if k == 0 {
				continue
			}
			res = w.val
			break
		}
		pick = append(pick, choice{c, w.val})
	}
	if res == 0 {
		res = m.Initial(rg, off, mem.ver)
	}
	for i := len(pick) - 1; i >= 0; i-- {
		res = b.Ite(pick[i].c, pick[i].v, res)
	}
	return res
}

// hits is the predicate that a write is made, and at off. Most questions are of
// places at constant distances, and need no term.
func (m *Machine) hits(w *memWrite, off bv.Term) bv.Term {
	b := m.B
	if w.guard == m.One {
		if off == w.off {
			return m.One
		}
		x, xc := b.SplitAdd(off)
		if y, yc := b.SplitAdd(w.off); x == y && xc != yc {
			return m.zero
		}
	}
	return b.AndB(w.guard, b.Bin(bv.OpEq, off, w.off))
}

// Byte is what stands in memory: the byte at off of a region.
func (m *Machine) Byte(s *State, rg int, off bv.Term) bv.Term { return m.getByte(s, rg, off) }

// Initial is a byte as it was before any write.
func (m *Machine) Initial(rg int, off, ver bv.Term) bv.Term {
	b := m.B
	if b.Op(ver) == bv.OpIte {
		a := b.Args(ver)
		return b.Ite(a[0], m.Initial(rg, off, a[1]), m.Initial(rg, off, a[2]))
	}
	id := rg
	if !m.acc.Regions {
		id = 0
	} else if !m.acc.Maps && rg >= rgMap {
		id = rgMap
	}
	if id != rg { // one array for several regions: the region is part of the index
		return b.Fun(memFun+uint64(id), 8, bv.Fact{}, off, ver, b.Const(uint64(rg), 64))
	}
	return b.Fun(memFun+uint64(id), 8, bv.Fact{}, off, ver)
}

// put writes the low n bytes of t.
func (m *Machine) put(s *State, rg int, off, t bv.Term, n int) {
	m.putIf(s, rg, off, t, n, m.One)
}

// putIf is put where guard holds.
func (m *Machine) putIf(s *State, rg int, off, t bv.Term, n int, guard bv.Term) {
	b := m.B
	for i := 0; i < n; i++ {
		s.mem[rg].writes = append(s.mem[rg].writes, memWrite{guard, b.Bin(bv.OpAdd, off, b.Const(uint64(i), 64)), b.Extract(t, 8*i, 8), t, uint8(i)})
	}
}

// exitState is what reaches one place outside the fragment.
type exitState struct {
	pc bv.Term
	st *State
}

// Run follows the fragment. Exits are keyed by target index; the end of the
// program by -1.
func (m *Machine) Run(p *ir.Prog, s, e int, start *State) (map[int]exitState, []Access, error) {
	order, err := order(p, s, e)
	if err != nil {
		return nil, nil, err
	}
	in := map[int]*State{s: start}
	out := map[int]exitState{}
	var acc []Access
	flow := func(to int, st *State) {
		if st.PC == m.zero {
			return
		}
		if to >= s && to < e && to != s {
			if old := in[to]; old != nil {
				st = m.merge(old, st)
			}
			in[to] = st
			return
		}
		if old, ok := out[to]; ok {
			st = m.merge(old.st, st)
		}
		out[to] = exitState{st.PC, st}
	}
	for _, i := range order {
		if m.stopped != nil && m.stopped.Load() {
			return nil, nil, errInterrupted
		}
		st := in[i]
		if st == nil {
			continue
		}
		delete(in, i)
		ins := &p.Insts[i]
		switch {
		case ins.Op == ebpf.OpExit:
			flow(-1, st)
		case ins.Op == ebpf.OpJA || ins.Op == ebpf.OpJA32:
			flow(int(ins.To), st)
		case ins.IsCondJump():
			if int(ins.To) == i+1 { // both ways lead there
				flow(i+1, st)
				continue
			}
			c, err := m.cond(ins, st)
			if err != nil {
				return nil, nil, fmt.Errorf("insn %d: %w", i, err)
			}
			if m.OnBranch != nil {
				m.OnBranch(i, st.PC, c)
			}
			yes, no := st.Clone(), st
			yes.PC = m.B.AndB(st.PC, c)
			no.PC = m.B.AndB(st.PC, m.B.Not(c))
			flow(int(ins.To), yes)
			flow(i+1, no)
		default:
			if err := m.Step(p, i, ins, st, &acc); err != nil {
				if !m.Havoc {
					return nil, nil, fmt.Errorf("insn %d: %w", i, err)
				}
				m.forget(ins, st)
			}
			flow(i+1, st)
		}
	}
	return out, acc, nil
}

// forget is the step of an instruction that isn't modelled: all it could
// change is unknown after it.
func (m *Machine) forget(in *ir.Inst, s *State) {
	unknown := func() bv.Term {
		m.fresh++
		return m.B.Input(1<<56|m.fresh, 64, bv.Fact{})
	}
	d := in.Writes()
	for r := range s.R {
		if d>>r&1 != 0 {
			s.R[r] = unknown()
		}
	}
	if in.IsLoad() || in.Op == ebpf.OpLDDW || in.Class() == ebpf.ClassALU || in.Class() == ebpf.ClassALU64 {
		return
	}
	s.world = unknown()
	for i := range s.mem {
		s.mem[i] = region{ver: unknown()}
	}
	s.NoteKnown()
	s.stale = true
}

// order is a topological order of the instructions of [s, e) reachable from s.
func order(p *ir.Prog, s, e int) ([]int, error) {
	state := make(map[int]uint8, e-s)
	var post []int
	var visit func(i int) error
	visit = func(i int) error {
		if i < s || i >= e {
			return nil
		}
		switch state[i] {
		case 1:
			return errLoop
		case 2:
			return nil
		}
		state[i] = 1
		in := &p.Insts[i]
		if in.Jumps() {
			if int(in.To) == s {
				return errLoop
			}
			if err := visit(int(in.To)); err != nil {
				return err
			}
		}
		if !in.Ends() {
			if err := visit(i + 1); err != nil {
				return err
			}
		}
		state[i] = 2
		post = append(post, i)
		return nil
	}
	if err := visit(s); err != nil {
		return nil, err
	}
	for i, j := 0, len(post)-1; i < j; i, j = i+1, j-1 {
		post[i], post[j] = post[j], post[i]
	}
	return post, nil
}

// merge joins two states that exclude each other.
func (m *Machine) merge(a, b *State) *State {
	t := m.B
	c := a.PC
	n := &State{PC: t.OrB(a.PC, b.PC), mem: make([]region, len(a.mem)), world: t.Ite(c, a.world, b.world), known: a.known, stale: a.stale || b.stale}
	for i := range n.R {
		if a.R[i] != 0 && b.R[i] != 0 {
			n.R[i] = m.choose(c, a.R[i], b.R[i])
		}
	}
	for i := range n.mem {
		x, y := a.mem[i], b.mem[i]
		k := 0
		if x.ver == y.ver {
			for k < len(x.writes) && k < len(y.writes) && x.writes[k] == y.writes[k] {
				k++
			}
		}
		w := append([]memWrite(nil), x.writes[:k]...)
		for _, e := range x.writes[k:] {
			e.guard = t.AndB(a.PC, e.guard)
			w = append(w, e)
		}
		for _, e := range y.writes[k:] {
			e.guard = t.AndB(b.PC, e.guard)
			w = append(w, e)
		}
		n.mem[i] = region{t.Ite(c, x.ver, y.ver), w}
	}
	return n
}

// choose is c ? x : y, with a common base kept outside.
func (m *Machine) choose(c, x, y bv.Term) bv.Term {
	if x == y {
		return x
	}
	r1, o1, e1 := m.Locate(x)
	r2, o2, e2 := m.Locate(y)
	if e1 == nil && e2 == nil && r1 == r2 && r1 < rgMap {
		return m.B.Bin(bv.OpAdd, m.base(r1), m.B.Ite(c, o1, o2))
	}
	return m.B.Ite(c, x, y)
}

func (m *Machine) reg(s *State, r uint8) (bv.Term, error) {
	if s.R[r] == 0 {
		return 0, &refusedError{fmt.Sprintf("r%d is not readable", r)}
	}
	return s.R[r], nil
}

func (m *Machine) cond(in *ir.Inst, s *State) (bv.Term, error) {
	b := m.B
	x, err := m.reg(s, in.Dst)
	if err != nil {
		return 0, err
	}
	y := b.Const(uint64(int64(in.Imm)), 64)
	if in.Op&ebpf.SrcX != 0 {
		if y, err = m.reg(s, in.Src); err != nil {
			return 0, err
		}
	}
	c, ok := pathcond.Branch(b, in.Insn, x, y)
	if !ok {
		return 0, fmt.Errorf("jump %#02x not modelled", in.Op)
	}
	return c, nil
}

// ALUTerm is the result of an ALU instruction, whose meaning is pathcond's; x
// and y are the operands, 64 bits, and 0 where it has no such operand.
func (m *Machine) ALUTerm(in *ir.Inst, x, y bv.Term) (bv.Term, error) {
	switch in.ALUOp() {
	case ebpf.ALUDiv, ebpf.ALUMod:
		if in.Off != 0 && in.Off != 1 {
			return 0, fmt.Errorf("opcode %#02x with offset %d", in.Op, in.Off)
		}
	}
	if x == 0 {
		x = y
	}
	if y == 0 {
		y = x
	}
	t, ok := pathcond.ALU(m.B, in.Insn, x, y)
	if !ok {
		return 0, fmt.Errorf("opcode %#02x not modelled", in.Op)
	}
	return t, nil
}

// Step follows one instruction that is no jump, in s, and notes what it touches.
func (m *Machine) Step(p *ir.Prog, i int, in *ir.Inst, s *State, acc *[]Access) error {
	b := m.B
	m.Steps++
	if in.Fixed {
		return fmt.Errorf("the loader still changes it")
	}
	switch in.Class() {
	case ebpf.ClassALU, ebpf.ClassALU64:
		var x, y bv.Term
		var err error
		if in.Dst == 10 {
			return fmt.Errorf("r10 is read-only")
		}
		if in.IsSelect() {
			return m.selects(s, in)
		}
		if op := in.ALUOp(); op != ebpf.ALUMov {
			if x, err = m.reg(s, in.Dst); err != nil {
				return err
			}
		}
		switch {
		case in.ALUOp() == ebpf.ALUEnd || in.ALUOp() == ebpf.ALUNeg:
		case in.Op&ebpf.SrcX != 0:
			if y, err = m.reg(s, in.Src); err != nil {
				return err
			}
		default:
			y = b.Const(uint64(int64(in.Imm)), 64)
		}
		t, err := m.ALUTerm(in, x, y)
		if err != nil {
			return err
		}
		if same, ok := m.lemmas[t]; ok {
			t = same
		}
		s.R[in.Dst] = t
		return nil
	case ebpf.ClassLD:
		switch {
		case in.Op == ir.Nop:
		case in.Op != ebpf.OpLDDW:
			return fmt.Errorf("packet load not modelled")
		case in.Src == ebpf.PseudoNone:
			s.R[in.Dst] = b.Const(in.Const64(), 64)
		case in.Src == ebpf.PseudoMapFD:
			s.R[in.Dst] = b.Input(inMapPtr+uint64(in.Imm), 64, addrFact)
		case in.Src == ebpf.PseudoMapValue:
			s.R[in.Dst] = b.Bin(bv.OpAdd, b.Input(inGlobal+uint64(in.Imm), 64, addrFact), b.Const(uint64(int64(in.Hi)), 64))
		default:
			return fmt.Errorf("wide load of kind %d not modelled", in.Src)
		}
		return nil
	case ebpf.ClassLDX:
		t, err := m.load(s, in.Src, int64(in.Off), in.Size(), acc)
		if err != nil {
			return err
		}
		if in.Mode() == ebpf.ModeMEMSX {
			s.R[in.Dst] = b.SExt(t, 64)
		} else {
			s.R[in.Dst] = b.ZExt(t, 64)
		}
		return nil
	case ebpf.ClassST, ebpf.ClassSTX:
		if in.IsAtomic() {
			return m.atomic(s, in, acc)
		}
		v := b.Const(uint64(int64(in.Imm)), 64)
		if in.Class() == ebpf.ClassSTX {
			var err error
			if v, err = m.reg(s, in.Src); err != nil {
				return err
			}
		}
		a, err := m.reg(s, in.Dst)
		if err != nil {
			return err
		}
		first := len(*acc)
		err = m.storeAt(s, b.Bin(bv.OpAdd, a, b.Const(uint64(int64(in.Off)), 64)), v, in.Size(), m.One, acc, 0)
		byTop((*acc)[first:], in.Dst)
		return err
	}
	if in.Op == ebpf.OpCall && in.Src == ebpf.CallHelper {
		return m.call(p, in, s)
	}
	return fmt.Errorf("opcode %#02x not modelled", in.Op)
}

// selects follows a select. All three registers are read, whichever counts.
func (m *Machine) selects(s *State, in *ir.Inst) error {
	var of [3]bv.Term
	for k, r := range [3]uint8{in.Dst, in.Src, in.Cond()} {
		var err error
		if of[k], err = m.reg(s, r); err != nil {
			return err
		}
	}
	s.R[in.Dst] = m.Select(of[0], of[1], of[2])
	return nil
}

// Select is what a select leaves: src where cond isn't 0, else dst.
func (m *Machine) Select(dst, src, cond bv.Term) bv.Term {
	b := m.B
	switch c := b.Bin(bv.OpEq, cond, b.Const(0, 64)); c {
	case m.One:
		return dst
	case m.zero:
		return src
	default:
		return m.choose(b.Not(c), src, dst)
	}
}

// Address is the region and offset of register r plus off.
func (m *Machine) Address(s *State, r uint8, off int64) (int, bv.Term, error) {
	a, err := m.reg(s, r)
	if err != nil {
		return 0, 0, err
	}
	rg, o, err := m.Locate(m.B.Bin(bv.OpAdd, a, m.B.Const(uint64(off), 64)))
	if err == nil && rg != ContextRegion {
		o = m.hide(o)
	}
	return rg, o, err
}

// hide keeps offsets from being compared before the solver sees them: the
// ablation of concrete offsets.
func (m *Machine) hide(off bv.Term) bv.Term {
	if m.acc.Offsets {
		return off
	}
	return m.B.Bin(bv.OpXor, off, m.B.Input(inHide, 64, bv.Fact{}))
}

func (m *Machine) load(s *State, r uint8, off int64, n int, acc *[]Access) (bv.Term, error) {
	a, err := m.reg(s, r)
	if err != nil {
		return 0, err
	}
	first := len(*acc)
	t, err := m.loadAt(s, m.B.Bin(bv.OpAdd, a, m.B.Const(uint64(off), 64)), n, s.PC, acc, 0)
	byTop((*acc)[first:], r)
	return t, err
}

// byTop notes of accesses whether they are by r10.
func byTop(acc []Access, r uint8) {
	for i := range acc {
		acc[i].top = r == 10
	}
}

// maxChoices is how deep a choice of addresses is followed.
const maxChoices = 4

// alternatives splits an address that is a choice between two.
func (m *Machine) alternatives(a bv.Term) (c, x, y bv.Term, ok bool) {
	b := m.B
	base, k := b.SplitAdd(a)
	if base == 0 || b.Op(base) != bv.OpIte {
		return 0, 0, 0, false
	}
	args := b.Args(base)
	return args[0], b.Bin(bv.OpAdd, args[1], b.Const(k, 64)), b.Bin(bv.OpAdd, args[2], b.Const(k, 64)), true
}

// stored says whether anything was written to a region from rg on.
func (s *State) stored(rg int) bool {
	for i := rg; i < len(s.mem); i++ {
		if len(s.mem[i].writes) != s.known[i] {
			return true
		}
	}
	return false
}

// loadAt reads n bytes at address a, where guard holds.
func (m *Machine) loadAt(s *State, a bv.Term, n int, guard bv.Term, acc *[]Access, depth int) (bv.Term, error) {
	b := m.B
	rg, at, err := m.Locate(a)
	if err == errNoRegion && depth < maxChoices {
		if c, x, y, ok := m.alternatives(a); ok {
			tx, err := m.loadAt(s, x, n, b.AndB(guard, c), acc, depth+1)
			if err != nil {
				return 0, err
			}
			ty, err := m.loadAt(s, y, n, b.AndB(guard, b.Not(c)), acc, depth+1)
			if err != nil {
				return 0, err
			}
			return b.Ite(c, tx, ty), nil
		}
	}
	switch err {
	case nil:
		if rg != ContextRegion {
			at = m.hide(at)
		}
	case errNoRegion:
		// Some kernel object: what it holds can't have been written here, unless
		// anything was.
		if s.stored(0) {
			return 0, fmt.Errorf("load through a pointer of no known region after a store")
		}
		*acc = append(*acc, Access{guard: guard, rg: -1, off: a, n: n})
		return b.Fun(fnOther+uint64(n), 8*n, bv.Fact{}, a, s.world), nil
	case errSomeMap:
		if s.stored(rgMap) {
			return 0, fmt.Errorf("load from one map or another after a store to one")
		}
		*acc = append(*acc, Access{guard: guard, rg: -2, off: a, n: n})
		var t bv.Term
		for i := 0; i < n; i++ {
			x := b.Fun(fnSome, 8, bv.Fact{}, b.Bin(bv.OpAdd, a, b.Const(uint64(i), 64)), s.world)
			if i == 0 {
				t = x
			} else {
				t = b.Concat(x, t)
			}
		}
		return t, nil
	default:
		return 0, err
	}
	*acc = append(*acc, Access{guard: guard, rg: rg, off: at, n: n})
	if rg == ContextRegion {
		if k, ok := b.IsConst(at); ok {
			if field := m.p.Kind.Field(int64(k), n); field != ebpf.FieldNumber && len(s.mem[ContextRegion].writes) == s.known[ContextRegion] {
				if s.stale {
					return b.Fun(fnOther+0x100+uint64(field), 64, addrFact, s.world), nil
				}
				switch field {
				case ebpf.FieldData:
					return m.base(PacketRegion), nil
				case ebpf.FieldEnd:
					return b.Input(inPktEnd, 64, addrFact), nil
				}
				return b.Input(inMeta, 64, addrFact), nil
			}
		}
	}
	return m.get(s, rg, at, n), nil
}

// storeAt writes the low n bytes of v at address a, where guard holds beside
// the path's own condition.
func (m *Machine) storeAt(s *State, a, v bv.Term, n int, guard bv.Term, acc *[]Access, depth int) error {
	b := m.B
	rg, off, err := m.Locate(a)
	if err == errNoRegion && depth < maxChoices {
		if c, x, y, ok := m.alternatives(a); ok {
			if err := m.storeAt(s, x, v, n, b.AndB(guard, c), acc, depth+1); err != nil {
				return err
			}
			return m.storeAt(s, y, v, n, b.AndB(guard, b.Not(c)), acc, depth+1)
		}
	}
	if err != nil {
		return err
	}
	if rg != ContextRegion {
		off = m.hide(off)
	}
	*acc = append(*acc, Access{guard: b.AndB(s.PC, guard), rg: rg, off: off, n: n, store: true})
	m.putIf(s, rg, off, v, n, guard)
	return nil
}

func (m *Machine) atomic(s *State, in *ir.Inst, acc *[]Access) error {
	b := m.B
	n := in.Size()
	if n != 4 && n != 8 {
		return fmt.Errorf("atomic of %d bytes", n)
	}
	y, err := m.reg(s, in.Src)
	if err != nil {
		return err
	}
	rg, off, err := m.Address(s, in.Dst, int64(in.Off))
	if err != nil {
		return err
	}
	*acc = append(*acc, Access{guard: s.PC, rg: rg, off: off, n: n, store: true})
	old := m.get(s, rg, off, n)
	v := b.Extract(y, 0, 8*n)
	var nv bv.Term
	res := in.Src
	switch in.Imm {
	case ebpf.AtomicXchg:
		nv = v
	case ebpf.AtomicCmpXchg:
		x, err := m.reg(s, 0)
		if err != nil {
			return err
		}
		nv = b.Ite(b.Bin(bv.OpEq, old, b.Extract(x, 0, 8*n)), v, old)
		res = 0
	default:
		var ok bool
		if nv, ok = pathcond.Atomic(b, in.Imm, old, v); !ok {
			return fmt.Errorf("atomic %#x not modelled", in.Imm)
		}
	}
	m.put(s, rg, off, b.ZExt(nv, 64), n)
	if in.Imm&ebpf.AtomicFetch != 0 {
		s.R[res] = b.ZExt(old, 64)
	}
	return nil
}

// calling is a call of a helper while it is modelled.
type calling struct {
	h     *ebpf.Helper
	args  []bv.Term
	mapID int  // -1: of no map
	stack bool // it may look at the stack through an address given as a number
	outs  []outBuffer
	keeps bool // some stay as they are where the call fails
}

// outBuffer is memory that a call writes.
type outBuffer struct {
	rg  int
	off bv.Term
	n   int
	old []bv.Term // what stays where the call fails
}

// call models a helper: its result, and the world after it, are functions of
// the world before and of all it can see. Equal calls in equal order give
// equal worlds, and nothing else does.
func (m *Machine) call(p *ir.Prog, in *ir.Inst, s *State) error {
	h := ir.HelperOf(in)
	if h == nil {
		return fmt.Errorf("helper %d not modelled", in.Imm)
	}
	c := &calling{h: h, mapID: -1}
	for k, arg := range h.Args {
		if arg.Kind != ebpf.NoArg {
			if err := m.argument(p, c, k, s); err != nil {
				return err
			}
		}
	}
	if h.LooksUp() && c.mapID >= 0 && maps.Orderless(p.Maps[c.mapID].Type) {
		// A lookup of such a map changes nothing; its result depends on key and
		// on the map's updates so far.
		all := append([]bv.Term{s.mem[rgMap+c.mapID].ver}, c.args...)
		s.R[0] = m.B.Fun(m.lookupFun(h, c.mapID), 64, bv.Fact{}, all...)
	} else if err := m.outcome(p, c, uint64(uint32(in.Imm)), s); err != nil {
		return err
	}
	if h.Flow == ebpf.TailCalls {
		return fmt.Errorf("tail call not modelled") // the caller cuts the window here
	}
	for r := 1; r <= 5; r++ {
		s.R[r] = 0
	}
	return nil
}

// argument takes argument k of a call.
func (m *Machine) argument(p *ir.Prog, c *calling, k int, s *State) error {
	b, h, arg := m.B, c.h, c.h.Args[k]
	t, err := m.reg(s, uint8(k+1))
	if err != nil {
		return err
	}
	switch {
	case arg.IsNumber():
		c.args = append(c.args, t)
		if h.Reads&ebpf.AnyMemory != 0 {
			rg, _, err := m.Locate(t)
			c.stack = c.stack || err == nil && rg == StackRegion
		}
		return nil
	case arg.Kind == ebpf.Context:
		if t != m.base(ContextRegion) {
			return fmt.Errorf("helper %s: r%d is not the context", h.Name, k+1)
		}
		return nil
	case arg.Kind == ebpf.ConstMap:
		if b.Op(t) != bv.OpInput || b.K(t) < inMapPtr || b.K(t) >= inGlobal {
			return &refusedError{fmt.Sprintf("r%d is not one known map where %s wants a map", k+1, h.Name)}
		}
		c.mapID = int(b.K(t) - inMapPtr)
		if c.mapID >= len(p.Maps) {
			return fmt.Errorf("helper %s: map %d of %d", h.Name, c.mapID, len(p.Maps))
		}
		c.args = append(c.args, t)
		return nil
	}
	n, err := m.argBytes(p, h, k, c.mapID, s)
	if err != nil || n == 0 { // nothing is looked at: the pointer is the verifier's business
		return err
	}
	rg, off, err := m.Locate(t)
	if err != nil {
		return fmt.Errorf("helper %s: r%d: %w", h.Name, k+1, err)
	}
	if rg != ContextRegion {
		off = m.hide(off)
	}
	at := func(i int) bv.Term { return b.Bin(bv.OpAdd, off, b.Const(uint64(i), 64)) }
	kept := h.KeepsOnFailure(arg)
	c.keeps = c.keeps || kept
	if arg.Needs() && !kept {
		step := 8
		if m.line { // bytes are the same however they were written
			step = 1
		}
		for i := 0; i < n; i += step {
			c.args = append(c.args, m.get(s, rg, at(i), min(step, n-i)))
		}
	}
	if arg.Writes {
		o := outBuffer{rg: rg, off: off, n: n}
		for i := 0; kept && i < n; i++ {
			o.old = append(o.old, m.getByte(s, rg, at(i)))
		}
		c.outs = append(c.outs, o)
	}
	return nil
}

// outcome is the world after a call, its result and what it wrote; id tells
// helpers apart.
func (m *Machine) outcome(p *ir.Prog, c *calling, id uint64, s *State) error {
	b, h := m.B, c.h
	all := append([]bv.Term{s.world}, c.args...)
	for rg := range s.mem {
		if !sees(h, rg, c.mapID, c.stack) {
			continue
		}
		d, err := m.digest(s, rg)
		if err != nil {
			return fmt.Errorf("helper %s: %w", h.Name, err)
		}
		all = append(all, d)
	}
	w := b.Fun(fnWorld+id, 64, bv.Fact{}, all...)
	failed := m.zero
	switch {
	case h.LooksUp() && c.mapID >= 0 && !maps.HoldsOther(p.Maps[c.mapID].Type):
		s.R[0] = b.Fun(m.lookupFun(h, c.mapID), 64, bv.Fact{}, all...)
	case c.keeps: // an int, negative where it failed
		r := b.Fun(fnRet+id, 32, bv.Fact{}, all...)
		s.R[0], failed = b.SExt(r, 64), b.Extract(r, 31, 1)
	default:
		s.R[0] = b.Fun(fnRet+id, 64, bv.Fact{}, all...)
	}
	s.world = w
	if h.ChangesMap() && c.mapID >= 0 {
		s.mem[rgMap+c.mapID] = region{ver: b.Fun(fnVersion+uint64(c.mapID), 64, bv.Fact{}, w)}
	}
	for i, o := range c.outs {
		for k := 0; k < o.n; k++ {
			v := b.Fun(fnOut+uint64(i<<16|k), 8, bv.Fact{}, w)
			if o.old != nil {
				v = b.Ite(failed, o.old[k], v)
			}
			m.put(s, o.rg, b.Bin(bv.OpAdd, o.off, b.Const(uint64(k), 64)), v, 1)
		}
	}
	return nil
}

// sees says whether what a helper does depends on the bytes of a region: of
// packet, context and maps, where it reads the packet or any memory; of the
// stack, where an address it is given leads there; of the map of its arguments,
// where it reads or changes its values.
func sees(h *ebpf.Helper, rg, mapID int, stack bool) bool {
	switch {
	case rg == StackRegion:
		return stack
	case h.Reads&(ebpf.Packet|ebpf.AnyMemory) != 0:
		return true
	}
	return rg == rgMap+mapID && !h.LooksUp() && (h.ChangesMap() || h.Reads&ebpf.MapValues != 0)
}

// lookupFun is the function a look-up is of its map's version, key and other
// arguments.
func (m *Machine) lookupFun(h *ebpf.Helper, mapID int) uint64 {
	id := fnLookup + uint64(mapID)
	if h.ID != ebpf.FnMapLookupElem {
		id = fnRet + uint64(h.ID)
	}
	return id
}

// argBytes is how many bytes the k-th argument of a call points to.
func (m *Machine) argBytes(p *ir.Prog, h *ebpf.Helper, k, mapID int, s *State) (int, error) {
	arg := h.Args[k]
	switch {
	case arg.OfMap() && mapID < 0:
		return 0, fmt.Errorf("helper %s: no map before r%d", h.Name, k+1)
	case arg.OfMap():
		return arg.Bytes(p.Maps[mapID].KeySize, p.Maps[mapID].ValueSize), nil
	case arg.Size != 0:
		return int(arg.Size), nil
	case k == 4 || s.R[k+2] == 0:
		return 0, fmt.Errorf("helper %s: size not readable", h.Name)
	}
	size, ok := m.B.IsConst(s.R[k+2])
	if !ok || size > 512 {
		return 0, fmt.Errorf("helper %s: size in r%d not constant", h.Name, k+2)
	}
	return int(size), nil
}

// digest is a term that stands for all a helper sees of a region. The stores
// to it make a term of their own shape: last values by place, where all are at
// constant distances, else the stores as they come. Two shapes may leave the
// same bytes, so a digest is said to be an earlier one's wherever the bytes are
// equal: it depends on memory alone, not on how it was written.
func (m *Machine) digest(s *State, rg int) (bv.Term, error) {
	b := m.B
	mem := &s.mem[rg]
	d := digest{rg: rg, ver: mem.ver, writes: mem.writes[:len(mem.writes):len(mem.writes)]}
	args := []bv.Term{mem.ver}
	if last := m.lastPlain(mem); last != nil {
		for _, w := range last {
			// what was there before says nothing
			if w.val == m.Initial(rg, w.off, mem.ver) {
				continue
			}
			d.places = append(d.places, w.off)
			args = append(args, w.off, w.val)
		}
		d.plain = true
	} else {
		for _, w := range mem.writes {
			// Where the write isn't made, place and value say nothing.
			args = append(args, b.ZExt(w.guard, 8), b.Ite(w.guard, w.off, b.Const(0, 64)), b.Ite(w.guard, w.val, b.Const(0, 8)))
		}
	}
	if len(args) > 60000 {
		return 0, fmt.Errorf("%d writes before it", len(args))
	}
	d.t = b.Fun(fnDigest+uint64(rg), 64, bv.Fact{}, args...)
	for i := range m.digests {
		if m.digests[i].raw == d.t {
			return m.digests[i].t, nil
		}
	}
	raw := d.t
	for i := len(m.digests) - 1; i >= 0; i-- {
		o := &m.digests[i]
		if o.rg != rg || d.plain && o.plain && slices.Equal(d.places, o.places) { // equal arguments are equal bytes
			continue
		}
		work := len(d.writes) + len(o.writes)
		if m.compared += work*work + 1; m.compared > maxCompared {
			m.vague = true
			break
		}
		if same := m.sameBytes(s, o); same != m.zero {
			d.t = b.Ite(same, o.t, d.t)
		}
	}
	d.raw = raw
	m.digests = append(m.digests, d)
	return d.t, nil
}

// digest is what a helper saw of a region, as it stood.
type digest struct {
	raw, t bv.Term // of its own shape; and what it is
	rg     int
	ver    bv.Term
	writes []memWrite
	plain  bool
	places []bv.Term // where plain: what the term is made of
}

// maxCompared is how many pairs of stores are looked at to tell digests of
// different shapes apart.
const maxCompared = 1 << 19

// lastPlain gives the last write to each place, in the places' order, where
// all are made on every path and at constant distances; nil otherwise.
func (m *Machine) lastPlain(mem *region) []memWrite {
	b := m.B
	last := map[uint64]memWrite{}
	var base0 bv.Term
	for i, w := range mem.writes {
		base, c := b.SplitAdd(w.off)
		if i == 0 {
			base0 = base
		}
		if base != base0 || w.guard != m.One {
			return nil
		}
		last[c] = w
	}
	out := make([]memWrite, 0, len(last))
	for c, w := range last {
		w.off = m.offTerm(base0, c)
		out = append(out, w)
	}
	key := func(w *memWrite) int64 {
		_, c := b.SplitAdd(w.off)
		return int64(c)
	}
	slices.SortFunc(out, func(x, y memWrite) int { return cmp.Compare(key(&x), key(&y)) })
	return out
}

// sameBytes is the predicate that a region holds now what it held when o was
// made: one version below, and equal bytes wherever either wrote.
func (m *Machine) sameBytes(s *State, o *digest) bv.Term {
	b := m.B
	was := &State{mem: make([]region, len(s.mem))}
	was.mem[o.rg] = region{o.ver, o.writes}
	now := &s.mem[o.rg]
	same := b.Bin(bv.OpEq, now.ver, o.ver)
	seen := map[bv.Term]bool{}
	for _, side := range [2][]memWrite{now.writes, o.writes} {
		for _, w := range side {
			if same == m.zero {
				return same
			}
			if seen[w.off] {
				continue
			}
			seen[w.off] = true
			p, q := m.getByte(s, o.rg, w.off), m.getByte(was, o.rg, w.off)
			if p != q {
				same = b.AndB(same, b.Bin(bv.OpEq, p, q))
			}
		}
	}
	return same
}

func (m *Machine) offTerm(base bv.Term, c uint64) bv.Term {
	if base == 0 {
		return m.B.Const(c, 64)
	}
	return m.B.Bin(bv.OpAdd, base, m.B.Const(c, 64))
}

// WholeLoad says whether t is n bytes as they lie in memory, zero-extended.
func (m *Machine) WholeLoad(t bv.Term) (rg int, off bv.Term, n int) {
	b := m.B
	var ver bv.Term
	k := 0
	for ; k < 8; k++ {
		x := b.Extract(t, 8*k, 8)
		if b.Op(x) != bv.OpFun || b.K(x)>>32 != memFun>>32 {
			break
		}
		a := b.Args(x)
		if k == 0 {
			rg, off, ver = int(b.K(x)&0xffffffff), a[0], a[1]
			continue
		}
		if int(b.K(x)&0xffffffff) != rg || a[1] != ver || a[0] != b.Bin(bv.OpAdd, off, b.Const(uint64(k), 64)) {
			return 0, 0, 0
		}
	}
	if k != 1 && k != 2 && k != 4 && k != 8 {
		return 0, 0, 0
	}
	if k < 8 {
		if v, ok := b.IsConst(b.Extract(t, 8*k, 64-8*k)); !ok || v != 0 {
			return 0, 0, 0
		}
	}
	return rg, off, k
}
