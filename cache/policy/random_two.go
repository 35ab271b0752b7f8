package policy

// randomTwo draws two entries and evicts the one used longer ago, as Redis does
// with a larger sample (the power of two choices; Psounis, Prabhakar: A
// randomized web-cache replacement scheme, INFOCOM 2001).
type randomTwo struct {
	random
	used []uint64 // per id: when it was used last
	now  uint64
}

func newRandomTwo(c Config) Policy {
	return &randomTwo{random: *newRandom(c).(*random), used: make([]uint64, c.IDs)}
}

func (p *randomTwo) Access(id uint32) bool {
	p.now++
	if !p.Contains(id) {
		return false
	}
	p.used[id] = p.now
	return true
}

// makeRoom evicts until size more fits.
func (p *randomTwo) makeRoom(size uint64, evicted []uint32) []uint32 {
	for p.random.base.used+size > p.capacity {
		v := p.slot[p.rng.below(uint32(len(p.slot)))]
		if w := p.slot[p.rng.below(uint32(len(p.slot)))]; p.used[w] < p.used[v] {
			v = w
		}
		p.take(v)
		evicted = append(evicted, v)
	}
	return evicted
}

func (p *randomTwo) Resize(id, size uint32, evicted []uint32) []uint32 {
	return resize(p, id, size, evicted)
}

func (p *randomTwo) Insert(id, size, cost uint32, evicted []uint32) []uint32 {
	if uint64(size) > p.capacity {
		return evicted
	}
	evicted = p.makeRoom(uint64(size), evicted)
	p.used = fit(p.used, id)
	p.used[id] = p.now
	return p.random.Insert(id, size, cost, evicted)
}
