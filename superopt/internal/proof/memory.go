package proof

import (
	"fmt"

	"jitnic/host/ebpf"
	"jitnic/pathcond"
	"jitnic/pathcond/bv"
	"jitnic/superopt/internal/ir"
)

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
	base, at := m.B.SplitAdd(off)
	for i := len(mem.writes) - 1; i >= 0; i-- {
		w := &mem.writes[i]
		switch m.hits(w, off, base, at) {
		case m.zero:
		case m.One:
			return w
		default:
			return nil
		}
	}
	if rg == StackRegion && mem.ver == m.atEntry() {
		if k, word := m.spill(off); word != 0 {
			return &memWrite{guard: m.One, off: off, base: base, at: at, val: m.B.Extract(word, 8*k, 8), word: word, k: uint8(k)}
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
	base, at := b.SplitAdd(off)
	for i := len(mem.writes) - 1; i >= 0; i-- {
		w := &mem.writes[i]
		c := m.hits(w, off, base, at)
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

// hits is the predicate that a write is made, and at off, which is base + at. Most
// questions are of places at constant distances, and need no term.
func (m *Machine) hits(w *memWrite, off, base bv.Term, at uint64) bv.Term {
	if w.guard == m.One && base == w.base {
		if at == w.at {
			return m.One
		}
		return m.zero
	}
	b := m.B
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
	if rg == StackRegion && ver == m.atEntry() {
		return m.underStack(off, ver)
	}
	return m.untold(rg, off, ver)
}

// untold is a byte as it was before any write, of which nothing is known.
func (m *Machine) untold(rg int, off, ver bv.Term) bv.Term {
	b := m.B
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
	mem := &s.mem[rg]
	for i := range n {
		w := memWrite{guard: guard, off: b.Bin(bv.OpAdd, off, b.Const(uint64(i), 64)), val: b.Extract(t, 8*i, 8), word: t, k: uint8(i)}
		w.base, w.at = b.SplitAdd(w.off)
		mem.writes = append(mem.writes, w)
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
