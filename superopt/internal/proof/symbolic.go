package proof

import (
	"errors"
	"sync"
	"sync/atomic"

	"jitnic/host/points"
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
	base  bv.Term // off is base + at
	at    uint64
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

// Snapshots keeps states as they were at one time, many in one piece of memory.
type Snapshots struct {
	states  []State
	regions []region
}

// Reset forgets all of them.
func (k *Snapshots) Reset() { k.states, k.regions = k.states[:0], k.regions[:0] }

// Keep is s as it is now.
func (k *Snapshots) Keep(s *State) *State {
	if len(k.states) == cap(k.states) {
		k.states = make([]State, 0, max(16, 2*cap(k.states)))
	}
	k.states = append(k.states, *s)
	n := &k.states[len(k.states)-1]
	first := len(k.regions)
	if first+len(s.mem) > cap(k.regions) {
		k.regions, first = make([]region, 0, max(16*len(s.mem), 2*cap(k.regions))), 0
	}
	for _, m := range s.mem {
		k.regions = append(k.regions, region{m.ver, m.writes[:len(m.writes):len(m.writes)]})
	}
	n.mem = k.regions[first:len(k.regions):len(k.regions)]
	return n
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
	spilled
	// lemmas are terms proved equal, each with what stands for it.
	lemmas   map[bv.Term]bv.Term
	OnBranch func(i int, pc, c bv.Term)
}

// NewMachine makes a machine for proofs about p.
func NewMachine(p *ir.Prog, acc Accel) *Machine {
	b := builders.Get().(*bv.Builder)
	return &Machine{B: b, p: p, acc: acc, zero: b.Bool(false), One: b.Bool(true)}
}

// builders are those of machines that are done.
var builders = sync.Pool{New: func() any { return bv.NewBuilder() }}

// maxKept is how many terms a builder has at most that is used again.
const maxKept = 1 << 16

// Release ends the use of the machine, and of all terms it made.
func (m *Machine) Release() {
	if b := m.B; b != nil && b.Len() <= maxKept {
		b.Reset()
		builders.Put(b)
	}
	m.B = nil
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
	m.spilled = spilled{f: f, loopFree: loopFree}
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

var (
	errNoRegion = errors.New("an address of no known region")
	errSomeMap  = errors.New("an address in one map or another")
)
