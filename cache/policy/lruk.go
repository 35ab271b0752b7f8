package policy

// lruK is LRU-K (O'Neil, O'Neil, Weikum: The LRU-K page replacement algorithm
// for database disk buffering, SIGMOD 1993): the entry goes whose K-th last use
// is oldest, entries used less than K times first, by their last use. Uses are
// remembered beyond eviction for as many ids as the budget has units. There is
// no correlated reference period: every request is a use.
type lruK struct {
	base
	k     int
	h     heap
	times []uint64 // per id: its last k uses, newest first; 0: none
	ghost lanes
	now   uint64
}

func newLRUK(c Config, k int) Policy {
	return &lruK{base: newBase(c), k: k, h: newHeap(c.IDs), times: make([]uint64, k*c.IDs), ghost: newLanes(1, c.IDs)}
}

func (p *lruK) Contains(id uint32) bool { return p.h.has(id) }

// use notes a use of id and returns the heap's keys for it.
func (p *lruK) use(id uint32) (pri, seq uint64) {
	p.now++
	t := p.times[int(id)*p.k:][:p.k]
	copy(t[1:], t)
	t[0] = p.now
	return t[p.k-1], p.now
}

func (p *lruK) Access(id uint32) bool {
	if !p.h.has(id) {
		return false
	}
	pri, seq := p.use(id)
	p.h.update(id, pri, seq)
	return true
}

func (p *lruK) evict(evicted []uint32) []uint32 {
	v := p.h.min().id
	p.h.remove(v)
	p.sub(v)
	p.ghost.push(0, v)
	if uint64(p.ghost.len(0)) > p.capacity {
		p.forget(p.ghost.pop(0))
	}
	return append(evicted, v)
}

func (p *lruK) Insert(id, size, _ uint32, evicted []uint32) []uint32 {
	if uint64(size) > p.capacity {
		return evicted
	}
	if p.ghost.in(id) >= 0 {
		p.ghost.drop(id)
	}
	evicted = p.makeRoom(uint64(size), evicted)
	p.times = fit(p.times, uint32(int(id)*p.k+p.k-1))
	p.add(id, size)
	pri, seq := p.use(id)
	p.h.push(id, pri, seq)
	return evicted
}

func (p *lruK) forget(id uint32) { clear(p.times[int(id)*p.k:][:p.k]) }

func (p *lruK) Remove(id uint32) bool {
	if p.ghost.in(id) >= 0 {
		p.ghost.drop(id)
		p.forget(id)
	}
	if !p.h.has(id) {
		return false
	}
	p.h.remove(id)
	p.forget(id)
	p.sub(id)
	return true
}
