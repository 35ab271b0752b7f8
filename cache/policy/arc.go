package policy

// arc is the adaptive replacement cache (Megiddo, Modha: ARC, FAST 2003) in
// the form golang-lru has it, and with exactly its misses: the border between
// T1 and T2 moves in whole entries (whole slots on a slot budget), each ghost
// list is bounded by itself, and the bounds are applied to new ids only. Like
// golang-lru's it may hold one entry more than the budget, after a remembered
// id came back while T2 was empty and T1 was wanted full; on a slot budget it
// doesn't.
type arc struct {
	base
	l     lanes
	p     uint64 // target size of T1
	bytes [4]uint64
	late  []uint32
}

const (
	arcT1 = iota
	arcT2
	arcB1 // ghosts
	arcB2
)

func newARC(c Config) Policy {
	return &arc{base: newBase(c), l: newLanes(4, c.IDs)}
}

func (p *arc) Contains(id uint32) bool { return uint(p.l.in(id)) < arcB1 }

func (p *arc) Access(id uint32) bool {
	switch p.l.in(id) {
	case arcT1:
		s := p.sizeOf(id)
		p.bytes[arcT1] -= s
		p.bytes[arcT2] += s
		p.l.drop(id)
		p.l.push(arcT2, id)
		if p.bytes[arcT2] > p.capacity {
			p.late = p.overflow(p.late[:0])
		}
		return true
	case arcT2:
		p.l.renew(arcT2, id)
		return true
	}
	return false
}

// overflow evicts from T2 without a ghost: golang-lru's T2 is bounded by the
// budget by itself, which shows when the cache holds one entry too many.
func (p *arc) overflow(evicted []uint32) []uint32 {
	v := p.pop(arcT2)
	p.sub(v)
	return append(evicted, v)
}

// Late appends what the last Access evicted.
func (p *arc) Late(evicted []uint32) []uint32 {
	evicted = append(evicted, p.late...)
	p.late = p.late[:0]
	return evicted
}

func (p *arc) put(q int, id uint32) {
	p.bytes[q] += p.sizeOf(id)
	p.l.push(q, id)
}

func (p *arc) pop(q int) uint32 {
	id := p.l.pop(q)
	p.bytes[q] -= p.sizeOf(id)
	return id
}

// ghost remembers id in b, which never holds more than the budget.
func (p *arc) ghost(b int, id uint32) {
	for p.bytes[b]+p.sizeOf(id) > p.capacity {
		p.pop(b)
	}
	p.put(b, id)
}

// replace evicts one entry, from T1 or T2 as p says. On an entry budget it may
// evict none, as golang-lru does when p says T2 and T2 is empty.
func (p *arc) replace(fromB2 bool, evicted []uint32) []uint32 {
	t1 := p.bytes[arcT1]
	t, b := arcT2, arcB2
	if t1 > 0 && (t1 > p.p || t1 == p.p && fromB2) || p.sized && p.bytes[arcT2] == 0 {
		t, b = arcT1, arcB1
	}
	if p.l.len(t) == 0 {
		return evicted
	}
	id := p.pop(t)
	p.sub(id)
	p.ghost(b, id)
	return append(evicted, id)
}

// room makes room for size.
func (p *arc) room(size uint32, fromB2 bool, evicted []uint32) []uint32 {
	if !p.sized {
		if p.used >= p.capacity {
			evicted = p.replace(fromB2, evicted)
		}
		return evicted
	}
	for p.used+uint64(size) > p.capacity {
		evicted = p.replace(fromB2, evicted)
	}
	return evicted
}

func (p *arc) Insert(id, size, _ uint32, evicted []uint32) []uint32 {
	if uint64(size) > p.capacity {
		return evicted
	}
	ghost := p.l.in(id)
	b1, b2 := p.bytes[arcB1], p.bytes[arcB2]
	switch ghost {
	case arcB1:
		p.p = min(p.p+max(1, b2/b1), p.capacity)
	case arcB2:
		p.p -= min(p.p, max(1, b1/b2))
	}
	if ghost < 0 {
		evicted = p.room(size, false, evicted)
		if p.bytes[arcB1] > p.capacity-p.p {
			p.pop(arcB1)
		}
		if p.bytes[arcB2] > p.p {
			p.pop(arcB2)
		}
		if p.bytes[arcT1]+uint64(size) > p.capacity { // replace found T2 empty
			v := p.pop(arcT1)
			p.sub(v)
			evicted = append(evicted, v)
		}
		p.add(id, size)
		p.put(arcT1, id)
		return evicted
	}
	// The id keeps its place among the ghosts while room is made, and may so
	// be forgotten there; it goes to T2 all the same.
	evicted = p.room(size, ghost == arcB2, evicted)
	if q := p.l.in(id); q >= 0 {
		p.bytes[q] -= p.sizeOf(id)
		p.l.drop(id)
	}
	p.add(id, size)
	p.put(arcT2, id)
	if p.bytes[arcT2] > p.capacity {
		evicted = p.overflow(evicted)
	}
	return evicted
}

func (p *arc) Remove(id uint32) bool {
	q := p.l.in(id)
	if q < 0 {
		return false
	}
	p.bytes[q] -= p.sizeOf(id)
	p.l.drop(id)
	if q >= arcB1 {
		return false
	}
	p.sub(id)
	return true
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
			target         = uint32(p.p)
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
				if t2.live > c {
					where[t2.take(where)] = laneNone
				}
				continue
			}
			m |= 1 << i
			switch q {
			case arcB1 + 1:
				target = min(target+max(1, b2.live/b1.live), c)
			case arcB2 + 1:
				target -= min(target, max(1, b1.live/b2.live))
			}
			if t1.live+t2.live >= c { // replace
				if t1.live > 0 && (t1.live > target || t1.live == target && q == arcB2+1) {
					v := t1.take(where)
					if b1.live == c {
						where[b1.take(where)] = laneNone
					}
					b1.put(where, v)
				} else if t2.live > 0 {
					v := t2.take(where)
					if b2.live == c {
						where[b2.take(where)] = laneNone
					}
					b2.put(where, v)
				}
			}
			if q == 0 {
				if b1.live > c-target {
					where[b1.take(where)] = laneNone
				}
				if b2.live > target {
					where[b2.take(where)] = laneNone
				}
				if t1.live >= c {
					where[t1.take(where)] = laneNone
				}
				t1.put(where, id)
				continue
			}
			// It may have been forgotten while room was made.
			switch where[id] >> laneShift {
			case arcB1 + 1:
				b1.live--
			case arcB2 + 1:
				b2.live--
			}
			t2.put(where, id)
			if t2.live > c {
				where[t2.take(where)] = laneNone
			}
		}
		p.p = uint64(target)
		miss[w] = m
	}
	p.count()
}

// count brings the counts kept for steps up to date with the queues.
func (p *arc) count() {
	for q := range p.bytes {
		p.bytes[q] = uint64(p.l.q[q].live)
	}
	p.n = int(p.bytes[arcT1] + p.bytes[arcT2])
	p.used = uint64(p.n)
}
