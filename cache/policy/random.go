package policy

// random evicts any entry, each with the same probability.
type random struct {
	simple
	rng  rng
	at   []uint32 // per id: place in ids + 1, 0: not in
	slot []uint32 // the ids that are in, in no order
}

func newRandom(c Config) Policy {
	return &random{simple: newSimple(c), rng: rng(c.Seed), at: make([]uint32, c.IDs)}
}

func (p *random) Contains(id uint32) bool { return int(id) < len(p.at) && p.at[id] != 0 }
func (p *random) Access(id uint32) bool   { return p.Contains(id) }

func (p *random) oust() uint32 {
	v := p.draw()
	p.leave(v)
	return v
}

// draw is any entry.
func (p *random) draw() uint32 { return p.slot[p.rng.below(uint32(len(p.slot)))] }

func (p *random) enter(id, _ uint32) {
	p.at = fit(p.at, id)
	p.slot = append(p.slot, id)
	p.at[id] = uint32(len(p.slot))
}

// leave fills the place of id with the last entry.
func (p *random) leave(id uint32) {
	i, last := p.at[id]-1, p.slot[len(p.slot)-1]
	p.slot[i] = last
	p.at[last] = i + 1
	p.slot = p.slot[:len(p.slot)-1]
	p.at[id] = 0
}
