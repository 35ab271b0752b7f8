package policy

// size evicts the largest entry; among equals, what was put in first. At unit
// size it is fifo.
type size struct {
	simple
	h   heap
	seq uint64
}

func newSize(c Config) Policy { return &size{simple: newSimple(c), h: newHeap(c.IDs)} }

func (p *size) Contains(id uint32) bool { return p.h.has(id) }
func (p *size) Access(id uint32) bool   { return p.h.has(id) }

func (p *size) Resize(id, size uint32, evicted []uint32) []uint32 {
	if p.sized {
		p.h.rate(id, ^uint64(size))
	}
	return resize(p, id, size, evicted)
}

func (p *size) oust() uint32 {
	v := p.h.min().id
	p.h.remove(v)
	return v
}

func (p *size) enter(id, _ uint32) {
	p.seq++
	p.h.push(id, ^p.sizeOf(id), p.seq)
}

func (p *size) leave(id uint32) { p.h.remove(id) }
