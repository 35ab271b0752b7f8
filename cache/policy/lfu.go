package policy

// lfu evicts what was used least often since it was put in; among equals, what
// came to that number first.
type lfu struct {
	base
	f freqs
}

func newLFU(c Config) Policy { return &lfu{newBase(c), newFreqs(c.IDs)} }

func (p *lfu) Contains(id uint32) bool { return p.f.has(id) }

func (p *lfu) Access(id uint32) bool {
	if !p.f.has(id) {
		return false
	}
	p.f.touch(id)
	return true
}

// makeRoom evicts until size more fits.
func (p *lfu) makeRoom(size uint64, evicted []uint32) []uint32 {
	for p.used+size > p.capacity {
		v := p.f.min()
		p.f.remove(v)
		p.sub(v)
		evicted = append(evicted, v)
	}
	return evicted
}

func (p *lfu) Resize(id, size uint32, evicted []uint32) []uint32 {
	return resize(p, id, size, evicted)
}

func (p *lfu) Insert(id, size, _ uint32, evicted []uint32) []uint32 {
	if uint64(size) > p.capacity {
		return evicted
	}
	evicted = p.makeRoom(uint64(size), evicted)
	p.add(id, size)
	p.f.add(id)
	return evicted
}

func (p *lfu) Remove(id uint32) bool {
	if !p.f.has(id) {
		return false
	}
	p.f.remove(id)
	p.sub(id)
	return true
}
