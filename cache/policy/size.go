package policy

// size evicts the largest entry; among equals, what was put in first. At unit
// size it is fifo.
type size struct {
	base
	h   heap
	seq uint64
}

func newSize(c Config) Policy { return &size{base: newBase(c), h: newHeap(c.IDs)} }

func (p *size) Contains(id uint32) bool { return p.h.has(id) }
func (p *size) Access(id uint32) bool   { return p.h.has(id) }

// makeRoom evicts until size more fits.
func (p *size) makeRoom(size uint64, evicted []uint32) []uint32 {
	for p.used+size > p.capacity {
		v := p.h.min().id
		p.h.remove(v)
		p.sub(v)
		evicted = append(evicted, v)
	}
	return evicted
}

func (p *size) Resize(id, size uint32, evicted []uint32) []uint32 {
	if p.sized {
		p.h.rate(id, ^uint64(size))
	}
	return resize(p, id, size, evicted)
}

func (p *size) Insert(id, size, _ uint32, evicted []uint32) []uint32 {
	if uint64(size) > p.capacity {
		return evicted
	}
	evicted = p.makeRoom(uint64(size), evicted)
	p.add(id, size)
	p.seq++
	p.h.push(id, ^uint64(size), p.seq)
	return evicted
}

func (p *size) Remove(id uint32) bool {
	if !p.h.has(id) {
		return false
	}
	p.h.remove(id)
	p.sub(id)
	return true
}
