package policy

// clock is fifo with second chances: an entry that was used since it was put
// in, or since it was last spared, is spared once and goes round again
// (Corbató, 1968). With a counter of more than one bit it is spared as often
// as it was used, up to 2^bits − 1 times.
type clock struct {
	base
	l     lanes
	freq  []uint8
	limit uint8
}

func newClock(c Config, bits int) Policy {
	return &clock{base: newBase(c), l: newLanes(1, c.IDs), freq: make([]uint8, c.IDs), limit: uint8(1)<<bits - 1}
}

func (p *clock) Contains(id uint32) bool { return p.l.in(id) >= 0 }

func (p *clock) Access(id uint32) bool {
	if p.l.in(id) < 0 {
		return false
	}
	if p.freq[id] < p.limit {
		p.freq[id]++
	}
	return true
}

func (p *clock) Insert(id, size, _ uint32, evicted []uint32) []uint32 {
	if uint64(size) > p.capacity {
		return evicted
	}
	for p.used+uint64(size) > p.capacity {
		v := p.l.pop(0)
		if p.freq[v] > 0 {
			p.freq[v]--
			p.l.push(0, v)
			continue
		}
		p.sub(v)
		evicted = append(evicted, v)
	}
	p.add(id, size)
	p.freq = fit(p.freq, id)
	p.freq[id] = 0
	p.l.push(0, id)
	return evicted
}

func (p *clock) Remove(id uint32) bool {
	if p.l.in(id) < 0 {
		return false
	}
	p.l.drop(id)
	p.sub(id)
	return true
}
