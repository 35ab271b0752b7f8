package policy

// twoQ is 2Q as published ("full version"; Johnson, Shasha: 2Q, VLDB 1994),
// and as libCacheSim counts it: new entries go through a fifo of a quarter of the budget; what
// leaves it unused is remembered, id only, in a fifo of half the budget; what
// comes back while remembered goes into the lru main part. A hit in the entry
// fifo changes nothing.
//
// Budgets under 4 would leave the entry fifo without room; it gets one unit.
type twoQ struct {
	queues
	inCap, outCap uint64
	mainCap       uint64
}

const (
	twoQIn = iota
	twoQMain
	twoQOut // ghosts
)

func newTwoQ(c Config) Policy {
	p := &twoQ{queues: newQueues(c, 3, twoQOut)}
	p.inCap = max(1, uint64(float64(c.Capacity)*0.25))
	p.outCap = uint64(float64(c.Capacity) * 0.5)
	p.mainCap = c.Capacity - min(p.inCap, c.Capacity)
	return p
}

func (p *twoQ) Access(id uint32) bool {
	switch p.l.in(id) {
	case twoQIn:
		return true
	case twoQMain:
		p.l.renew(twoQMain, id)
		return true
	}
	return false
}

func (p *twoQ) evict(evicted []uint32) []uint32 {
	if p.bytes[twoQIn] > p.inCap || p.l.len(twoQMain) == 0 {
		v := p.pop(twoQIn)
		p.sub(v)
		p.remember(twoQOut, v, p.outCap)
		return append(evicted, v)
	}
	return p.lose(twoQMain, evicted)
}

func (p *twoQ) Insert(id, size, _ uint32, evicted []uint32) []uint32 {
	known := p.l.in(id) == twoQOut
	if known {
		p.drop(id)
	}
	s := uint64(size)
	if s > p.inCap || s > p.capacity {
		return evicted
	}
	evicted = p.makeRoom(s, evicted)
	if !known {
		p.enter(twoQIn, id, size)
		return evicted
	}
	if s > p.mainCap {
		return evicted
	}
	for p.bytes[twoQMain]+s > p.mainCap {
		evicted = p.lose(twoQMain, evicted)
	}
	p.enter(twoQMain, id, size)
	return evicted
}

// Run is the steps, unrolled into one loop for unit sizes.
func (p *twoQ) Run(ids []uint32, miss []uint64) {
	if p.sized || p.mainCap == 0 {
		play(p, ids, miss)
		return
	}
	limit := func(n uint64) uint32 { return uint32(min(n, 1<<31)) }
	c, inCap, outCap, mainCap := limit(p.capacity), limit(p.inCap), limit(p.outCap), limit(p.mainCap)
	for w := 0; len(ids) > 0; w++ {
		k := min(64, len(ids))
		block := ids[:k]
		ids = ids[k:]
		p.l.ready(block)
		var (
			m             uint64
			where         = p.l.where
			in, main, out = &p.l.q[twoQIn], &p.l.q[twoQMain], &p.l.q[twoQOut]
		)
		for i, id := range block {
			q := where[id] >> laneShift
			if q == twoQIn+1 {
				continue
			}
			if q == twoQMain+1 {
				main.live--
				main.put(where, id)
				continue
			}
			m |= 1 << i
			if q != 0 {
				out.live--
				where[id] = laneNone
			}
			if in.live+main.live >= c {
				if in.live > inCap || main.live == 0 {
					v := in.take(where)
					where[v] = laneNone
					if outCap > 0 {
						if out.live == outCap {
							where[out.take(where)] = laneNone
						}
						out.put(where, v)
					}
				} else {
					where[main.take(where)] = laneNone
				}
			}
			if q == 0 {
				in.put(where, id)
				continue
			}
			if main.live >= mainCap {
				where[main.take(where)] = laneNone
			}
			main.put(where, id)
		}
		miss[w] = m
	}
	p.recounted()
}
