package policy

// fifo evicts what was inserted first. A hit changes nothing.
type fifo struct {
	base
	l lanes
}

func newFIFO(c Config) Policy {
	return &fifo{base: newBase(c), l: newLanes(1, c.IDs)}
}

func (p *fifo) Contains(id uint32) bool { return p.l.in(id) >= 0 }
func (p *fifo) Access(id uint32) bool   { return p.l.in(id) >= 0 }

func (p *fifo) Insert(id, size, _ uint32, evicted []uint32) []uint32 {
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

func (p *fifo) Remove(id uint32) bool {
	if p.l.in(id) < 0 {
		return false
	}
	p.l.drop(id)
	p.sub(id)
	return true
}
