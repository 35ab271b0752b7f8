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
		queues:    newQueues(c, 3, twoQGhost),
		recentCap: uint64(float64(c.Capacity) * 0.25),
		ghostCap:  uint64(float64(c.Capacity) * 0.5),
	}
}

func (p *golangTwoQ) Access(id uint32) bool {
	switch p.l.in(id) {
	case twoQRecent:
		p.move(id, twoQFrequent)
		return true
	case twoQFrequent:
		p.l.renew(twoQFrequent, id)
		return true
	}
	return false
}

func (p *golangTwoQ) evict(evicted []uint32) []uint32 { return p.replace(false, evicted) }

// replace evicts one entry, to put in one that was remembered or not.
func (p *golangTwoQ) replace(ghost bool, evicted []uint32) []uint32 {
	r := p.bytes[twoQRecent]
	if r > 0 && (r > p.recentCap || r == p.recentCap && !ghost) || p.bytes[twoQFrequent] == 0 {
		id := p.pop(twoQRecent)
		p.sub(id)
		p.remember(twoQGhost, id, p.ghostCap)
		return append(evicted, id)
	}
	return p.lose(twoQFrequent, evicted)
}

func (p *golangTwoQ) Insert(id, size, _ uint32, evicted []uint32) []uint32 {
	if uint64(size) > p.capacity {
		return evicted
	}
	ghost := p.l.in(id) == twoQGhost
	for p.used+uint64(size) > p.capacity {
		evicted = p.replace(ghost, evicted)
	}
	if !ghost {
		p.enter(twoQRecent, id, size)
		return evicted
	}
	// Making room may have forgotten the ghost; it was one all the same.
	if p.l.in(id) >= 0 {
		p.drop(id)
	}
	p.enter(twoQFrequent, id, size)
	return evicted
}
