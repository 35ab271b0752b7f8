package policy

// lru evicts what was used longest ago.
type lru struct{ order }

func newLRU(c Config) Policy {
	p := &lru{newOrder(c)}
	p.touch = true
	return p
}

// Run writes an event for every request, hit or miss.
func (p *lru) Run(ids []uint32, miss []uint64) {
	if p.sized {
		play(p, ids, miss)
		return
	}
	h := &p.h
	n := p.n
	full := int(min(p.capacity, 1<<62))
	for w := 0; len(ids) > 0; w++ {
		k := min(64, len(ids))
		block := ids[:k]
		ids = ids[k:]
		for _, id := range block { // all looked at first, so that not each waits for memory alone
			if int(id) >= len(h.stamp) {
				h.stamp = fit(h.stamp, id)
			}
			h.any ^= h.stamp[id]
		}
		h.live = n
		h.room(64)
		var (
			m          uint64
			stamp      = h.stamp
			ring       = h.ring
			mask       = uint32(len(ring) - 1)
			head, tail = h.head, h.tail
		)
		for i, id := range block {
			s := stamp[id]
			if s == head && s > tail {
				continue // the youngest already
			}
			head++
			ring[head&mask] = id
			stamp[id] = head
			if s > tail {
				continue
			}
			m |= 1 << i
			if n < full {
				n++
				continue
			}
			for {
				tail++
				if stamp[ring[tail&mask]] == tail {
					break
				}
			}
		}
		h.head, h.tail = head, tail
		miss[w] = m
	}
	p.n, p.used, h.live = n, uint64(n), n
}
