package policy

import (
	golarc "github.com/hashicorp/golang-lru/arc/v2"
	golru "github.com/hashicorp/golang-lru/v2"
)

// golang is hashicorp/golang-lru itself behind Policy: the reference its dense
// twins (lru, 2q, arc) are held against. It hashes every id, so it is slow, and
// it counts entries, so on a slot budget every entry counts as one slot.
//
// The library's 2Q and ARC don't tell what they evict. The dense twin, run
// beside, does; a test holds that the two never differ.
type golang struct {
	c      golangCache
	add    func(uint32)
	remove func(uint32)
	twin   Policy
}

// golangCache is what lru.Cache, lru.TwoQueueCache and arc.ARCCache share.
type golangCache interface {
	Get(uint32) (struct{}, bool)
	Contains(uint32) bool
	Len() int
}

func newGolangLRU(c Config) Policy {
	c.Sized = false
	l, err := golru.New[uint32, struct{}](int(c.Capacity))
	if err != nil {
		panic(err) // unreachable: the capacity is positive
	}
	return &golang{l, func(id uint32) { l.Add(id, struct{}{}) }, func(id uint32) { l.Remove(id) }, wired(newLRU(c))}
}

func newGolang2Q(c Config) Policy {
	c.Sized = false
	if c.Capacity < 2 { // the library refuses to make a 2Q without a ghost; without one it is lru
		return newGolangLRU(c)
	}
	l, err := golru.New2Q[uint32, struct{}](int(c.Capacity))
	if err != nil {
		panic(err) // unreachable: the capacity is at least 2
	}
	return &golang{l, func(id uint32) { l.Add(id, struct{}{}) }, l.Remove, wired(newGolangTwoQTwin(c))}
}

func newGolangARC(c Config) Policy {
	c.Sized = false
	l, err := golarc.NewARC[uint32, struct{}](int(c.Capacity))
	if err != nil {
		panic(err) // unreachable: the capacity is positive
	}
	return &golang{l, func(id uint32) { l.Add(id, struct{}{}) }, l.Remove, wired(newGolangARCTwin(c))}
}

func (p *golang) Access(id uint32) bool {
	p.twin.Access(id)
	_, ok := p.c.Get(id)
	return ok
}

func (p *golang) Contains(id uint32) bool { return p.c.Contains(id) }
func (p *golang) Len() int                { return p.c.Len() }
func (p *golang) Used() uint64            { return uint64(p.c.Len()) }

func (p *golang) Insert(id, _, _ uint32, evicted []uint32) []uint32 {
	p.add(id)
	return p.twin.Insert(id, 1, 1, evicted)
}

// Resize does nothing: each entry counts one slot.
func (p *golang) Resize(_, _ uint32, evicted []uint32) []uint32 {
	return evicted
}

// Late appends what the last Access evicted, which ARC may.
func (p *golang) Late(evicted []uint32) []uint32 {
	if l, ok := p.twin.(LateEvictor); ok {
		return l.Late(evicted)
	}
	return evicted
}

// Remove makes the library forget a ghost too, as its own Remove does.
func (p *golang) Remove(id uint32) bool {
	p.twin.Remove(id)
	in := p.c.Contains(id)
	p.remove(id)
	return in
}
