package policy

import (
	"cmp"
	"slices"
)

// fifoMerge is the merging eviction of Segcache (Yang, Yue, Vinayak: Segcache,
// NSDI 2021), by the entry, as libCacheSim has it: when room is needed the next
// 100 entries in order of age are looked at together, the half that was used
// most by the slot stays in place with its count of uses halved, the rest goes
// at once. A hand remembers where to go on, and begins again with the oldest.
// With no more than 100 entries in, the one at the hand goes. Among equals the
// older goes (libCacheSim draws).
type fifoMerge struct {
	simple
	e              []mergeEntry // per id
	oldest, newest uint32       // noEntry: the cache is empty
	hand           uint32       // the next to look at; noEntry: the oldest
	keep           int          // of mergeGroup
	group          []merged
}

type mergeEntry struct {
	older, newer uint32 // neighbours, noEntry at the ends
	uses         uint32
	in           bool
}

type merged struct {
	id    uint32
	worth float64
}

const mergeGroup = 100

func newFIFOMerge(c Config, keep int) Policy {
	return &fifoMerge{
		simple: newSimple(c), e: make([]mergeEntry, c.IDs), oldest: noEntry, newest: noEntry, hand: noEntry,
		keep: keep, group: make([]merged, 0, mergeGroup),
	}
}

func (p *fifoMerge) Contains(id uint32) bool { return int(id) < len(p.e) && p.e[id].in }

func (p *fifoMerge) Access(id uint32) bool {
	if !p.Contains(id) {
		return false
	}
	p.e[id].uses++
	return true
}

// next moves the hand on by one and returns where it stood.
func (p *fifoMerge) next() uint32 {
	if p.hand == noEntry {
		p.hand = p.oldest
	}
	id := p.hand
	p.hand = p.e[id].newer
	return id
}

func (p *fifoMerge) leave(id uint32) {
	e := &p.e[id]
	if p.hand == id {
		p.hand = e.newer
	}
	if e.older == noEntry {
		p.oldest = e.newer
	} else {
		p.e[e.older].newer = e.newer
	}
	if e.newer == noEntry {
		p.newest = e.older
	} else {
		p.e[e.newer].older = e.older
	}
	e.in = false
}

// evict takes out those of a group that are worth least.
func (p *fifoMerge) evict(evicted []uint32) []uint32 {
	if p.n <= mergeGroup {
		return p.simple.evict(evicted)
	}
	p.group = p.group[:0]
	for range mergeGroup {
		id := p.next()
		p.group = append(p.group, merged{id, float64(p.e[id].uses) / float64(p.sizeOf(id))})
	}
	slices.SortStableFunc(p.group, func(a, b merged) int { return cmp.Compare(a.worth, b.worth) })
	for _, g := range p.group[:mergeGroup-p.keep] {
		p.leave(g.id)
		p.sub(g.id)
		evicted = append(evicted, g.id)
	}
	for _, g := range p.group[mergeGroup-p.keep:] {
		p.e[g.id].uses = (p.e[g.id].uses + 1) / 2
	}
	return evicted
}

func (p *fifoMerge) oust() uint32 {
	v := p.next()
	p.leave(v)
	return v
}

func (p *fifoMerge) enter(id, _ uint32) {
	p.e = fit(p.e, id)
	p.e[id] = mergeEntry{older: p.newest, newer: noEntry, in: true}
	if p.newest == noEntry {
		p.oldest = id
	} else {
		p.e[p.newest].newer = id
	}
	p.newest = id
}
