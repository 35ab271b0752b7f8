package policy

import "math"

// lecar (Vietri and others: Driving cache replacement with ML-based LeCaR,
// HotStorage 2018) evicts by lru or by lfu, drawn by two weights. Each expert's
// evictions are remembered, in half the budget each; an id that comes back
// while remembered makes the expert that evicted it less likely, the more the
// sooner it comes back. Learning rate 0.45, discount 0.005^(1/budget).
type lecar struct {
	queues   // 0: what is in, by recency; ghosts: 1 of lru, 2 of lfu
	f        freqs
	rng      rng
	wLRU     float64
	discount float64
	now      uint64
	gone     []uint64 // per id: when it was evicted
}

func newLeCaR(c Config) Policy {
	return &lecar{
		queues: newQueues(c, 3, 1), f: newFreqs(c.IDs), rng: rng(c.Seed),
		wLRU: 0.5, discount: math.Pow(0.005, 1/float64(c.Capacity)), gone: make([]uint64, c.IDs),
	}
}

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

func (p *lecar) evict(evicted []uint32) []uint32 {
	a, b := p.l.oldest(0), p.f.min()
	v, ghost := a, 1
	if p.rng.float() >= p.wLRU {
		v, ghost = b, 2
	}
	p.drop(v)
	p.f.remove(v)
	p.sub(v)
	if a != b { // where both experts agree there is nothing to learn
		p.gone = fit(p.gone, v)
		p.gone[v] = p.now
		p.put(ghost, v)
		for p.bytes[ghost] > p.capacity/2 {
			p.pop(ghost)
		}
	}
	return append(evicted, v)
}

func (p *lecar) Insert(id, size, _ uint32, evicted []uint32) []uint32 {
	s := uint64(size)
	if s > p.capacity {
		return evicted
	}
	if g := p.l.in(id); g > 0 {
		p.learn(id, g)
		p.drop(id)
	}
	evicted = p.makeRoom(s, evicted)
	p.enter(0, id, size)
	p.f.add(id)
	return evicted
}

func (p *lecar) Remove(id uint32) bool {
	in := p.queues.Remove(id)
	if in {
		p.f.remove(id)
	}
	return in
}
