package policy

// lfu evicts what was used least often since it was put in; among equals, what
// came to that number first.
type lfu struct {
	simple
	f freqs
}

func newLFU(c Config) Policy { return &lfu{newSimple(c), newFreqs(c.IDs)} }

func (p *lfu) Contains(id uint32) bool { return p.f.has(id) }

func (p *lfu) Access(id uint32) bool {
	if !p.f.has(id) {
		return false
	}
	p.f.touch(id)
	return true
}

func (p *lfu) oust() uint32 {
	v := p.f.min()
	p.f.remove(v)
	return v
}

func (p *lfu) enter(id, _ uint32) { p.f.add(id) }
func (p *lfu) leave(id uint32)    { p.f.remove(id) }
