package policy

// lirs is LIRS as its author's program counts it (Jiang, Zhang: LIRS, SIGMETRICS
// 2002; lirs.c of Song Jiang). Entries of low inter-reference recency (LIR) fill
// the budget but for a hundredth, two entries at least, and are never evicted
// while there are others; the rest (HIR) pass through the small queue q. The
// stack s holds the LIR entries, and those HIR ids, in or not, that were used
// more recently than the oldest LIR entry. An HIR id used again while in s
// becomes LIR, and the oldest LIR entry goes to q in its place, so that a hit
// never evicts. A request that repeats the one before it changes nothing.
//
// The program bounds s by 2,500 times the budget; here it is bounded by the
// number of ids.
type lirs struct {
	base
	s, q             lanes // stack and queue; oldest first
	lir              []bool
	lirCap, hirCap   uint64
	lirUsed, hirUsed uint64
	last             uint32 // the request before, plus one
}

// lirsLeast is the least share of HIR entries, in entries: LOWEST_HG_NUM.
const lirsLeast = 2

func newLIRS(c Config) Policy {
	p := &lirs{base: newBase(c), s: newLanes(1, c.IDs), q: newLanes(1, c.IDs), lir: make([]bool, c.IDs)}
	p.hirCap = max(lirsLeast, uint64(0.01*float64(c.Capacity)))
	p.lirCap = c.Capacity - min(c.Capacity, p.hirCap)
	return p
}

func (p *lirs) isLIR(id uint32) bool    { return int(id) < len(p.lir) && p.lir[id] }
func (p *lirs) Contains(id uint32) bool { return p.isLIR(id) || p.q.in(id) >= 0 }

func (p *lirs) Access(id uint32) bool {
	if !p.Contains(id) {
		return false
	}
	if p.last == id+1 {
		return true
	}
	if !p.lir[id] {
		p.q.drop(id)
		p.hirUsed -= p.sizeOf(id)
	}
	p.use(id)
	return true
}

// use makes an entry that is in, and not in q, the most recent one.
func (p *lirs) use(id uint32) {
	p.last = id + 1
	inS := p.s.in(id) >= 0
	if inS {
		oldest := p.s.oldest(0) == id
		p.s.drop(id)
		if oldest {
			p.prune()
		}
	}
	p.s.push(0, id)
	s := p.sizeOf(id)
	switch {
	case p.lir[id]:
	case inS && s <= p.lirCap:
		p.lir[id] = true
		p.lirUsed += s
		p.shrink()
	default:
		p.toQ(id)
	}
}

func (p *lirs) toQ(id uint32) {
	p.q.push(0, id)
	p.hirUsed += p.sizeOf(id)
}

// demote makes the oldest LIR entry HIR: the youngest of q, and not in s.
func (p *lirs) demote() {
	p.prune() // the first LIR entry may have come after others
	v := p.s.pop(0)
	p.lir[v] = false
	p.lirUsed -= p.sizeOf(v)
	p.toQ(v)
	p.prune()
}

// prune takes ids off the old end of s until one is LIR.
func (p *lirs) prune() {
	for p.s.len(0) > 0 && !p.lir[p.s.oldest(0)] {
		p.s.pop(0)
	}
}

// evict takes out the oldest of q. It stays in s, as an id, where it is there.
// With sizes, q may be empty: then the oldest LIR entry is demoted first.
func (p *lirs) evict(evicted []uint32) []uint32 {
	if p.q.len(0) == 0 {
		p.demote()
	}
	v := p.q.pop(0)
	p.hirUsed -= p.sizeOf(v)
	p.sub(v)
	return append(evicted, v)
}

func (p *lirs) share(id uint32) *uint64 {
	if p.lir[id] {
		return &p.lirUsed
	}
	return &p.hirUsed
}

func (p *lirs) Resize(id, size uint32, evicted []uint32) []uint32 {
	evicted = resize(p, id, size, evicted)
	p.shrink()
	return evicted
}

// shrink makes LIR entries HIR until they are within their share.
func (p *lirs) shrink() {
	for p.lirUsed > p.lirCap {
		p.demote()
	}
}

func (p *lirs) Insert(id, size, _ uint32, evicted []uint32) []uint32 {
	s := uint64(size)
	if s > p.capacity {
		return evicted
	}
	p.lir = fit(p.lir, id)
	evicted = p.makeRoom(s, evicted)
	// While there is room beyond the share of HIR entries, what comes is LIR.
	if p.capacity-p.used > p.hirCap && p.lirUsed+s <= p.lirCap {
		p.lir[id] = true
		p.lirUsed += s
	}
	p.add(id, size)
	p.use(id)
	return evicted
}

func (p *lirs) Remove(id uint32) bool {
	in := p.Contains(id)
	switch {
	case !in:
	case p.lir[id]:
		p.lir[id] = false
		p.lirUsed -= p.sizeOf(id)
		p.sub(id)
	default:
		p.q.drop(id)
		p.hirUsed -= p.sizeOf(id)
		p.sub(id)
	}
	if p.s.in(id) >= 0 {
		p.s.drop(id)
		p.prune()
	}
	if p.last == id+1 {
		p.last = 0
	}
	return in
}
