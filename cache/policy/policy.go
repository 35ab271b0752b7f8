package policy

import "math/bits"

// A Policy decides which entries of a bounded cache stay and which go. Ids are
// dense: 0, 1, 2, … in the order of first use, so every table is an array.
//
// One lookup is one Access. A miss changes nothing that a later Insert of the
// same id would not change too, so an install may finish long after the miss
// that began it, or never. Policies are not safe for concurrent use.
type Policy interface {
	// Access looks id up. On a hit the policy notes the use.
	Access(id uint32) (hit bool)
	// Insert puts id in, which must not be in, and appends the ids it evicted
	// to evicted. size is in slots (1 on an entry budget) and at least 1; cost
	// is what a miss of the id costs, in any unit, and is read only by the
	// cost-aware policies. A policy may refuse: then Contains(id) is false
	// afterwards. An entry larger than the whole budget is always refused.
	Insert(id, size, cost uint32, evicted []uint32) []uint32
	// Resize gives id, which must be in, another size: its trace was swapped for one
	// of that size. It is no use and no insertion, so the entry stays where it is
	// in every order; what is weighed by size is weighed anew. Where the entries
	// don't fit any more the policy evicts as it would for an insertion, id itself
	// where its turn has come or where Insert would refuse it for its size, and
	// appends whom to evicted. On a budget in entries it does nothing.
	Resize(id, size uint32, evicted []uint32) []uint32
	// Remove takes id out, because it became invalid and not because room was
	// needed. It leaves no ghost. It reports whether id was in.
	Remove(id uint32) bool
	// Contains reports whether id is in, and notes nothing.
	Contains(id uint32) bool
	// Len is the number of entries in.
	Len() int
	// Used is the sum of the sizes of the entries in: at most the capacity.
	Used() uint64
}

// A LateEvictor is a Policy whose hits may evict: using an entry may move it to
// where it pushes others out.
type LateEvictor interface {
	// Late appends to evicted what Access evicted since the last call.
	Late(evicted []uint32) []uint32
}

// A Runner is a Policy with a loop of its own over a stream: the same events
// as Access and, on a miss, Insert of size 1 and cost 1 for each id in turn,
// without a call per request. It continues from the present state.
// Bit i%64 of miss[i/64] is set when ids[i] missed; miss must hold
// (len(ids)+63)/64 words, all of them are written.
type Runner interface {
	Run(ids []uint32, miss []uint64)
}

// Config is what every policy is made from.
type Config struct {
	Capacity uint64 // the budget: entries, or slots where Sized
	Sized    bool   // entries have sizes; otherwise every size is 1
	Seed     uint64 // for the policies that draw
	IDs      int    // how many ids to expect; a hint, tables grow
	// Keys are the ids' names where the stream came from, nil: the ids
	// themselves. They matter only to w-tinylfu-libcachesim, which hashes them;
	// ids not in Keys must not occur.
	Keys []uint64
}

// base holds what all policies count.
type base struct {
	capacity uint64
	used     uint64
	n        int
	sized    bool
	size     []uint32 // per id, as inserted; empty where not sized

	// The policy that this is the base of: see wired.
	self resizer
	out  evicter
}

func newBase(c Config) base {
	b := base{capacity: c.Capacity, sized: c.Sized}
	if c.Sized {
		b.size = make([]uint32, c.IDs)
	}
	return b
}

func (b *base) Len() int     { return b.n }
func (b *base) Used() uint64 { return b.used }

// add counts id in.
func (b *base) add(id, size uint32) {
	if b.sized {
		b.size = fit(b.size, id)
		b.size[id] = size
	}
	b.n++
	b.used += uint64(size)
}

// sub counts id out.
func (b *base) sub(id uint32) {
	b.n--
	b.used -= b.sizeOf(id)
}

func (b *base) sizeOf(id uint32) uint64 {
	if b.sized {
		return uint64(b.size[id])
	}
	return 1
}

// resized counts another size of id, which is in and on a budget in slots, and says
// by how much it grew: modulo 2^64, as all sums are.
func (b *base) resized(id, size uint32) uint64 {
	by := uint64(size) - b.sizeOf(id)
	b.size[id] = size
	b.used += by
	return by
}

func (b *base) core() *base { return b }

// share is the sum, beside that of all entries, that the size of id is part of;
// nil: there is none.
func (b *base) share(id uint32) *uint64 { return nil }

// resizer is a Policy that has nothing more to do about another size of an entry
// than to count it and to make room.
type resizer interface {
	Policy
	core() *base
	share(id uint32) *uint64
	makeRoom(size uint64, evicted []uint32) []uint32
}

// evicter is a policy that takes out an entry, or several, whose turn it is, or comes
// nearer to it.
type evicter interface {
	evict(evicted []uint32) []uint32
}

// wired tells the parts that policies share whose they are.
func wired(p Policy) Policy {
	if r, ok := p.(resizer); ok {
		r.core().self = r
		r.core().out, _ = p.(evicter)
	}
	if o, ok := p.(ordering); ok {
		o.frame().by = o
	}
	return p
}

// makeRoom evicts until size more fits.
func (b *base) makeRoom(size uint64, evicted []uint32) []uint32 {
	for b.used+size > b.capacity {
		evicted = b.out.evict(evicted)
	}
	return evicted
}

func (b *base) Resize(id, size uint32, evicted []uint32) []uint32 {
	return resize(b.self, id, size, evicted)
}

// resize is Resize of a resizer.
func resize(p resizer, id, size uint32, evicted []uint32) []uint32 {
	b := p.core()
	switch {
	case !b.sized:
		return evicted
	case uint64(size) > b.capacity:
		p.Remove(id)
		return append(evicted, id)
	}
	by := b.resized(id, size)
	if s := p.share(id); s != nil {
		*s += by
	}
	return p.makeRoom(0, evicted)
}

// setSize notes the size of an id that may be a ghost only.
func (b *base) setSize(id, size uint32) {
	if b.sized {
		b.size = fit(b.size, id)
		b.size[id] = size
	}
}

// fit makes s long enough to be indexed by id.
func fit[T any](s []T, id uint32) []T {
	if int(id) < len(s) {
		return s
	}
	n := max(int(id)+1, 2*len(s), 64)
	t := make([]T, n)
	copy(t, s)
	return t
}

// Hits is Access of each of ids in turn, all of which must be in. One that isn't is
// returned with false; what was done by then is worth nothing.
func Hits(p Policy, ids []uint32) (uint32, bool) {
	if h, ok := p.(hitter); ok {
		return h.hits(ids)
	}
	var miss [4]uint64
	const at = 64 * len(miss)
	for rest := ids; len(rest) > 0; rest = rest[min(at, len(rest)):] {
		some := rest[:min(at, len(rest))]
		Run(p, some, miss[:(len(some)+63)/64])
		for w, m := range miss[:(len(some)+63)/64] {
			if m != 0 {
				return some[64*w+bits.TrailingZeros64(m)], false
			}
		}
	}
	return 0, true
}

// hitter is a policy with a quicker way to do what Hits does.
type hitter interface {
	hits(ids []uint32) (uint32, bool)
}

// play is the loop that stands in for a missing Run.
func play(p Policy, ids []uint32, miss []uint64) {
	var evicted []uint32
	for w := 0; len(ids) > 0; w++ {
		k := min(64, len(ids))
		var m uint64
		for i, id := range ids[:k] {
			if !p.Access(id) {
				m |= 1 << i
				evicted = p.Insert(id, 1, 1, evicted[:0])
			}
		}
		miss[w] = m
		ids = ids[k:]
	}
}

// Run passes ids through p: by p's own loop where it has one. See Runner.
func Run(p Policy, ids []uint32, miss []uint64) {
	if r, ok := p.(Runner); ok {
		r.Run(ids, miss)
		return
	}
	play(p, ids, miss)
}
