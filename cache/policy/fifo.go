package policy

// fifo evicts what was put in first. A hit changes nothing.
type fifo struct{ order }

func newFIFO(c Config) Policy { return &fifo{newOrder(c)} }

// Run has no branch on hit or miss where nothing was ever removed: an event is
// written for every request and counts only if it missed.
func (p *fifo) Run(ids []uint32, miss []uint64) {
	if p.holes || p.sized {
		play(p, ids, miss)
		return
	}
	h := &p.h
	for w := 0; len(ids) > 0; w++ {
		k := min(64, len(ids))
		block := ids[:k]
		ids = ids[k:]
		for _, id := range block {
			if int(id) >= len(h.stamp) {
				h.stamp = fit(h.stamp, id)
			}
		}
		h.live = p.n
		h.room(65)
		var (
			m          uint64
			stamp      = h.stamp
			ring       = h.ring
			mask       = uint32(len(ring) - 1)
			head, tail = h.head, h.tail
			room       = uint32(min(p.capacity-uint64(p.n), 64))
		)
		for i, id := range block {
			s := stamp[id]
			var out uint64 // 1: not in
			if s <= tail {
				out = 1
			}
			m |= out << i
			n := head + 1
			ring[n&mask] = id // beyond the head: no event yet
			if out != 0 {
				s = n
			}
			stamp[id] = s
			head += uint32(out)
			gone := uint32(out)
			if gone > room {
				tail++
			}
			room -= min(room, gone)
		}
		p.n = int(head - tail)
		h.head, h.tail = head, tail
		miss[w] = m
	}
	p.used = uint64(p.n)
	h.live = p.n
}
