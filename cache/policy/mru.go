package policy

// mru evicts what was used last: right for cycles longer than the cache, and
// for little else.
type mru struct {
	base
	l lanes
}

func newMRU(c Config) Policy {
	return &mru{base: newBase(c), l: newLanes(1, c.IDs)}
}

func (p *mru) Contains(id uint32) bool { return p.l.in(id) >= 0 }

func (p *mru) Access(id uint32) bool {
	if p.l.in(id) < 0 {
		return false
	}
	p.l.renew(0, id)
	return true
}

func (p *mru) Insert(id, size, _ uint32, evicted []uint32) []uint32 {
	if uint64(size) > p.capacity {
		return evicted
	}
	for p.used+uint64(size) > p.capacity {
		v := p.l.youngest(0)
		p.l.drop(v)
		p.sub(v)
		evicted = append(evicted, v)
	}
	p.add(id, size)
	p.l.push(0, id)
	return evicted
}

func (p *mru) Remove(id uint32) bool {
	if p.l.in(id) < 0 {
		return false
	}
	p.l.drop(id)
	p.sub(id)
	return true
}
