package policy

// twoQ is 2Q (Johnson, Shasha: 2Q, VLDB 1994) in the form golang-lru has it,
// and with exactly its misses: a hit in the recent part promotes to the
// frequent part, the recent part gives way when it holds more than a quarter
// of the budget, and ghosts of half the budget are kept of what leaves it.
type twoQ struct {
	base
	l                   lanes
	recentCap, ghostCap uint64
	bytes               [3]uint64
}

const (
	twoQRecent = iota
	twoQFrequent
	twoQGhost
)

func newTwoQ(c Config) Policy {
	return &twoQ{
		base: newBase(c), l: newLanes(3, c.IDs),
		recentCap: uint64(float64(c.Capacity) * 0.25),
		ghostCap:  uint64(float64(c.Capacity) * 0.5),
	}
}

func (p *twoQ) Contains(id uint32) bool { return uint(p.l.in(id)) < twoQGhost }

func (p *twoQ) Access(id uint32) bool {
	switch p.l.in(id) {
	case twoQRecent:
		s := p.sizeOf(id)
		p.bytes[twoQRecent] -= s
		p.bytes[twoQFrequent] += s
		p.l.drop(id)
		p.l.push(twoQFrequent, id)
		return true
	case twoQFrequent:
		p.l.renew(twoQFrequent, id)
		return true
	}
	return false
}

func (p *twoQ) put(q int, id uint32) {
	p.bytes[q] += p.sizeOf(id)
	p.l.push(q, id)
}

func (p *twoQ) pop(q int) uint32 {
	id := p.l.pop(q)
	p.bytes[q] -= p.sizeOf(id)
	return id
}

func (p *twoQ) evict(ghost bool, evicted []uint32) []uint32 {
	r := p.bytes[twoQRecent]
	if r > 0 && (r > p.recentCap || r == p.recentCap && !ghost) || p.bytes[twoQFrequent] == 0 {
		id := p.pop(twoQRecent)
		p.sub(id)
		if s := p.sizeOf(id); s <= p.ghostCap {
			for p.bytes[twoQGhost]+s > p.ghostCap {
				p.pop(twoQGhost)
			}
			p.put(twoQGhost, id)
		}
		return append(evicted, id)
	}
	id := p.pop(twoQFrequent)
	p.sub(id)
	return append(evicted, id)
}

func (p *twoQ) Insert(id, size, _ uint32, evicted []uint32) []uint32 {
	if uint64(size) > p.capacity {
		return evicted
	}
	ghost := p.l.in(id) == twoQGhost
	for p.used+uint64(size) > p.capacity {
		evicted = p.evict(ghost, evicted)
	}
	if !ghost {
		p.add(id, size)
		p.put(twoQRecent, id)
		return evicted
	}
	// Making room may have forgotten the ghost; it was one all the same.
	if q := p.l.in(id); q >= 0 {
		p.bytes[q] -= p.sizeOf(id)
		p.l.drop(id)
	}
	p.add(id, size)
	p.put(twoQFrequent, id)
	return evicted
}

func (p *twoQ) Remove(id uint32) bool {
	q := p.l.in(id)
	if q < 0 {
		return false
	}
	p.bytes[q] -= p.sizeOf(id)
	p.l.drop(id)
	if q == twoQGhost {
		return false
	}
	p.sub(id)
	return true
}

// Run is the steps, unrolled into one loop for unit sizes.
func (p *twoQ) Run(ids []uint32, miss []uint64) {
	if p.sized {
		play(p, ids, miss)
		return
	}
	c := uint32(min(p.capacity, 1<<31))
	recentCap, ghostCap := uint32(min(p.recentCap, 1<<31)), uint32(min(p.ghostCap, 1<<31))
	for w := 0; len(ids) > 0; w++ {
		k := min(64, len(ids))
		block := ids[:k]
		ids = ids[k:]
		p.l.ready(block)
		var (
			m                       uint64
			where                   = p.l.where
			recent, frequent, ghost = &p.l.q[twoQRecent], &p.l.q[twoQFrequent], &p.l.q[twoQGhost]
		)
		for i, id := range block {
			q := where[id] >> laneShift
			if q == twoQFrequent+1 {
				frequent.live--
				frequent.put(where, id)
				continue
			}
			if q == twoQRecent+1 {
				recent.live--
				frequent.put(where, id)
				continue
			}
			m |= 1 << i
			known := q == twoQGhost+1
			if recent.live+frequent.live >= c {
				r := recent.live
				if r > 0 && (r > recentCap || r == recentCap && !known) || frequent.live == 0 {
					v := recent.take(where)
					where[v] = laneNone
					if ghostCap > 0 {
						if ghost.live == ghostCap {
							where[ghost.take(where)] = laneNone
						}
						ghost.put(where, v)
					}
				} else {
					where[frequent.take(where)] = laneNone
				}
			}
			if !known {
				recent.put(where, id)
				continue
			}
			if where[id] != laneNone { // not forgotten while room was made
				ghost.live--
			}
			frequent.put(where, id)
		}
		miss[w] = m
	}
	for q := range p.bytes {
		p.bytes[q] = uint64(p.l.q[q].live)
	}
	p.n = int(p.bytes[twoQRecent] + p.bytes[twoQFrequent])
	p.used = uint64(p.n)
}
