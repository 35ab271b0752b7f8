package policy

import "math"

// gdsf is greedy dual size frequency (Cherkasova: Improving WWW proxies
// performance with greedy-dual-size-frequency caching policy, HP 1998): an
// entry is worth its uses × cost / size, on top of the worth of what was
// evicted last; the least worth goes.
// With equal costs it counts as libCacheSim (2024-10) does; later versions of it
// insert before they evict, and count a little differently.
type gdsf struct {
	simple
	h    heap
	freq []uint32
	cost []uint32
	last float64 // worth of what was evicted last
	seq  uint64
}

func newGDSF(c Config) Policy {
	return &gdsf{simple: newSimple(c), h: newHeap(c.IDs), freq: make([]uint32, c.IDs), cost: make([]uint32, c.IDs)}
}

func (p *gdsf) Contains(id uint32) bool { return p.h.has(id) }

// worth as the bits of a float64, which sort as the number does: it is positive.
func (p *gdsf) worth(id uint32) uint64 {
	return math.Float64bits(p.last + float64(p.freq[id])*(1e6*float64(p.cost[id]))/float64(p.sizeOf(id)))
}

func (p *gdsf) Access(id uint32) bool {
	if !p.h.has(id) {
		return false
	}
	p.freq[id]++
	p.seq++
	p.h.update(id, p.worth(id), p.seq)
	return true
}

// Resize leaves the worth that comes from what was evicted before the last use.
func (p *gdsf) Resize(id, size uint32, evicted []uint32) []uint32 {
	if p.sized {
		old := math.Float64frombits(p.h.e[p.h.at[id]-1].pri)
		gain := float64(p.freq[id]) * (1e6 * float64(p.cost[id]))
		p.h.rate(id, math.Float64bits(old-gain/float64(p.sizeOf(id))+gain/float64(size)))
	}
	return resize(p, id, size, evicted)
}

func (p *gdsf) oust() uint32 {
	v := *p.h.min()
	p.last = math.Float64frombits(v.pri)
	p.h.remove(v.id)
	return v.id
}

func (p *gdsf) enter(id, cost uint32) {
	p.freq = fit(p.freq, id)
	p.cost = fit(p.cost, id)
	p.freq[id], p.cost[id] = 1, max(cost, 1)
	p.seq++
	p.h.push(id, p.worth(id), p.seq)
}

func (p *gdsf) leave(id uint32) { p.h.remove(id) }
