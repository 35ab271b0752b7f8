package policy

// wTinyLFU is W-TinyLFU (Einziger, Friedman, Manes: TinyLFU, ACM TOS 2017) as
// Caffeine has it: an lru window of a hundredth of the budget; the main part,
// an slru of probation and protected (four fifths); what leaves the window gets
// in only if it was used more often of late, by a sketch, than what the main
// part would evict. Two guards against ids made to collide in the sketch: the
// hash is seeded, and a loser that was used at least six times gets in
// nevertheless with probability 1/128.
//
// On a slot budget the window is a hundredth of the slots, but never so small
// that an entry is refused for it: what is larger passes straight through.
type wTinyLFU struct {
	base
	l                  lanes
	s                  sketch
	rng                rng
	windowCap, protCap uint64
	bytes              [3]uint64
}

const (
	wtWindow = iota
	wtProbation
	wtProtected
)

func newWTinyLFU(c Config) Policy {
	entries := c.Capacity
	if c.Sized {
		entries = max(1, entries/16) // counters for entries of 16 slots and more
	}
	p := &wTinyLFU{base: newBase(c), l: newLanes(3, c.IDs), s: newSketch(entries, c.Seed), rng: rng{c.Seed ^ 0x77746c66}}
	p.windowCap = max(1, c.Capacity/100)
	p.protCap = (c.Capacity - p.windowCap) * 4 / 5
	return p
}

func (p *wTinyLFU) Contains(id uint32) bool { return p.l.in(id) >= 0 }

func (p *wTinyLFU) Access(id uint32) bool {
	p.s.count(id)
	q := p.l.in(id)
	switch q {
	case wtWindow, wtProtected:
		p.l.renew(q, id)
	case wtProbation:
		p.move(id, wtProbation, wtProtected)
		for p.bytes[wtProtected] > p.protCap {
			p.move(p.l.oldest(wtProtected), wtProtected, wtProbation)
		}
	default:
		return false
	}
	return true
}

func (p *wTinyLFU) move(id uint32, from, to int) {
	s := p.sizeOf(id)
	p.bytes[from] -= s
	p.bytes[to] += s
	p.l.drop(id)
	p.l.push(to, id)
}

func (p *wTinyLFU) take(id uint32) {
	p.bytes[p.l.in(id)] -= p.sizeOf(id)
	p.l.drop(id)
	p.sub(id)
}

// admit decides between what leaves the window and what main would evict.
func (p *wTinyLFU) admit(candidate, victim uint32) bool {
	c, v := p.s.uses(candidate), p.s.uses(victim)
	return c > v || c >= 6 && p.rng.next()&127 == 0
}

func (p *wTinyLFU) Insert(id, size, _ uint32, evicted []uint32) []uint32 {
	if uint64(size) > p.capacity {
		return evicted
	}
	p.add(id, size)
	p.bytes[wtWindow] += uint64(size)
	p.l.push(wtWindow, id)
	for p.bytes[wtWindow] > p.windowCap {
		// The candidate passes to main; while that is too much, it or another goes.
		c := p.l.oldest(wtWindow)
		p.move(c, wtWindow, wtProbation)
		for p.used > p.capacity {
			v := p.victim(c)
			if v != c && !p.admit(c, v) {
				v = c
			}
			p.take(v)
			if v != id {
				evicted = append(evicted, v)
			}
			if v == c {
				break
			}
		}
	}
	for p.used > p.capacity { // the window is within its share, main is not
		v := p.victim(noEntry)
		p.take(v)
		if v != id {
			evicted = append(evicted, v)
		}
	}
	return evicted
}

// victim is what main would evict beside c; c itself where there is no other.
func (p *wTinyLFU) victim(c uint32) uint32 {
	if p.l.len(wtProbation) > 0 {
		if v := p.l.oldest(wtProbation); v != c {
			return v
		}
	}
	if p.l.len(wtProtected) > 0 {
		return p.l.oldest(wtProtected)
	}
	if c != noEntry {
		return c
	}
	return p.l.oldest(wtWindow)
}

func (p *wTinyLFU) Remove(id uint32) bool {
	if p.l.in(id) < 0 {
		return false
	}
	p.take(id)
	return true
}

// Run is the steps, unrolled into one loop for unit sizes.
func (p *wTinyLFU) Run(ids []uint32, miss []uint64) {
	if p.sized {
		play(p, ids, miss)
		return
	}
	limit := func(n uint64) uint32 { return uint32(min(n, 1<<31)) }
	c, windowCap, protCap := limit(p.capacity), limit(p.windowCap), limit(p.protCap)
	for w := 0; len(ids) > 0; w++ {
		k := min(64, len(ids))
		block := ids[:k]
		ids = ids[k:]
		p.l.ready(block)
		var (
			m                       uint64
			where                   = p.l.where
			window, probation, prot = &p.l.q[wtWindow], &p.l.q[wtProbation], &p.l.q[wtProtected]
		)
		for i, id := range block {
			p.s.count(id)
			switch where[id] >> laneShift {
			case wtProtected + 1:
				prot.live--
				prot.put(where, id)
				continue
			case wtProbation + 1:
				probation.live--
				prot.put(where, id)
				for prot.live > protCap {
					if probation.head-probation.tail == uint32(len(probation.buf)) {
						p.l.sweep(probation)
					}
					probation.put(where, prot.take(where))
				}
				continue
			case wtWindow + 1:
				window.live--
				window.put(where, id)
				continue
			}
			m |= 1 << i
			window.put(where, id)
			if window.live > windowCap {
				cand := window.take(where)
				full := window.live+probation.live+prot.live >= c
				switch {
				case !full:
					probation.put(where, cand)
				case probation.live > 0:
					p.contest(probation, probation, cand)
				case prot.live > 0:
					p.contest(prot, probation, cand)
				default:
					where[cand] = laneNone
				}
			}
			if window.live+probation.live+prot.live > c { // a main part without a share
				where[window.take(where)] = laneNone
			}
		}
		miss[w] = m
	}
	for q := range p.bytes {
		p.bytes[q] = uint64(p.l.q[q].live)
	}
	p.n = int(p.bytes[wtWindow] + p.bytes[wtProbation] + p.bytes[wtProtected])
	p.used = uint64(p.n)
}

// contest lets cand, which has left the window, into to in place of the oldest
// of from, or not.
func (p *wTinyLFU) contest(from, to *lane, cand uint32) {
	where := p.l.where
	v := p.l.oldest(int(from.tag>>laneShift) - 1)
	if !p.admit(cand, v) {
		where[cand] = laneNone
		return
	}
	where[from.take(where)] = laneNone
	to.put(where, cand)
}
