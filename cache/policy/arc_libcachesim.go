package policy

// arcLCS is the adaptive replacement cache (Megiddo, Modha: ARC, FAST 2003) as
// libCacheSim counts it: T1 holds what was used once, T2 what was used more
// often; B1 and B2 remember what each lost. A use of a remembered id moves the
// border between T1 and T2, by a real number, towards the list that would have
// kept it.
type arcLCS struct {
	base
	l     lanes
	p     float64 // target size of T1
	bytes [4]uint64
}

const (
	lcsT1 = iota
	lcsT2
	lcsB1 // ghosts
	lcsB2
)

func newARCLCS(c Config) Policy {
	return &arcLCS{base: newBase(c), l: newLanes(4, c.IDs)}
}

func (p *arcLCS) Contains(id uint32) bool { return uint(p.l.in(id)) < lcsB1 }

func (p *arcLCS) Access(id uint32) bool {
	switch p.l.in(id) {
	case lcsT1:
		s := p.sizeOf(id)
		p.bytes[lcsT1] -= s
		p.bytes[lcsT2] += s
		p.l.drop(id)
		p.l.push(lcsT2, id)
		return true
	case lcsT2:
		p.l.renew(lcsT2, id)
		return true
	}
	return false
}

// move takes the oldest of queue from to queue to; to < 0 forgets it.
func (p *arcLCS) move(from, to int) uint32 {
	id := p.l.pop(from)
	s := p.sizeOf(id)
	p.bytes[from] -= s
	if to >= 0 {
		p.bytes[to] += s
		p.l.push(to, id)
	}
	if from <= lcsT2 {
		p.sub(id)
	}
	return id
}

// replace is the paper's REPLACE.
func (p *arcLCS) replace(fromB2 bool, evicted []uint32) []uint32 {
	t1 := float64(p.bytes[lcsT1])
	if p.bytes[lcsT1] > 0 && (t1 > p.p || t1 == p.p && fromB2) || p.bytes[lcsT2] == 0 {
		return append(evicted, p.move(lcsT1, lcsB1))
	}
	return append(evicted, p.move(lcsT2, lcsB2))
}

func (p *arcLCS) Insert(id, size, _ uint32, evicted []uint32) []uint32 {
	b1, b2 := float64(p.bytes[lcsB1]), float64(p.bytes[lcsB2])
	ghost := p.l.in(id)
	switch ghost {
	case lcsB1:
		p.p = min(p.p+max(b2/b1, 1), float64(p.capacity))
	case lcsB2:
		p.p = max(p.p-max(b1/b2, 1), 0)
	}
	if ghost >= 0 {
		p.bytes[ghost] -= p.sizeOf(id)
		p.l.drop(id)
	}
	s := uint64(size)
	if s > p.capacity {
		return evicted
	}
	for p.used+s > p.capacity {
		switch {
		case ghost >= 0:
			evicted = p.replace(ghost == lcsB2, evicted)
		case p.bytes[lcsT1]+p.bytes[lcsB1]+s <= p.capacity:
			if p.bytes[lcsT1]+p.bytes[lcsB1]+p.bytes[lcsT2]+p.bytes[lcsB2] >= 2*p.capacity && p.l.len(lcsB2) > 0 {
				p.move(lcsB2, -1)
			}
			evicted = p.replace(false, evicted)
		case p.bytes[lcsB1] > 0:
			p.move(lcsB1, -1)
			evicted = p.replace(false, evicted)
		default:
			evicted = append(evicted, p.move(lcsT1, -1))
		}
	}
	q := lcsT1
	if ghost >= 0 {
		q = lcsT2
	}
	p.add(id, size)
	p.bytes[q] += s
	p.l.push(q, id)
	return evicted
}

func (p *arcLCS) Remove(id uint32) bool {
	q := p.l.in(id)
	if q < 0 {
		return false
	}
	p.bytes[q] -= p.sizeOf(id)
	p.l.drop(id)
	if q >= lcsB1 {
		return false
	}
	p.sub(id)
	return true
}

// Run is the steps, unrolled into one loop for unit sizes.
func (p *arcLCS) Run(ids []uint32, miss []uint64) {
	if p.sized {
		play(p, ids, miss)
		return
	}
	c := uint32(min(p.capacity, 1<<31))
	for w := 0; len(ids) > 0; w++ {
		k := min(64, len(ids))
		block := ids[:k]
		ids = ids[k:]
		p.l.ready(block)
		var (
			m              uint64
			where          = p.l.where
			t1, t2, b1, b2 = &p.l.q[lcsT1], &p.l.q[lcsT2], &p.l.q[lcsB1], &p.l.q[lcsB2]
			target         = p.p
		)
		for i, id := range block {
			q := where[id] >> laneShift
			if q == lcsT2+1 {
				t2.live--
				t2.put(where, id)
				continue
			}
			if q == lcsT1+1 {
				t1.live--
				t2.put(where, id)
				continue
			}
			m |= 1 << i
			switch q {
			case lcsB1 + 1:
				target = min(target+max(float64(b2.live)/float64(b1.live), 1), float64(c))
				b1.live--
				where[id] = laneNone
			case lcsB2 + 1:
				target = max(target-max(float64(b1.live)/float64(b2.live), 1), 0)
				b2.live--
				where[id] = laneNone
			}
			if t1.live+t2.live >= c {
				ghost := true // what leaves T1 is remembered
				if q == 0 {
					if t1.live+b1.live < c {
						if t1.live+b1.live+t2.live+b2.live >= 2*c && b2.live > 0 {
							where[b2.take(where)] = laneNone
						}
					} else if b1.live > 0 {
						where[b1.take(where)] = laneNone
					} else {
						ghost = false
					}
				}
				n := float64(t1.live)
				switch {
				case !ghost:
					where[t1.take(where)] = laneNone
				case n > 0 && (n > target || n == target && q == lcsB2+1) || t2.live == 0:
					b1.put(where, t1.take(where))
				default:
					b2.put(where, t2.take(where))
				}
			}
			if q == 0 {
				t1.put(where, id)
			} else {
				t2.put(where, id)
			}
		}
		p.p = target
		miss[w] = m
	}
	for q := range p.bytes {
		p.bytes[q] = uint64(p.l.q[q].live)
	}
	p.n = int(p.bytes[lcsT1] + p.bytes[lcsT2])
	p.used = uint64(p.n)
}
