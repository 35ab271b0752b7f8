package policy

// arc is the adaptive replacement cache (Megiddo, Modha: ARC, FAST 2003) as
// libCacheSim counts it: T1 holds what was used once, T2 what was used more
// often; B1 and B2 remember what each lost. A use of a remembered id moves the
// border between T1 and T2, by a real number, towards the list that would have
// kept it.
type arc struct {
	base
	l     lanes
	p     float64 // target size of T1
	bytes [4]uint64
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
		return true
	case arcT2:
		p.l.renew(arcT2, id)
		return true
	}
	return false
}

// move takes the oldest of queue from to queue to; to < 0 forgets it.
func (p *arc) move(from, to int) uint32 {
	id := p.l.pop(from)
	s := p.sizeOf(id)
	p.bytes[from] -= s
	if to >= 0 {
		p.bytes[to] += s
		p.l.push(to, id)
	}
	if from <= arcT2 {
		p.sub(id)
	}
	return id
}

// replace is the paper's REPLACE.
func (p *arc) replace(fromB2 bool, evicted []uint32) []uint32 {
	t1 := float64(p.bytes[arcT1])
	if p.bytes[arcT1] > 0 && (t1 > p.p || t1 == p.p && fromB2) || p.bytes[arcT2] == 0 {
		return append(evicted, p.move(arcT1, arcB1))
	}
	return append(evicted, p.move(arcT2, arcB2))
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
			evicted = p.replace(ghost == arcB2, evicted)
		case p.bytes[arcT1]+p.bytes[arcB1]+s <= p.capacity:
			if p.bytes[arcT1]+p.bytes[arcB1]+p.bytes[arcT2]+p.bytes[arcB2] >= 2*p.capacity && p.l.len(arcB2) > 0 {
				p.move(arcB2, -1)
			}
			evicted = p.replace(false, evicted)
		case p.bytes[arcB1] > 0:
			p.move(arcB1, -1)
			evicted = p.replace(false, evicted)
		default:
			evicted = append(evicted, p.move(arcT1, -1))
		}
	}
	q := arcT1
	if ghost >= 0 {
		q = arcT2
	}
	p.add(id, size)
	p.bytes[q] += s
	p.l.push(q, id)
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
