package policy

// order is what the policies share whose entries all stand in one history: they
// differ in whether a hit makes an entry the youngest, and in which end goes.
type order struct {
	base
	h        history
	touch    bool // a hit makes the entry the youngest
	youngest bool // the youngest goes first, not the oldest
	holes    bool // something was removed, so events may be dead
}

func newOrder(c Config) order { return order{base: newBase(c), h: newHistory(c.IDs)} }

func (p *order) Contains(id uint32) bool { return p.h.has(id) }

func (p *order) Access(id uint32) bool {
	if !p.h.has(id) {
		return false
	}
	if p.touch {
		p.h.push(id)
	}
	return true
}

// makeRoom evicts until size more fits.
func (p *order) makeRoom(size uint64, evicted []uint32) []uint32 {
	for p.used+size > p.capacity {
		evicted = append(evicted, p.evict())
	}
	return evicted
}

func (p *order) Resize(id, size uint32, evicted []uint32) []uint32 {
	return resize(p, id, size, evicted)
}

func (p *order) Insert(id, size, _ uint32, evicted []uint32) []uint32 {
	if uint64(size) > p.capacity {
		return evicted
	}
	evicted = p.makeRoom(uint64(size), evicted)
	p.add(id, size)
	p.h.live++
	p.h.push(id)
	return evicted
}

// evict takes out the entry whose turn it is.
func (p *order) evict() (v uint32) {
	if p.youngest {
		v = p.h.popYoungest()
	} else {
		v = p.h.pop()
	}
	p.sub(v)
	return v
}

func (p *order) Remove(id uint32) bool {
	if !p.h.has(id) {
		return false
	}
	p.h.drop(id)
	p.sub(id)
	p.holes = true
	return true
}
