package policy

// clock is fifo with second chances: an entry that was used since it was put
// in, or since it was last spared, is spared once and goes round again
// (Corbató, 1968). With a counter of more than one bit it is spared as often
// as it was used, up to 2^bits − 1 times.
type clock struct {
	simple
	r     ring
	state []uint8 // per id: 0 not in, else uses + 1
	limit uint8
}

func newClock(c Config, bits int) Policy {
	return &clock{simple: newSimple(c), r: newRing(), state: make([]uint8, c.IDs), limit: uint8(1) << bits}
}

func (p *clock) Contains(id uint32) bool { return int(id) < len(p.state) && p.state[id] != 0 }

func (p *clock) Access(id uint32) bool {
	if !p.Contains(id) {
		return false
	}
	p.state[id] = min(p.state[id]+1, p.limit)
	return true
}

func (p *clock) oust() uint32 {
	for {
		v := p.r.pop()
		if p.state[v]--; p.state[v] == 0 {
			return v
		}
		p.r.push(v)
	}
}

func (p *clock) enter(id, _ uint32) {
	p.state = fit(p.state, id)
	p.state[id] = 1
	p.r.push(id)
}

func (p *clock) leave(id uint32) {
	p.r.drop(id)
	p.state[id] = 0
}

// Run is the steps, unrolled into one loop, for unit sizes and where nothing was
// ever removed.
func (p *clock) Run(ids []uint32, miss []uint64) {
	if p.sized || p.r.at != nil {
		play(p, ids, miss)
		return
	}
	n, full, limit := p.n, int(min(p.capacity, 1<<62)), p.limit
	for w := 0; len(ids) > 0; w++ {
		k := min(64, len(ids))
		block := ids[:k]
		ids = ids[k:]
		for _, id := range block {
			if int(id) >= len(p.state) {
				p.state = fit(p.state, id)
			}
		}
		p.r.room(64)
		var (
			m          uint64
			state      = p.state
			ring       = p.r.buf
			mask       = uint32(len(ring) - 1)
			head, tail = p.r.head, p.r.tail
		)
		for i, id := range block {
			if s := state[id]; s != 0 {
				state[id] = min(s+1, limit)
				continue
			}
			m |= 1 << i
			if n < full {
				n++
			} else {
				for {
					v := ring[tail&mask]
					tail++
					s := state[v] - 1
					state[v] = s
					if s == 0 {
						break
					}
					ring[head&mask] = v
					head++
				}
			}
			ring[head&mask] = id
			head++
			state[id] = 1
		}
		p.r.head, p.r.tail = head, tail
		miss[w] = m
	}
	p.n, p.used = n, uint64(n)
}
