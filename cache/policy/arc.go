package policy

// arc is the adaptive replacement cache as published (Megiddo, Modha: ARC, FAST
// 2003, figure 4), and as libCacheSim counts it: T1 holds what was used once, T2 what was used more
// often; B1 and B2 remember what each lost. A use of a remembered id moves the
// border between T1 and T2, by a real number, towards the list that would have
// kept it.
type arc struct {
	queues
	p float64 // target size of T1
}

const (
	arcT1 = iota
	arcT2
	arcB1 // ghosts
	arcB2
)

func newARC(c Config) Policy {
	return &arc{queues: newQueues(c, 4, arcB1)}
}

func (p *arc) Access(id uint32) bool {
	switch p.l.in(id) {
	case arcT1:
		p.move(id, arcT2)
		return true
	case arcT2:
		p.l.renew(arcT2, id)
		return true
	}
	return false
}

// demote evicts the oldest of a list, which its ghosts remember.
func (p *arc) demote(from, ghosts int) uint32 {
	id := p.pop(from)
	p.sub(id)
	p.put(ghosts, id)
	return id
}

// replace is the paper's REPLACE.
func (p *arc) replace(fromB2 bool, evicted []uint32) []uint32 {
	t1 := float64(p.bytes[arcT1])
	if p.bytes[arcT1] > 0 && (t1 > p.p || t1 == p.p && fromB2) || p.bytes[arcT2] == 0 {
		return append(evicted, p.demote(arcT1, arcB1))
	}
	return append(evicted, p.demote(arcT2, arcB2))
}

// makeRoom evicts until size more fits, of an id that isn't remembered.
func (p *arc) makeRoom(size uint64, evicted []uint32) []uint32 {
	for p.used+size > p.capacity {
		switch {
		case p.bytes[arcT1]+p.bytes[arcB1]+size <= p.capacity:
			if p.bytes[arcT1]+p.bytes[arcB1]+p.bytes[arcT2]+p.bytes[arcB2] >= 2*p.capacity && p.l.len(arcB2) > 0 {
				p.pop(arcB2)
			}
			evicted = p.replace(false, evicted)
		case p.bytes[arcB1] > 0:
			p.pop(arcB1)
			evicted = p.replace(false, evicted)
		default:
			evicted = p.lose(arcT1, evicted)
		}
	}
	return evicted
}

func (p *arc) Insert(id, size, _ uint32, evicted []uint32) []uint32 {
	b1, b2 := float64(p.bytes[arcB1]), float64(p.bytes[arcB2])
	ghost := p.l.in(id)
	switch ghost {
	case arcB1:
		p.p = min(p.p+max(b2/b1, 1), float64(p.capacity))
	case arcB2:
		p.p = max(p.p-max(b1/b2, 1), 0)
	}
	if ghost >= 0 {
		p.drop(id)
	}
	s := uint64(size)
	if s > p.capacity {
		return evicted
	}
	q := arcT1
	if ghost < 0 {
		evicted = p.makeRoom(s, evicted)
	} else {
		q = arcT2
		for p.used+s > p.capacity {
			evicted = p.replace(ghost == arcB2, evicted)
		}
	}
	p.enter(q, id, size)
	return evicted
}

// Run is the steps, unrolled into one loop for unit sizes.
func (p *arc) Run(ids []uint32, miss []uint64) {
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
			t1, t2, b1, b2 = &p.l.q[arcT1], &p.l.q[arcT2], &p.l.q[arcB1], &p.l.q[arcB2]
			target         = p.p
		)
		for i, id := range block {
			q := where[id] >> laneShift
			if q == arcT2+1 {
				t2.live--
				t2.put(where, id)
				continue
			}
			if q == arcT1+1 {
				t1.live--
				t2.put(where, id)
				continue
			}
			m |= 1 << i
			switch q {
			case arcB1 + 1:
				target = min(target+max(float64(b2.live)/float64(b1.live), 1), float64(c))
				b1.live--
				where[id] = laneNone
			case arcB2 + 1:
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
				case n > 0 && (n > target || n == target && q == arcB2+1) || t2.live == 0:
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
	p.recounted()
}
