package policy

// lfu evicts what was used least often since it was put in; among equals, what
// came to that number first.
type lfu struct {
	base
	f freqs
}

func newLFU(c Config) Policy { return &lfu{newBase(c), newFreqs(c.IDs)} }

func (p *lfu) Contains(id uint32) bool { return p.f.has(id) }

func (p *lfu) Access(id uint32) bool {
	if !p.f.has(id) {
		return false
	}
	p.f.touch(id)
	return true
}

func (p *lfu) Insert(id, size, _ uint32, evicted []uint32) []uint32 {
	if uint64(size) > p.capacity {
		return evicted
	}
	for p.used+uint64(size) > p.capacity {
		v := p.f.min()
		p.f.remove(v)
		p.sub(v)
		evicted = append(evicted, v)
	}
	p.add(id, size)
	p.f.add(id)
	return evicted
}

func (p *lfu) Remove(id uint32) bool {
	if !p.f.has(id) {
		return false
	}
	p.f.remove(id)
	p.sub(id)
	return true
}

// Run is the steps without the calls through the interface.
func (p *lfu) Run(ids []uint32, miss []uint64) {
	if p.sized {
		play(p, ids, miss)
		return
	}
	f := &p.f
	n, full := p.n, int(min(p.capacity, 1<<62))
	for w := 0; len(ids) > 0; w++ {
		k := min(64, len(ids))
		block := ids[:k]
		ids = ids[k:]
		for _, id := range block {
			if int(id) >= len(f.slot) {
				f.slot = fit(f.slot, id)
			}
		}
		var m uint64
		slot := f.slot
		for i, id := range block {
			if s := slot[id]; s != 0 {
				f.up(s)
				continue
			}
			m |= 1 << i
			if n < full {
				n++
				f.add(id)
			} else {
				f.replace(f.min(), id)
			}
		}
		miss[w] = m
	}
	p.n, p.used = n, uint64(n)
}
