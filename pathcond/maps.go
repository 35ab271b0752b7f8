package pathcond

import (
	"bytes"
	"encoding/binary"

	"jitnic/host/ebpf"
	"jitnic/host/maps"
	"jitnic/host/vm"
	"jitnic/pathcond/bv"
	"jitnic/trace"

	cebpf "github.com/cilium/ebpf"
)

// mapState is what the path has done to one map so far.
type mapState struct {
	log    memLog
	events []mapEvent
	// reused: an old value pointer may see another entry; see stale.
	reused bool
	// poisoned: an operation whose effect isn't modelled.
	poisoned  bool
	ring      ringState
	queue     queueState
	unsettled *unsettled // the last operation on a queue or ring buffer
}

// mapEvent is an update or delete of a map by the path.
type mapEvent struct {
	key      []bv.Term
	concrete []byte
	del      bool
	ok       bv.Term // predicate: it succeeded
	okRun    bool    // it did in the recorded run
	fresh    bv.Term // of an update that makes a new element: its address
}

func (x *exec) mapState(i int) *mapState {
	m := x.maps[i]
	if m == nil {
		m = &mapState{}
		x.maps[i] = m
	}
	return m
}

// untouched says whether the path has changed nothing of a map.
func (x *exec) untouched(i int) bool {
	m := x.mapState(i)
	return len(m.log.stores) == 0 && len(m.events) == 0 && !m.reused && !m.poisoned
}

// chunks reads a key (or value) of n bytes as terms of up to 8 bytes.
func (x *exec) chunks(addr bv.Term, concrete uint64, n int) []bv.Term {
	out := make([]bv.Term, 0, (n+7)/8)
	for i := 0; i < n; i += 8 {
		m := min(8, n-i)
		t := x.readMem(x.b.Bin(bv.OpAdd, addr, x.b.Const(uint64(i), 64)), concrete+uint64(i), m)
		out = append(out, t)
	}
	return out
}

// sameKey is the predicate that two keys are equal.
func (x *exec) sameKey(a, b []bv.Term) bv.Term {
	p := x.b.Bool(true)
	for i := range a {
		p = x.b.AndB(p, x.b.Bin(bv.OpEq, a[i], b[i]))
	}
	return p
}

// isArray says whether elements are updated in place and always present.
func isArray(t cebpf.MapType) bool { return t == cebpf.Array || t == cebpf.PerCPUArray }

func isHash(t cebpf.MapType) bool {
	return t == cebpf.Hash || t == cebpf.PerCPUHash || maps.Ordered(t)
}

// Element is the address, a term, that a key has in map m before the run; key
// is in chunks of 8 bytes. Of an array's key it must be known that it is within
// the array.
func (c *Compiler) Element(m int, key []bv.Term) bv.Term {
	x := exec{c: c, b: c.B, s: c.S}
	return x.initialLookup(m, key)
}

// initialLookup is the address the map had for the key before the run. Of an
// array's key it must be known that it is within the array.
func (x *exec) initialLookup(i int, key []bv.Term) bv.Term {
	m := x.s.Maps[i]
	spec := m.Spec()
	if spec.Type == cebpf.Array && spec.KeySize == 4 {
		// Elements stand at fixed places: no look-up is needed to know where.
		idx := x.b.ZExt(key[0], 64)
		var zero [4]byte
		first := m.Peek(zero[:], 0)
		if o, ok := m.(maps.Owner); ok && first != 0 && x.isValueArray(o, first, spec) {
			stride := uint64(maps.ValueStride(spec))
			return x.b.Bin(bv.OpAdd, x.b.Bin(bv.OpMul, idx, x.b.Const(stride, 64)), x.b.Const(first, 64))
		}
	}
	if c, ok := x.b.IsConst(key[0]); ok && spec.Type == cebpf.PerCPUArray && x.s.Opt.CPUs == 1 {
		var k [4]byte
		binary.LittleEndian.PutUint32(k[:], uint32(c))
		return x.b.Const(m.Peek(k[:], 0), 64)
	}
	return x.b.Fun(Fun(FunLookup, i), 64, bv.Fact{}, key...)
}

// isValueArray checks that the array's elements lie a stride apart.
func (x *exec) isValueArray(o maps.Owner, first uint64, spec *maps.Spec) bool {
	if spec.Max < 2 {
		return true
	}
	var k [4]byte
	binary.LittleEndian.PutUint32(k[:], spec.Max-1)
	m := o.(maps.Map)
	return m.Peek(k[:], 0) == first+uint64(spec.Max-1)*uint64(maps.ValueStride(spec))
}

// present is the predicate that the key is in the map now: before the run, as
// the path's own updates and deletes have changed it.
func (x *exec) present(i int, key []bv.Term) bv.Term {
	ms := x.mapState(i)
	p := x.b.Not(x.b.Bin(bv.OpEq, x.initialLookup(i, key), x.b.Const(0, 64)))
	for k := range ms.events {
		e := &ms.events[k]
		hit := x.b.AndB(x.sameKey(key, e.key), e.ok)
		p = x.b.Ite(hit, x.b.Bool(!e.del), p)
	}
	return p
}

// lookup is the address bpf_map_lookup_elem gives now; it gave ret in the run.
func (x *exec) lookup(i int, key []bv.Term, concrete []byte, ret uint64) bv.Term {
	x.looks++
	ms := x.mapState(i)
	spec := x.s.Maps[i].Spec()
	if ms.poisoned {
		x.abort(trace.ReasonStaleEntry, spec.Name)
	}
	if x.c.Specialise && x.readMostly(i) && len(ms.events) == 0 && len(ms.log.stores) == 0 {
		if t, ok := x.emptyLookup(i); ok {
			return t
		}
		if x.c.Heavy != nil {
			return x.profiledLookup(i, key, concrete, ret)
		}
		return x.versionedLookup(i, key, concrete, ret)
	}
	return x.genericLookup(i, key, concrete, ret)
}

// genericLookup keeps the look-up: its result is a term.
func (x *exec) genericLookup(i int, key []bv.Term, concrete []byte, ret uint64) bv.Term {
	ms := x.mapState(i)
	spec := x.s.Maps[i].Spec()
	t := spec.Type
	if isArray(t) {
		in := x.b.Bin(bv.OpULt, x.b.ZExt(key[0], 64), x.b.Const(uint64(spec.Max), 64))
		x.decide(in, ret != 0, WhyHelper)
		if ret == 0 {
			return x.b.Const(0, 64)
		}
	} else {
		if t == cebpf.LPMTrie && len(ms.events) > 0 {
			x.abort(trace.ReasonTrieUpdate, x.s.Maps[i].Spec().Name)
		}
		if e := x.changed(i, key, concrete); e != nil {
			if e.del {
				return x.b.Const(0, 64)
			}
			return e.fresh
		}
	}
	return x.initialLookup(i, key)
}

// changed is what the path has last done to an entry; nil: nothing. Which of its
// changes are of that key, and how they went, becomes part of the condition, and that
// none has evicted the entry.
func (x *exec) changed(i int, key []bv.Term, concrete []byte) *mapEvent {
	ms := x.mapState(i)
	for k := len(ms.events) - 1; k >= 0; k-- {
		if e := &ms.events[k]; x.applies(e, key, concrete) {
			if !e.del {
				x.unevicted(i, k)
			}
			return e
		}
	}
	x.unevicted(i, -1)
	return nil
}

// applies says whether a change is of that key and was made, which becomes part of the
// condition.
func (x *exec) applies(e *mapEvent, key []bv.Term, concrete []byte) bool {
	same := bytes.Equal(concrete, e.concrete)
	x.decide(x.sameKey(key, e.key), same, WhyAlias)
	if same {
		x.decide(e.ok, e.okRun, WhyHelper)
	}
	return same && e.okRun
}

// notFull adds the predicate that so many inserts of the path's evict nothing: half the
// map is free behind them, as an LRU map may evict before its last element is taken; with
// a list for each CPU, one may be full where all are on it. Where that does not hold, the
// path is no trace.
//
// Half is enough on a common list: a CPU evicts where its own list is empty and fewer than
// target are free on the common one, and no CPU's own list holds more than target, which
// is a half of the map divided among them (bpf_common_lru_init, kernel/bpf/bpf_lru_list.c);
// but at least one each, so that of fewer elements nothing may be there.
func (x *exec) notFull(i, inserts int) {
	spec := x.s.Maps[i].Spec()
	parts, cpus := uint32(2), uint32(max(1, x.s.Opt.CPUs))
	if spec.Flags&maps.FlagNoCommonLRU != 0 {
		parts = max(2, cpus)
	}
	lim := max(0, int(spec.Max/parts)+1-inserts)
	if parts == 2 && spec.Max < 2*cpus {
		lim = min(lim, max(0, 2-inserts))
	}
	free := x.c.preLen[i] < lim
	x.decide(x.b.Bin(bv.OpULt, x.count(i), x.b.Const(uint64(lim), 64)), free, WhyHelper)
	if !free {
		x.abort(trace.ReasonEviction, spec.Name)
	}
}

// inserts is how many of the path's own changes of a map so far may have evicted an
// entry: all updates, whatever came of them.
func (ms *mapState) inserts() (n int) {
	for k := range ms.events {
		if !ms.events[k].del {
			n++
		}
	}
	return n
}

// unevicted adds that the path's own updates of an LRU map behind its change after have
// evicted nothing, as any entry may have been the one; -1: all of them.
func (x *exec) unevicted(i, after int) {
	ms := x.mapState(i)
	if !maps.Ordered(x.s.Maps[i].Spec().Type) {
		return
	}
	for k := after + 1; k < len(ms.events); k++ {
		if !ms.events[k].del {
			x.notFull(i, ms.inserts())
			return
		}
	}
}

// stays adds what makes an answer hold that depends on whether an entry is there (was;
// there: it is, in the run): that none is evicted before the map asks for it, as an LRU map
// takes an element for an insert, which may be that very one, before it looks whether the
// key is there (htab_lru_map_update_elem, kernel/bpf/hashtab.c). An entry that isn't there
// can't be evicted; whether it was before inserts of the path's own the run doesn't say.
func (x *exec) stays(i int, was bv.Term, there bool) {
	if v, ok := x.f.Known(was); !maps.Ordered(x.s.Maps[i].Spec().Type) || ok && !v {
		return
	}
	if len(x.mapState(i).events) == 0 {
		if x.decide(was, there, WhyHelper); !there {
			return
		}
	}
	x.notFull(i, x.mapState(i).inserts()+1)
}

func (x *exec) count(i int) bv.Term {
	max := uint64(x.s.Maps[i].Spec().Max)
	return x.b.Fun(Fun(FunCount, i), 64, bv.Fact{Max: max})
}

// readMap reads n bytes of a value of map i.
func (x *exec) readMap(i int, addr bv.Term, concrete uint64, n int) bv.Term {
	ms := x.mapState(i)
	spec := x.s.Maps[i].Spec()
	if spec.ReadOnly {
		if a := x.f.fixed(addr); x.b.Op(a) == bv.OpConst {
			return x.b.Const(x.s.Load(concrete, 8)&bv.Mask(8*n), 8*n)
		}
	}
	if x.stale(i, addr) {
		return x.unknownOf(i, 8*n)
	}
	if base, _ := x.split(addr); base == 0 && len(ms.log.stores) == 0 && len(ms.events) == 0 && x.versioned(i, concrete) {
		return x.b.Const(x.s.Load(concrete, 8)&bv.Mask(8*n), 8*n)
	}
	if base, _ := x.split(addr); base != 0 && x.valueBase(base) {
		// A verified program has checked for NULL.
		x.decide(x.b.Bin(bv.OpEq, base, x.b.Const(0, 64)), false, WhyBounds)
	}
	return x.loadLog(&ms.log, addr, concrete, n,
		func(s *store, base bv.Term, off, concrete uint64, n int) aliasing {
			return x.aliasMap(i, s, base, off, concrete, n)
		},
		func(base bv.Term, off uint64, m int) bv.Term {
			if x.b.Opaque(x.address(base, off)) {
				return x.unknownOf(i, 8*m)
			}
			return x.initialBytes(base, off, m)
		})
}

// pointee is the key of the entry that a value pointer was got for, and the number of the
// path's own change that made the entry, or -1.
func (x *exec) pointee(i int, base bv.Term) (key []bv.Term, concrete string, made int, known bool) {
	if base == 0 || x.b.Op(base) != bv.OpFun {
		return nil, "", -1, false
	}
	ms := x.mapState(i)
	for k := range ms.events {
		if e := &ms.events[k]; e.fresh == base {
			return e.key, string(e.concrete), k, true
		}
	}
	concrete, known = x.keys[base]
	id, m := FunParts(x.b.K(base))
	return x.b.Args(base), concrete, -1, known && id == FunLookup && m == i
}

// stale says whether a value pointer may by now see another entry than the one it was got
// for: that was replaced or deleted, and one inserted after that. What the operations came
// to becomes part of the condition, and that an LRU map has evicted nothing.
func (x *exec) stale(i int, addr bv.Term) bool {
	ms := x.mapState(i)
	if ms.reused || ms.poisoned {
		return true
	}
	if len(ms.events) == 0 {
		return false
	}
	base, _ := x.split(addr)
	key, concrete, made, known := x.pointee(i, base)
	x.unevicted(i, made)
	freed := false
	for k := made + 1; k < len(ms.events); k++ {
		e := &ms.events[k]
		switch {
		case !freed && k == len(ms.events)-1: // nothing comes behind it
		case freed && e.del:
		case known && !freed:
			freed = x.applies(e, key, []byte(concrete))
		default:
			x.decide(e.ok, e.okRun, WhyHelper)
			if e.okRun && freed {
				return true
			}
			freed = freed || e.okRun
		}
	}
	return false
}

// aliasMap settles whether a store through one value pointer meets a load
// through another of the same map: whether they point into the same value.
func (x *exec) aliasMap(i int, s *store, base bv.Term, off, concrete uint64, n int) aliasing {
	if x.b.Opaque(x.address(s.base, s.off)) || x.b.Opaque(x.address(base, off)) {
		// A fresh element is no element that was there before, and the stale
		// ones are settled by stale.
		return aliasApart
	}
	slo, shi := x.addressBounds(s.base, s.off)
	lo, hi := x.addressBounds(base, off)
	if shi < ^uint64(0)-8 && shi+uint64(s.n) <= lo || hi < ^uint64(0)-8 && hi+uint64(n) <= slo {
		return aliasApart
	}
	o, ok := x.s.Maps[i].(maps.Owner)
	if !ok {
		x.abort(trace.ReasonOpaqueAddress, x.s.Maps[i].Spec().Name)
	}
	v1, v2 := o.ValueOf(s.concrete), o.ValueOf(concrete)
	if s.base == 0 || base == 0 || !x.valueBase(s.base) || !x.valueBase(base) {
		// Elements of an array lie at a distance: fix both where they are.
		if s.base != 0 {
			x.fix(s.base, s.concrete-s.off, WhyOffset)
		}
		if base != 0 {
			x.fix(base, concrete-off, WhyOffset)
		}
		return aliasFixed
	}
	// Both bases are results of look-ups: equal, or of disjoint values.
	x.decide(x.b.Bin(bv.OpEq, s.base, base), v1 == v2, WhyAlias)
	if v1 == v2 {
		return aliasSame
	}
	return aliasApart
}

// valueBase says whether the term is the address of a whole value.
func (x *exec) valueBase(t bv.Term) bool {
	if x.b.Op(t) == bv.OpFun {
		id, _ := FunParts(x.b.K(t))
		return id == FunLookup || id == FunLookupOn
	}
	return false
}

func (x *exec) writeMap(i int, st store) {
	ms := x.mapState(i)
	if st.base != 0 && x.valueBase(st.base) {
		x.decide(x.b.Bin(bv.OpEq, st.base, x.b.Const(0, 64)), false, WhyBounds)
	}
	x.noteWritten(i)
	if x.stale(i, x.address(st.base, st.off)) {
		ms.reused = true // it may be any entry that this changes
	}
	ms.log.stores = append(ms.log.stores, st)
}

// readMostly says whether no program of the object writes the map.
func (x *exec) readMostly(i int) bool {
	c := x.c
	if c.readMostly == nil {
		c.readMostly = unwritten(x.s, c)
	}
	return i < len(c.readMostly) && c.readMostly[i]
}

// noteWritten notes that a program writes the map after all: it is not worth a
// specialised trace any more, and those there are must go.
func (x *exec) noteWritten(i int) {
	if x.c.Keys {
		x.path.Changed = append(x.path.Changed, i)
	}
	if x.readMostly(i) {
		x.c.readMostly[i] = false
		x.c.flipped = append(x.c.flipped, i)
	}
}

// noteWrites notes the maps that the recorded run wrote, in whichever way, before
// any value is folded: a folded value is read after the run, and must be what
// the run read.
func (x *exec) noteWrites() {
	if !x.s.Opt.Track {
		x.abort(trace.ReasonInternal, "specialised without an account of writes")
	}
	for _, w := range x.s.Writes {
		x.noteWritten(int(w.Map))
	}
}

// Flipped lists the maps that have since the last call turned out to be
// written by a program. Paths that a key of theirs specialises must be taken
// out, and the path just compiled must be compiled again.
func (c *Compiler) Flipped() []int {
	f := c.flipped
	c.flipped = nil
	return f
}

// unwritten finds maps that no program may write: none of the updating helpers
// can get them. A map whose values a program stores to is found while
// recording, so stores take a map off the list too.
func unwritten(s *vm.State, c *Compiler) []bool {
	out := make([]bool, len(s.Maps))
	for i, m := range s.Maps {
		t := m.Spec().Type
		out[i] = t == cebpf.Hash || t == cebpf.Array || t == cebpf.LPMTrie
	}
	for _, p := range c.Obj.Programs {
		last := -1 // the map in r1, as compilers load it shortly before the call
		for pc := 0; pc < len(p.Insns); pc++ {
			in := p.Insns[pc]
			switch {
			case in.IsWide():
				if in.Src == ebpf.PseudoMapFD {
					last = int(in.Imm)
				} else if in.Src == ebpf.PseudoMapValue && int(in.Imm) < len(out) && !s.Maps[in.Imm].Spec().ReadOnly {
					out[in.Imm] = false
				}
				pc++
			case in.Op == ebpf.OpCall && in.Src == ebpf.CallHelper && (in.Imm == ebpf.FnMapUpdateElem || in.Imm == ebpf.FnMapDeleteElem):
				if last >= 0 && last < len(out) {
					out[last] = false
				}
			}
		}
	}
	return out
}

// mapUpdate executes bpf_map_update_elem; entry is the value that the key had before, or 0.
func (x *exec) mapUpdate(i int, key []bv.Term, concrete []byte, entry uint64, valAddr bv.Term, valConcrete, flags uint64, ret int64) bv.Term {
	b := x.b
	ms := x.mapState(i)
	spec := x.s.Maps[i].Spec()
	errno := func(e maps.Errno) bv.Term { return x.errno(int64(e)) }
	zero := b.Const(0, 64)
	n := int(spec.ValueSize)
	switch {
	case (isArray(spec.Type) || isHash(spec.Type)) && flags&^maps.Lock > maps.Exist:
		return errno(maps.EINVAL)
	case flags&maps.Lock != 0 && (spec.Type == cebpf.PerCPUArray || isHash(spec.Type) && (spec.Type != cebpf.Hash || !maps.Locks(spec))):
		return errno(maps.EINVAL)
	case ms.poisoned: // what there is now isn't known
		return x.unknown(64)
	case isArray(spec.Type):
		idx := uint64(binary.LittleEndian.Uint32(concrete))
		inRun := idx < uint64(spec.Max)
		x.decide(b.Bin(bv.OpULt, b.ZExt(key[0], 64), b.Const(uint64(spec.Max), 64)), inRun, WhyHelper)
		switch {
		case !inRun:
			return errno(maps.E2BIG)
		case flags&maps.NoExist != 0:
			return errno(maps.EEXIST)
		case flags&maps.Lock != 0 && !maps.Locks(spec):
			return errno(maps.EINVAL)
		}
		at := x.initialLookup(i, key)
		x.copyMem(at, x.s.Maps[i].Peek(concrete, x.s.CPU), valAddr, valConcrete, n)
		return zero
	case isHash(spec.Type):
		was := x.present(i, key)
		inPlace := flags&maps.Lock != 0 || maps.IsPerCPU(spec)
		flags &^= maps.Lock
		if flags != maps.Any || inPlace {
			x.stays(i, was, entry != 0)
		}
		if inPlace { // an element that is there keeps its place
			if x.decide(was, entry != 0, WhyHelper); entry != 0 {
				if flags == maps.NoExist {
					return errno(maps.EEXIST)
				}
				x.putInPlace(i, key, concrete, entry, valAddr, valConcrete, n)
				return zero
			}
		}
		count := x.count(i)
		for k := range ms.events {
			e := &ms.events[k]
			// Each event's own effect on the count, as it found the map.
			if e.del {
				count = b.Bin(bv.OpSub, count, b.ZExt(e.ok, 64))
			} else {
				count = b.Bin(bv.OpAdd, count, b.ZExt(x.inserted(i, k), 64))
			}
		}
		absent := zero
		if !maps.Ordered(spec.Type) {
			full := b.Bin(bv.OpULe, b.Const(uint64(spec.Max), 64), count)
			absent = b.Ite(full, errno(maps.E2BIG), zero)
		}
		if flags == maps.Exist {
			absent = errno(maps.ENOENT)
		}
		there := zero
		if flags == maps.NoExist {
			there = errno(maps.EEXIST)
		}
		res := b.Ite(was, there, absent)
		ok := b.Bin(bv.OpEq, res, zero)
		e := mapEvent{key: key, concrete: bytes.Clone(concrete), ok: ok, okRun: ret == 0}
		x.unknown(64) // numbered as unknown values are
		e.fresh = b.Fun(Fun(FunFresh, x.opaque), 64, bv.Fact{Opaque: true, Min: 1})
		ms.events = append(ms.events, e)
		if ret == 0 {
			c := x.s.Maps[i].Peek(concrete, x.s.CPU)
			for k := 0; k < n; k += 8 {
				m := min(8, n-k)
				v := x.readMem(b.Bin(bv.OpAdd, valAddr, b.Const(uint64(k), 64)), valConcrete+uint64(k), m)
				ms.log.stores = append(ms.log.stores, store{base: e.fresh, off: uint64(k), n: m, val: v, concrete: c + uint64(k)})
			}
		}
		return res
	case spec.Type == cebpf.LPMTrie:
		ms.events = append(ms.events, mapEvent{key: key, concrete: bytes.Clone(concrete), ok: x.unknown(1), okRun: ret == 0})
		ms.reused = true
		return x.unknown(64)
	}
	ms.poisoned = true
	return x.unknown(64)
}

// putInPlace is an update of the element that the key has now, of n bytes.
func (x *exec) putInPlace(i int, key []bv.Term, concrete []byte, entry uint64, valAddr bv.Term, valConcrete uint64, n int) {
	at := x.initialLookup(i, key)
	if e := x.changed(i, key, concrete); e != nil {
		at = e.fresh
	} else {
		x.keys[at] = string(concrete)
	}
	for k := 0; k < n; k += 8 {
		m := min(8, n-k)
		v := x.readMem(x.b.Bin(bv.OpAdd, valAddr, x.b.Const(uint64(k), 64)), valConcrete+uint64(k), m)
		x.writeMap(i, store{base: at, off: uint64(k), n: m, val: v, concrete: entry + uint64(k)})
	}
}

// inserted is the predicate that update event k made a new entry.
func (x *exec) inserted(i, k int) bv.Term {
	ms := x.mapState(i)
	e := &ms.events[k]
	p := x.b.Not(x.b.Bin(bv.OpEq, x.initialLookup(i, e.key), x.b.Const(0, 64)))
	for j := 0; j < k; j++ {
		o := &ms.events[j]
		p = x.b.Ite(x.b.AndB(x.sameKey(e.key, o.key), o.ok), x.b.Bool(!o.del), p)
	}
	return x.b.AndB(e.ok, x.b.Not(p))
}

func (x *exec) mapDelete(i int, key []bv.Term, concrete []byte, ret int64) bv.Term {
	b := x.b
	ms := x.mapState(i)
	spec := x.s.Maps[i].Spec()
	switch {
	case isArray(spec.Type):
		return x.errno(int64(maps.EINVAL))
	case ms.poisoned:
		return x.unknown(64)
	case isHash(spec.Type):
		was := x.present(i, key)
		if len(ms.events) > 0 {
			x.stays(i, was, ret == 0)
		}
		ms.events = append(ms.events, mapEvent{key: key, concrete: bytes.Clone(concrete), del: true, ok: was, okRun: ret == 0})
		return b.Ite(was, b.Const(0, 64), x.errno(int64(maps.ENOENT)))
	case spec.Type == cebpf.LPMTrie:
		ms.events = append(ms.events, mapEvent{key: key, concrete: bytes.Clone(concrete), del: true, ok: x.unknown(1), okRun: ret == 0})
		ms.reused = true
		return x.unknown(64)
	}
	ms.poisoned = true
	return x.unknown(64)
}

// copyMem is a store of n bytes read elsewhere.
func (x *exec) copyMem(dst bv.Term, dstC uint64, src bv.Term, srcC uint64, n int) {
	b := x.b
	for k := 0; k < n; k += 8 {
		m := min(8, n-k)
		v := x.readMem(b.Bin(bv.OpAdd, src, b.Const(uint64(k), 64)), srcC+uint64(k), m)
		x.writeMem(b.Bin(bv.OpAdd, dst, b.Const(uint64(k), 64)), dstC+uint64(k), m, v)
	}
}
