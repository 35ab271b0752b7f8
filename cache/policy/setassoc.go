package policy

import (
	"math/bits"
	"slices"

	"jitnic/pcaps/splitmix"
)

// setAssoc is a hardware cache: sets of a few ways each, the set chosen by a
// seeded hash of the id, and a replacement order within the set.
//
// On an entry budget a way holds one entry and there are budget/ways sets (a
// remainder is left unused). On a slot budget a set has 512 slots (or the
// budget, if that is less), equally divided among its ways; an entry takes as
// many whole ways of its set as it needs, and is refused where it needs more
// than all. Used counts the slots of entries, not those lost by rounding up.
type setAssoc struct {
	base
	order    setOrder
	ways     int
	sets     uint64
	waySlots uint64
	seed     uint64
	rng      rng
	at       []uint32 // per id: first way + 1, 0: not in
	id       []uint32 // per way; noEntry: free
	meta     []uint64 // per way: time, reference bit or prediction, as the order has it
	tree     []uint64 // per set, plru: bit n is node n, 1 means the older half is the right one
	now      uint64
	psel     int // drrip: how much better the brrip leaders do
}

// setOrder is a replacement order within a set.
type setOrder uint8

const (
	setLRU setOrder = iota
	setFIFO
	setPLRU
	setNRU
	setSRRIP
	setBRRIP
	setDRRIP
	setRandom
)

const (
	setSlots = 512

	rripFar  = 3 // re-reference predicted in the distant future
	rripLong = 2

	pselMax = 1023
)

func newSetAssoc(c Config, ways int, order setOrder) Policy {
	p := &setAssoc{base: newBase(c), order: order, seed: splitmix.Mix(c.Seed ^ 0x73657473), rng: rng(c.Seed), at: make([]uint32, c.IDs), psel: (pselMax + 1) / 2}
	if c.Sized {
		set := min(setSlots, c.Capacity)
		ways = int(min(uint64(ways), set))
		p.waySlots = set / uint64(ways)
		p.sets = max(1, c.Capacity/set)
	} else {
		ways = int(min(uint64(ways), c.Capacity))
		p.waySlots = 1
		p.sets = c.Capacity / uint64(ways)
	}
	p.ways = ways
	n := int(p.sets) * ways
	p.id = make([]uint32, n)
	for i := range p.id {
		p.id[i] = noEntry
	}
	p.meta = make([]uint64, n)
	if order == setPLRU {
		p.tree = make([]uint64, p.sets)
	}
	return p
}

// set is the number of id's set: the high half of hash × sets.
func (p *setAssoc) set(id uint32) int {
	hi, _ := bits.Mul64(splitmix.Mix(uint64(id)+p.seed), p.sets)
	return int(hi)
}

func (p *setAssoc) Contains(id uint32) bool { return int(id) < len(p.at) && p.at[id] != 0 }

func (p *setAssoc) Access(id uint32) bool {
	if !p.Contains(id) {
		return false
	}
	p.now++
	w := int(p.at[id] - 1)
	p.note(w/p.ways, w, id, false)
	return true
}

// note tells the order of a use (or, fresh, of the insertion) of id, whose
// first way is w in set s.
func (p *setAssoc) note(s, w int, id uint32, fresh bool) {
	first, end := s*p.ways, (s+1)*p.ways
	for ; w < end; w++ {
		if p.id[w] != id {
			continue
		}
		switch p.order {
		case setLRU:
			p.meta[w] = p.now
		case setFIFO:
			if fresh {
				p.meta[w] = p.now
			}
		case setPLRU:
			p.point(s, w-first)
		case setNRU:
			p.meta[w] = 1
		case setSRRIP, setBRRIP, setDRRIP:
			if !fresh {
				p.meta[w] = 0
			}
		}
		if p.waySlots == 1 {
			break
		}
	}
	if p.order == setNRU {
		for i := first; i < end; i++ {
			if p.id[i] != noEntry && p.meta[i] == 0 {
				return
			}
		}
		for i := first; i < end; i++ {
			if p.id[i] != id {
				p.meta[i] = 0
			}
		}
	}
}

// leaves is the number of leaves of the plru tree: ways, rounded up.
func (p *setAssoc) leaves() int { return 1 << bits.Len(uint(p.ways-1)) }

// point turns every node on the way to a leaf away from it.
func (p *setAssoc) point(s, leaf int) {
	t := p.tree[s]
	for n := leaf + p.leaves(); n > 1; n >>= 1 {
		if n&1 == 0 {
			t |= 1 << (n >> 1)
		} else {
			t &^= 1 << (n >> 1)
		}
	}
	p.tree[s] = t
}

// victim chooses a way of set s whose entry goes. Free ways are not asked for.
func (p *setAssoc) victim(s int) int {
	first, end := s*p.ways, (s+1)*p.ways
	switch p.order {
	case setRandom:
		for {
			if w := first + int(p.rng.below(uint32(p.ways))); p.id[w] != noEntry {
				return w
			}
		}
	case setPLRU:
		for {
			n, leaves := 1, p.leaves()
			for n < leaves {
				n = n<<1 | int(p.tree[s]>>n&1)
			}
			if leaf := n - leaves; leaf < p.ways && p.id[first+leaf] != noEntry {
				return first + leaf
			}
			p.point(s, n-leaves) // no entry there: look elsewhere
		}
	case setSRRIP, setBRRIP, setDRRIP:
		for {
			for w := first; w < end; w++ {
				if p.id[w] != noEntry && p.meta[w] >= rripFar {
					return w
				}
			}
			for w := first; w < end; w++ {
				p.meta[w]++
			}
		}
	}
	// lru, fifo: the least time; nru: the first with the bit clear.
	best := -1
	for w := first; w < end; w++ {
		if p.id[w] != noEntry && (best < 0 || p.meta[w] < p.meta[best]) {
			best = w
		}
	}
	return best
}

// prediction is the interval a new entry of set s is given by the rrip orders
// (Jaleel and others: High performance cache replacement using re-reference
// interval prediction, ISCA 2010). drrip has up to 32 leader sets of each kind.
func (p *setAssoc) prediction(s int) uint64 {
	far := p.order == setBRRIP
	if p.order == setDRRIP {
		step := max(2, int(p.sets)/32)
		switch s % step {
		case 0: // leads for srrip: its misses speak for brrip
			p.psel = min(p.psel+1, pselMax)
			far = false
		case step / 2: // leads for brrip
			p.psel = max(p.psel-1, 0)
			far = true
		default:
			far = p.psel > pselMax/2
		}
		if p.sets < 2 {
			far = false
		}
	}
	if far && p.rng.below(32) != 0 {
		return rripFar
	}
	return rripLong
}

func (p *setAssoc) take(id uint32) {
	w := int(p.at[id] - 1)
	for end := (w/p.ways + 1) * p.ways; w < end; w++ {
		if p.id[w] == id {
			p.id[w] = noEntry
			p.meta[w] = 0
		}
	}
	p.at[id] = 0
	p.sub(id)
}

func (p *setAssoc) Insert(id, size, _ uint32, evicted []uint32) []uint32 {
	need := int((uint64(size) + p.waySlots - 1) / p.waySlots)
	if need > p.ways {
		return evicted
	}
	p.now++
	s := p.set(id)
	first, end := s*p.ways, (s+1)*p.ways
	free := 0
	for w := first; w < end; w++ {
		if p.id[w] == noEntry {
			free++
		}
	}
	for free < need {
		v := p.id[p.victim(s)]
		p.take(v)
		evicted = append(evicted, v)
		free = 0
		for w := first; w < end; w++ {
			if p.id[w] == noEntry {
				free++
			}
		}
	}
	rrip := uint64(0)
	if p.order >= setSRRIP && p.order <= setDRRIP {
		rrip = p.prediction(s)
	}
	p.at = fit(p.at, id)
	at := -1
	for w := first; w < end && need > 0; w++ {
		if p.id[w] == noEntry {
			p.id[w] = id
			p.meta[w] = rrip
			need--
			if at < 0 {
				at = w
			}
		}
	}
	p.at[id] = uint32(at + 1)
	p.add(id, size)
	p.note(s, at, id, true)
	return evicted
}

// Resize gives an entry as many ways of its set as it needs by now; those it comes
// by are as the one it begins at.
func (p *setAssoc) Resize(id, size uint32, evicted []uint32) []uint32 {
	if !p.sized {
		return evicted
	}
	need := int((uint64(size) + p.waySlots - 1) / p.waySlots)
	if need > p.ways {
		p.take(id)
		return append(evicted, id)
	}
	s := p.set(id)
	set := p.id[s*p.ways : (s+1)*p.ways]
	meta := p.meta[s*p.ways:]
	has, free := 0, 0
	for w, v := range set {
		switch {
		case v == noEntry:
			free++
		case v == id && has == need: // one that it has no need of
			set[w], meta[w] = noEntry, 0
		case v == id:
			has++
		}
	}
	for free < need-has {
		v := p.id[p.victim(s)]
		p.take(v)
		evicted = append(evicted, v)
		if v == id {
			return evicted
		}
		free = 0
		for _, v := range set {
			if v == noEntry {
				free++
			}
		}
	}
	first := p.meta[p.at[id]-1]
	for w := range set {
		if has < need && set[w] == noEntry {
			set[w], meta[w] = id, first
			has++
		}
	}
	p.at[id] = uint32(s*p.ways + slices.Index(set, id) + 1)
	p.resized(id, size)
	return evicted
}

func (p *setAssoc) Remove(id uint32) bool {
	if !p.Contains(id) {
		return false
	}
	p.take(id)
	return true
}
