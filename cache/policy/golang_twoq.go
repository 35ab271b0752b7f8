package policy

// golangTwoQ is 2Q (Johnson, Shasha: 2Q, VLDB 1994) in the form golang-lru has it,
// and with exactly its misses: a hit in the recent part promotes to the
// frequent part, the recent part gives way when it holds more than a quarter
// of the budget, and ghosts of half the budget are kept of what leaves it.
type golangTwoQ struct {
	queues
	recentCap, ghostCap uint64
}

const (
	twoQRecent = iota
	twoQFrequent
	twoQGhost
)

func newGolangTwoQTwin(c Config) Policy {
	return &golangTwoQ{
		queues:    newQueues(c, 3),
		recentCap: uint64(float64(c.Capacity) * 0.25),
		ghostCap:  uint64(float64(c.Capacity) * 0.5),
	}
}

func (p *golangTwoQ) Contains(id uint32) bool { return uint(p.l.in(id)) < twoQGhost }

func (p *golangTwoQ) Access(id uint32) bool {
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

func (p *golangTwoQ) evict(ghost bool, evicted []uint32) []uint32 {
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

// makeRoom evicts until size more fits, of an id that isn't remembered.
func (p *golangTwoQ) makeRoom(size uint64, evicted []uint32) []uint32 {
	for p.used+size > p.capacity {
		evicted = p.evict(false, evicted)
	}
	return evicted
}

func (p *golangTwoQ) Resize(id, size uint32, evicted []uint32) []uint32 {
	return resize(p, id, size, evicted)
}

func (p *golangTwoQ) Insert(id, size, _ uint32, evicted []uint32) []uint32 {
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

func (p *golangTwoQ) Remove(id uint32) bool {
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
