package policy

// lru evicts what was used longest ago.
type lru struct {
	base
	l lanes
}

func newLRU(c Config) Policy {
	return &lru{base: newBase(c), l: newLanes(1, c.IDs)}
}

func (p *lru) Contains(id uint32) bool { return p.l.in(id) >= 0 }

func (p *lru) Access(id uint32) bool {
	if p.l.in(id) < 0 {
		return false
	}
	p.l.renew(0, id)
	return true
}

func (p *lru) Insert(id, size, _ uint32, evicted []uint32) []uint32 {
	if uint64(size) > p.capacity {
		return evicted
	}
	for p.used+uint64(size) > p.capacity {
		v := p.l.pop(0)
		p.sub(v)
		evicted = append(evicted, v)
	}
	p.add(id, size)
	p.l.push(0, id)
	return evicted
}

func (p *lru) Remove(id uint32) bool {
	if p.l.in(id) < 0 {
		return false
	}
	p.l.drop(id)
	p.sub(id)
	return true
}
