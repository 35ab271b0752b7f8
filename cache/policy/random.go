package policy

// random evicts any entry, each with the same probability.
type random struct {
	base
	rng  rng
	at   []uint32 // per id: place in ids + 1, 0: not in
	slot []uint32 // the ids that are in, in no order
}

func newRandom(c Config) Policy {
	return &random{base: newBase(c), rng: rng(c.Seed), at: make([]uint32, c.IDs)}
}

func (p *random) Contains(id uint32) bool { return int(id) < len(p.at) && p.at[id] != 0 }
func (p *random) Access(id uint32) bool   { return p.Contains(id) }

// makeRoom evicts until size more fits.
func (p *random) makeRoom(size uint64, evicted []uint32) []uint32 {
	for p.used+size > p.capacity {
		v := p.slot[p.rng.below(uint32(len(p.slot)))]
		p.take(v)
		evicted = append(evicted, v)
	}
	return evicted
}

func (p *random) Resize(id, size uint32, evicted []uint32) []uint32 {
	return resize(p, id, size, evicted)
}

func (p *random) Insert(id, size, _ uint32, evicted []uint32) []uint32 {
	if uint64(size) > p.capacity {
		return evicted
	}
	evicted = p.makeRoom(uint64(size), evicted)
	p.add(id, size)
	p.at = fit(p.at, id)
	p.slot = append(p.slot, id)
	p.at[id] = uint32(len(p.slot))
	return evicted
}

// take fills the place of id with the last entry.
func (p *random) take(id uint32) {
	i, last := p.at[id]-1, p.slot[len(p.slot)-1]
	p.slot[i] = last
	p.at[last] = i + 1
	p.slot = p.slot[:len(p.slot)-1]
	p.at[id] = 0
	p.sub(id)
}

func (p *random) Remove(id uint32) bool {
	if !p.Contains(id) {
		return false
	}
	p.take(id)
	return true
}
