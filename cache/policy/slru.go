package policy

// slru is segmented lru (Karedla, Love, Wherry: Caching strategies to improve
// disk system performance, Computer 1994) as libCacheSim counts it: segments
// of equal size; a new entry goes to the lowest with room; a hit moves it up
// one; what falls out of a segment goes to the one below. Entries larger than
// a segment are refused. With sizes, moving up may push something out below,
// so a hit may evict.
type slru struct {
	base
	l     lanes
	max   []uint64
	bytes []uint64
	late  []uint32
}

func newSLRU(c Config, segments int) Policy {
	each := make([]uint64, segments)
	for i := range each {
		each[i] = c.Capacity / uint64(segments)
	}
	if each[0] == 0 { // fewer entries than segments: the lowest ones get one each
		for i := range each {
			each[i] = 0
			if uint64(i) < c.Capacity {
				each[i] = 1
			}
		}
		each = each[:min(uint64(segments), c.Capacity)]
	}
	return newSLRUOf(c, each)
}

// newSLRUOf makes one with segments of the sizes given, lowest first.
func newSLRUOf(c Config, each []uint64) *slru {
	return wired(&slru{base: newBase(c), l: newLanes(len(each), c.IDs), max: each, bytes: make([]uint64, len(each))}).(*slru)
}

func (p *slru) Contains(id uint32) bool { return p.l.in(id) >= 0 }

func (p *slru) move(id uint32, from, to int) {
	s := p.sizeOf(id)
	p.bytes[from] -= s
	p.bytes[to] += s
	p.l.push(to, id)
	p.l.q[from].live--
}

func (p *slru) Access(id uint32) bool {
	q := p.l.in(id)
	if q < 0 {
		return false
	}
	if q == len(p.max)-1 {
		p.l.renew(q, id)
		return true
	}
	p.late = p.late[:0]
	p.move(id, q, q+1)
	for p.bytes[q+1] > p.max[q+1] {
		p.cool(q + 1)
	}
	return true
}

// cool moves the oldest of a segment down, out of the lowest.
func (p *slru) cool(q int) {
	if q == 0 {
		p.late = p.evict(p.late)
		return
	}
	p.move(p.l.oldest(q), q, q-1)
	for p.bytes[q-1] > p.max[q-1] {
		p.cool(q - 1)
	}
}

// victim is the segment the next eviction is from: the lowest with entries.
func (p *slru) victim() int {
	q := 0
	for p.l.len(q) == 0 {
		q++
	}
	return q
}

func (p *slru) evict(evicted []uint32) []uint32 {
	q := p.victim()
	id := p.l.pop(q)
	p.bytes[q] -= p.sizeOf(id)
	p.sub(id)
	return append(evicted, id)
}

// Late appends what the last Access evicted.
func (p *slru) Late(evicted []uint32) []uint32 {
	evicted = append(evicted, p.late...)
	p.late = p.late[:0]
	return evicted
}

func (p *slru) share(id uint32) *uint64 { return &p.bytes[p.l.in(id)] }

// Resize moves down what its segment then can't hold.
func (p *slru) Resize(id, size uint32, evicted []uint32) []uint32 {
	q := p.l.in(id)
	if p.sized && uint64(size) > p.max[0] {
		p.Remove(id)
		return append(evicted, id)
	}
	grows := p.sized && uint64(size) > p.sizeOf(id)
	evicted = resize(p, id, size, evicted)
	for grows && p.bytes[q] > p.max[q] {
		p.cool(q)
	}
	return p.Late(evicted)
}

func (p *slru) Insert(id, size, _ uint32, evicted []uint32) []uint32 {
	s := uint64(size)
	if s > p.max[0] || s > p.capacity {
		return evicted
	}
	evicted = p.makeRoom(s, evicted)
	q := 0
	for q < len(p.max) && p.bytes[q]+s > p.max[q] {
		q++
	}
	if q == len(p.max) {
		q = 0
	}
	p.add(id, size)
	p.bytes[q] += s
	p.l.push(q, id)
	return evicted
}

func (p *slru) Remove(id uint32) bool {
	q := p.l.in(id)
	if q < 0 {
		return false
	}
	p.bytes[q] -= p.sizeOf(id)
	p.l.drop(id)
	p.sub(id)
	return true
}
