package policy

// mru evicts what was used last: right for cycles longer than the cache, and
// for little else.
type mru struct {
	base
	h history
}

func newMRU(c Config) Policy {
	return &mru{base: newBase(c), h: newHistory(c.IDs)}
}

func (p *mru) Contains(id uint32) bool { return p.h.has(id) }

func (p *mru) Access(id uint32) bool {
	if !p.h.has(id) {
		return false
	}
	p.h.push(id)
	return true
}

func (p *mru) Insert(id, size, _ uint32, evicted []uint32) []uint32 {
	if uint64(size) > p.capacity {
		return evicted
	}
	for p.used+uint64(size) > p.capacity {
		v := p.h.popYoungest()
		p.sub(v)
		evicted = append(evicted, v)
	}
	p.add(id, size)
	p.h.live++
	p.h.push(id)
	return evicted
}

func (p *mru) Remove(id uint32) bool {
	if !p.h.has(id) {
		return false
	}
	p.h.drop(id)
	p.sub(id)
	return true
}
