package policy

// sieve is SIEVE (Zhang, Yang, Yue, Vigfusson, Rashmi: SIEVE is simpler than
// LRU, NSDI 2024): one queue in order of insertion; a hand goes from the
// oldest to the newest, spares what was used since it passed last, and evicts
// the first that was not, which stays where it is when spared.
type sieve struct {
	base
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
	return &sieve{base: newBase(c), state: make([]uint8, c.IDs), at: make([]uint32, c.IDs), hand: -1}
}

func (p *sieve) Contains(id uint32) bool { return int(id) < len(p.state) && p.state[id] != 0 }

func (p *sieve) Access(id uint32) bool {
	if int(id) >= len(p.state) || p.state[id] == 0 {
		return false
	}
	p.state[id] = sieveUsed
	return true
}

// evict takes one entry out and returns it. The cache must not be empty.
func (p *sieve) evict() uint32 {
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
	p.sub(id)
}

// push appends id, after closing the holes where most of q are holes.
func (p *sieve) push(id uint32) {
	if len(p.q) == cap(p.q) && len(p.q) > 2*p.n+64 {
		w := 0
		for r, v := range p.q {
			if r == p.hand {
				p.hand = w
			}
			if v != noEntry {
				p.q[w] = v
				p.at[v] = uint32(w)
				w++
			}
		}
		p.q = p.q[:w]
	}
	p.at[id] = uint32(len(p.q))
	p.q = append(p.q, id)
}

func (p *sieve) Insert(id, size, _ uint32, evicted []uint32) []uint32 {
	if uint64(size) > p.capacity {
		return evicted
	}
	for p.used+uint64(size) > p.capacity {
		evicted = append(evicted, p.evict())
	}
	p.state = fit(p.state, id)
	p.at = fit(p.at, id)
	p.push(id)
	p.state[id] = sieveIn
	p.add(id, size)
	return evicted
}

func (p *sieve) Remove(id uint32) bool {
	if !p.Contains(id) {
		return false
	}
	place := int(p.at[id])
	p.take(place, id)
	if p.hand == place {
		p.skip()
	}
	return true
}
