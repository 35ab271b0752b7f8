package policy

// sieve is SIEVE (Zhang, Yang, Yue, Vigfusson, Rashmi: SIEVE is simpler than
// LRU, NSDI 2024): one queue in order of insertion; a hand goes from the
// oldest to the newest, spares what was used since it passed last, and evicts
// the first that was not, which stays where it is when spared.
type sieve struct {
	simple
	state []uint8  // per id: 0 not in, sieveIn, sieveUsed
	at    []uint32 // per id that is in: its place in q
	q     []uint32 // ids, oldest first; noEntry: a hole
	hand  int      // next place to look at; -1: the oldest
}

const (
	sieveIn   = 1
	sieveUsed = 3

	noEntry = ^uint32(0)
)

func newSieve(c Config) Policy {
	return &sieve{simple: newSimple(c), state: make([]uint8, c.IDs), at: make([]uint32, c.IDs), hand: -1}
}

func (p *sieve) Contains(id uint32) bool { return int(id) < len(p.state) && p.state[id] != 0 }

func (p *sieve) Access(id uint32) bool {
	if int(id) >= len(p.state) || p.state[id] == 0 {
		return false
	}
	p.state[id] = sieveUsed
	return true
}

func (p *sieve) oust() uint32 {
	h := max(p.hand, 0)
	for {
		if h == len(p.q) {
			h = 0
		}
		id := p.q[h]
		if id != noEntry {
			if p.state[id] == sieveIn {
				p.take(h, id)
				p.hand = h
				p.skip()
				return id
			}
			p.state[id] = sieveIn
		}
		h++
	}
}

// skip moves the hand off holes; past the newest entry it starts over.
func (p *sieve) skip() {
	for p.hand < len(p.q) && p.q[p.hand] == noEntry {
		p.hand++
	}
	if p.hand == len(p.q) {
		p.hand = -1
	}
}

func (p *sieve) take(place int, id uint32) {
	p.q[place] = noEntry
	p.state[id] = 0
}

// room makes sure that k ids can be appended to q within its capacity: by
// closing the holes, and by more space where few are holes.
func (p *sieve) room(k int) {
	if len(p.q)+k <= cap(p.q) {
		return
	}
	q := p.q
	if 2*p.n+k > cap(q) {
		q = make([]uint32, len(p.q), 4*p.n+4*k)
	}
	w := 0
	for r, v := range p.q {
		if r == p.hand {
			p.hand = w
		}
		if v != noEntry {
			q[w] = v
			p.at[v] = uint32(w)
			w++
		}
	}
	p.q = q[:w]
}

func (p *sieve) push(id uint32) {
	p.room(1)
	p.at[id] = uint32(len(p.q))
	p.q = append(p.q, id)
}

func (p *sieve) enter(id, _ uint32) {
	p.state = fit(p.state, id)
	p.at = fit(p.at, id)
	p.push(id)
	p.state[id] = sieveIn
}

func (p *sieve) leave(id uint32) {
	place := int(p.at[id])
	p.take(place, id)
	if p.hand == place {
		p.skip()
	}
}

// Run is the steps, unrolled into one loop.
func (p *sieve) Run(ids []uint32, miss []uint64) {
	if p.sized {
		play(p, ids, miss)
		return
	}
	n, full := p.n, int(min(p.capacity, 1<<62))
	for w := 0; len(ids) > 0; w++ {
		k := min(64, len(ids))
		block := ids[:k]
		ids = ids[k:]
		for _, id := range block {
			if int(id) >= len(p.state) || int(id) >= len(p.at) {
				p.state = fit(p.state, id)
				p.at = fit(p.at, id)
			}
		}
		p.n = n
		p.room(64)
		var (
			m         uint64
			state, at = p.state, p.at
			q         = p.q[:cap(p.q)]
			end       = len(p.q)
			hand      = p.hand
		)
		for i, id := range block {
			if s := state[id]; s != 0 {
				state[id] = sieveUsed
				continue
			}
			m |= 1 << i
			if n < full {
				n++
			} else {
				h := max(hand, 0)
				for {
					if h == end {
						h = 0
					}
					v := q[h]
					if v != noEntry {
						if state[v] == sieveIn {
							state[v] = 0
							break
						}
						state[v] = sieveIn
					}
					h++
				}
				q[h] = noEntry
				for h < end && q[h] == noEntry {
					h++
				}
				if h == end {
					h = -1
				}
				hand = h
			}
			q[end] = id
			at[id] = uint32(end)
			end++
			state[id] = sieveIn
		}
		p.q = p.q[:end]
		p.hand = hand
		miss[w] = m
	}
	p.n, p.used = n, uint64(n)
}
