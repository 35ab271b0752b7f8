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

func (p *size) Insert(id, size, _ uint32, evicted []uint32) []uint32 {
	if uint64(size) > p.capacity {
		return evicted
	}
	for p.used+uint64(size) > p.capacity {
		v := p.h.min().id
		p.h.remove(v)
		p.sub(v)
		evicted = append(evicted, v)
	}
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
