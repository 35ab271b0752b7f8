package policy

import "math"

// lecar (Vietri and others: Driving cache replacement with ML-based LeCaR,
// HotStorage 2018) evicts by lru or by lfu, drawn by two weights. Each expert's
// evictions are remembered, in half the budget each; an id that comes back
// while remembered makes the expert that evicted it less likely, the more the
// sooner it comes back. Learning rate 0.45, discount 0.005^(1/budget).
type lecar struct {
	base
	l        lanes // 0: what is in, by recency; ghosts: 1 of lru, 2 of lfu
	f        freqs
	rng      rng
	wLRU     float64
	discount float64
	now      uint64
	gone     []uint64 // per id: when it was evicted
	ghosts   [3]uint64
}

func newLeCaR(c Config) Policy {
	return &lecar{
		base: newBase(c), l: newLanes(3, c.IDs), f: newFreqs(c.IDs), rng: rng(c.Seed),
		wLRU: 0.5, discount: math.Pow(0.005, 1/float64(c.Capacity)), gone: make([]uint64, c.IDs),
	}
}

func (p *lecar) Contains(id uint32) bool { return p.l.in(id) == 0 }

func (p *lecar) Access(id uint32) bool {
	p.now++
	if p.l.in(id) != 0 {
		return false
	}
	p.l.renew(0, id)
	p.f.touch(id)
	return true
}

// learn weighs against expert 1 (lru) or 2 (lfu), by whom id was evicted.
func (p *lecar) learn(id uint32, expert int) {
	regret := 0.45 * math.Pow(p.discount, float64(p.now-p.gone[id]))
	lru, lfu := p.wLRU, 1-p.wLRU
	if expert == 1 {
		lfu *= math.Exp(regret)
	} else {
		lru *= math.Exp(regret)
	}
	p.wLRU = min(max(lru/(lru+lfu), 0.01), 0.99)
}

// makeRoom evicts until size more fits.
func (p *lecar) makeRoom(size uint64, evicted []uint32) []uint32 {
	for p.used+size > p.capacity {
		a, b := p.l.oldest(0), p.f.min()
		v, ghost := a, 1
		if p.rng.float() >= p.wLRU {
			v, ghost = b, 2
		}
		p.l.drop(v)
		p.f.remove(v)
		p.sub(v)
		evicted = append(evicted, v)
		if a == b {
			continue // both experts agree, nothing to learn
		}
		p.gone = fit(p.gone, v)
		p.gone[v] = p.now
		p.l.push(ghost, v)
		p.ghosts[ghost] += p.sizeOf(v)
		for p.ghosts[ghost] > p.capacity/2 {
			p.ghosts[ghost] -= p.sizeOf(p.l.pop(ghost))
		}
	}
	return evicted
}

func (p *lecar) Resize(id, size uint32, evicted []uint32) []uint32 {
	return resize(p, id, size, evicted)
}

func (p *lecar) Insert(id, size, _ uint32, evicted []uint32) []uint32 {
	s := uint64(size)
	if s > p.capacity {
		return evicted
	}
	if g := p.l.in(id); g > 0 {
		p.learn(id, g)
		p.ghosts[g] -= p.sizeOf(id)
		p.l.drop(id)
	}
	evicted = p.makeRoom(s, evicted)
	p.add(id, size)
	p.l.push(0, id)
	p.f.add(id)
	return evicted
}

func (p *lecar) Remove(id uint32) bool {
	g := p.l.in(id)
	if g < 0 {
		return false
	}
	p.l.drop(id)
	if g > 0 {
		p.ghosts[g] -= p.sizeOf(id)
		return false
	}
	p.f.remove(id)
	p.sub(id)
	return true
}
