package policy

// s3fifo is S3-FIFO (Yang, Zhang, Qiu, Yue, Rashmi: FIFO queues are all you
// need for cache eviction, SOSP 2023) as libCacheSim counts it: a tenth of the
// budget is a small fifo for new entries; what was used twice there moves to
// the main fifo, what was not is evicted and remembered, id only, in a fifo of
// nine tenths of the budget; what comes back while remembered goes to main
// directly. Main spares an entry as often as it was used, up to three times.
//
// The current version fills main too before the first eviction; the first one
// (v0, that of the paper) puts every new entry into small.
//
// The small fifo has room for one unit at least, and on a slot budget refuses
// entries that would fill it whole.
type s3fifo struct {
	queues
	uses                        []uint8 // per id: 0 not in, else uses + 1, up to s3Most
	smallCap, mainCap, ghostCap uint64
	fillMain                    bool // current version and nothing evicted yet
}

const (
	s3Small = iota
	s3Main
	s3Ghost

	s3Most = 4
)

func newS3FIFO(c Config, current bool) Policy {
	p := &s3fifo{queues: newQueues(c, 3, s3Ghost), uses: make([]uint8, c.IDs), fillMain: current}
	p.smallCap = max(1, uint64(float64(c.Capacity)*0.10))
	p.mainCap = c.Capacity - min(c.Capacity, p.smallCap)
	p.ghostCap = uint64(float64(c.Capacity) * 0.90)
	return p
}

func (p *s3fifo) Contains(id uint32) bool { return int(id) < len(p.uses) && p.uses[id] != 0 }

func (p *s3fifo) Access(id uint32) bool {
	if !p.Contains(id) {
		return false
	}
	p.uses[id] = min(p.uses[id]+1, s3Most)
	return true
}

func (p *s3fifo) evictSmall(evicted []uint32) []uint32 {
	for p.bytes[s3Small] > 0 {
		id := p.pop(s3Small)
		if p.uses[id] > 2 {
			p.uses[id] = 1
			p.put(s3Main, id)
			continue
		}
		p.uses[id] = 0
		p.sub(id)
		p.remember(s3Ghost, id, p.ghostCap)
		return append(evicted, id)
	}
	return evicted
}

func (p *s3fifo) evictMain(evicted []uint32) []uint32 {
	for p.bytes[s3Main] > 0 {
		id := p.pop(s3Main)
		p.uses[id]--
		if p.uses[id] == 0 {
			p.sub(id)
			return append(evicted, id)
		}
		p.put(s3Main, id)
	}
	return evicted
}

func (p *s3fifo) evict(evicted []uint32) []uint32 {
	p.fillMain = false
	if p.bytes[s3Main] > p.mainCap || p.bytes[s3Small] == 0 {
		return p.evictMain(evicted)
	}
	return p.evictSmall(evicted)
}

func (p *s3fifo) Insert(id, size, _ uint32, evicted []uint32) []uint32 {
	ghost := p.l.in(id) == s3Ghost
	if ghost {
		p.drop(id)
	}
	s := uint64(size)
	if s > p.smallCap || s > p.capacity {
		return evicted
	}
	evicted = p.makeRoom(s, evicted)
	q := s3Small
	switch {
	case ghost:
		q = s3Main
	case s == p.smallCap && s > 1:
		return evicted
	case p.fillMain && p.bytes[s3Small] >= p.smallCap:
		q = s3Main
	}
	p.uses = fit(p.uses, id)
	p.uses[id] = 1
	p.enter(q, id, size)
	return evicted
}

func (p *s3fifo) Remove(id uint32) bool {
	in := p.queues.Remove(id)
	if in {
		p.uses[id] = 0
	}
	return in
}

// Run is the steps, unrolled into one loop for unit sizes.
func (p *s3fifo) Run(ids []uint32, miss []uint64) {
	if p.sized {
		play(p, ids, miss)
		return
	}
	limit := func(n uint64) uint32 { return uint32(min(n, 1<<31)) }
	c, smallCap, mainCap, ghostCap := limit(p.capacity), limit(p.smallCap), limit(p.mainCap), limit(p.ghostCap)
	for w := 0; len(ids) > 0; w++ {
		k := min(64, len(ids))
		block := ids[:k]
		ids = ids[k:]
		p.l.ready(block)
		for _, id := range block {
			if int(id) >= len(p.uses) {
				p.uses = fit(p.uses, id)
			}
		}
		var (
			m                  uint64
			where, uses        = p.l.where, p.uses
			small, main, ghost = &p.l.q[s3Small], &p.l.q[s3Main], &p.l.q[s3Ghost]
		)
		for i, id := range block {
			if u := uses[id]; u != 0 {
				uses[id] = min(u+1, s3Most)
				continue
			}
			m |= 1 << i
			known := where[id] != laneNone
			if known {
				ghost.live--
				where[id] = laneNone
			}
			if small.live+main.live >= c {
				p.fillMain = false
				done := false
				if main.live <= mainCap {
					for small.live > 0 && !done {
						v := small.take(where)
						if uses[v] > 2 {
							uses[v] = 1
							if main.head-main.tail == uint32(len(main.buf)) {
								p.l.sweep(main)
							}
							main.put(where, v)
							continue
						}
						done = true
						uses[v] = 0
						where[v] = laneNone
						if ghostCap > 0 {
							if ghost.live == ghostCap {
								where[ghost.take(where)] = laneNone
							}
							ghost.put(where, v)
						}
					}
				}
				for !done {
					v := main.take(where)
					uses[v]--
					if done = uses[v] == 0; done {
						where[v] = laneNone
					} else {
						if main.head-main.tail == uint32(len(main.buf)) {
							p.l.sweep(main)
						}
						main.put(where, v)
					}
				}
			}
			uses[id] = 1
			if known || p.fillMain && small.live >= smallCap {
				if main.head-main.tail == uint32(len(main.buf)) {
					p.l.sweep(main)
				}
				main.put(where, id)
			} else {
				small.put(where, id)
			}
		}
		miss[w] = m
	}
	p.recounted()
}
