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

func (p *randomTwo) oust() uint32 {
	v := p.draw()
	if w := p.draw(); p.used[w] < p.used[v] {
		v = w
	}
	p.leave(v)
	return v
}

func (p *randomTwo) enter(id, cost uint32) {
	p.random.enter(id, cost)
	p.used = fit(p.used, id)
	p.used[id] = p.now
}
