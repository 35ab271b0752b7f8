package policy

// lirsLCS is LIRS (Jiang, Zhang: LIRS, SIGMETRICS 2002) as libCacheSim counts it.
// Entries of low inter-reference recency (LIR) fill all but a hundredth of the
// budget and are never evicted directly; the rest (HIR) pass through the small
// queue q. The stack s holds the LIR entries, and those HIR ids, in or not,
// that were used more recently than the oldest LIR entry; an HIR id used again
// while in s becomes LIR, and the oldest LIR entry takes its place in q. s is
// bounded to twice the budget by forgetting ids that are not in.
//
// An entry larger than the small queue is refused. A hit may evict, since one in
// q alone makes the oldest LIR entry HIR; not where q could then not hold both
// (budgets below 200 units: there libCacheSim evicts the entry that was hit and
// goes on to count hits of it).
type lirsLCS struct {
	base
	s, q, gone       lanes // stack, queue of HIR entries that are in, ids in s that are not in; oldest first
	lir              []bool
	lirCap, hirCap   uint64
	lirUsed, hirUsed uint64
	sUsed            uint64 // of everything in s
	late             []uint32
}

func newLIRSLCS(c Config) Policy {
	p := &lirsLCS{base: newBase(c), s: newLanes(1, c.IDs), q: newLanes(1, c.IDs), gone: newLanes(1, c.IDs), lir: make([]bool, c.IDs)}
	p.hirCap = max(1, uint64(0.01*float64(c.Capacity)))
	p.lirCap = c.Capacity - min(c.Capacity, p.hirCap)
	return p
}

func (p *lirsLCS) inS(id uint32) bool { return p.s.in(id) >= 0 }
func (p *lirsLCS) inQ(id uint32) bool { return p.q.in(id) >= 0 }

func (p *lirsLCS) Contains(id uint32) bool {
	return p.inQ(id) || int(id) < len(p.lir) && p.lir[id]
}

func (p *lirsLCS) Access(id uint32) bool {
	p.late = p.late[:0]
	switch {
	case int(id) < len(p.lir) && p.lir[id]:
		p.s.renew(0, id)
		p.prune()
	case !p.inQ(id):
		return false
	case p.inS(id):
		p.s.renew(0, id)
		if s := p.sizeOf(id); s <= p.lirCap {
			p.takeQ(id)
			for p.lirUsed+s > p.lirCap {
				p.late = p.evictLIR(p.late)
			}
			p.lir[id] = true
			p.lirUsed += s
			p.n++
			p.used += s
		}
	default:
		p.q.renew(0, id)
		s := p.sizeOf(id)
		for p.lirUsed+s > p.lirCap && p.lirUsed > 0 && s+p.sizeOf(p.s.oldest(0)) <= p.hirCap {
			p.late = p.evictLIR(p.late)
		}
		p.pushS(id)
	}
	p.limit()
	return true
}

// takeQ takes an entry out of q and so out of the cache.
func (p *lirsLCS) takeQ(id uint32) {
	p.q.drop(id)
	p.hirUsed -= p.sizeOf(id)
	p.sub(id)
}

func (p *lirsLCS) putQ(id uint32) {
	p.q.push(0, id)
	p.hirUsed += p.sizeOf(id)
	p.n++
	p.used += p.sizeOf(id)
}

func (p *lirsLCS) pushS(id uint32) {
	p.s.push(0, id)
	p.sUsed += p.sizeOf(id)
}

func (p *lirsLCS) popS(id uint32) {
	p.s.drop(id)
	p.sUsed -= p.sizeOf(id)
}

// evictLIR makes the oldest LIR entry HIR. It leaves the cache only where q
// can't hold it at all; room for it in q is made by evicting.
func (p *lirsLCS) evictLIR(evicted []uint32) []uint32 {
	v := p.s.oldest(0)
	if !p.lir[v] { // the bottom is not LIR only where there is no LIR entry
		p.popS(v)
		p.forget(v)
		return evicted
	}
	s := p.sizeOf(v)
	p.popS(v)
	p.lir[v] = false
	p.lirUsed -= s
	p.sub(v)
	if s <= p.hirCap {
		for p.hirUsed+s > p.hirCap {
			evicted = p.evictHIR(evicted)
		}
		p.putQ(v)
	} else {
		evicted = append(evicted, v)
	}
	p.prune()
	return evicted
}

// evictHIR evicts the oldest of q. It stays in s, as an id, where it is there.
func (p *lirsLCS) evictHIR(evicted []uint32) []uint32 {
	v := p.q.oldest(0)
	p.takeQ(v)
	if p.inS(v) {
		p.gone.push(0, v)
	}
	return append(evicted, v)
}

func (p *lirsLCS) forget(id uint32) {
	if p.gone.in(id) >= 0 {
		p.gone.drop(id)
	}
}

// prune takes ids off the old end of s until one is LIR or the last one.
func (p *lirsLCS) prune() {
	for p.s.len(0) > 1 {
		id := p.s.oldest(0)
		if p.lir[id] {
			return
		}
		p.popS(id)
		p.forget(id)
	}
}

// limit bounds s.
func (p *lirsLCS) limit() {
	for p.sUsed > 2*p.capacity && p.gone.len(0) > 0 {
		id := p.gone.pop(0)
		p.popS(id)
	}
}

func (p *lirsLCS) Insert(id, size, _ uint32, evicted []uint32) []uint32 {
	evicted = p.insert(id, size, evicted)
	p.limit()
	return evicted
}

func (p *lirsLCS) insert(id, size uint32, evicted []uint32) []uint32 {
	s := uint64(size)
	if s > p.capacity {
		return evicted
	}
	p.lir = fit(p.lir, id)
	if p.inS(id) && s > p.lirCap { // there is no share for LIR entries to speak of
		p.popS(id)
		p.forget(id)
	}
	if p.inS(id) { // not in, but remembered: it becomes LIR
		p.s.renew(0, id)
		p.sUsed += s - p.sizeOf(id)
		p.setSize(id, size)
		for p.lirUsed+s > p.lirCap {
			evicted = p.evictLIR(evicted)
		}
		p.forget(id)
		for p.used+s > p.capacity {
			for p.hirUsed >= p.hirCap {
				evicted = p.evictHIR(evicted)
			}
			if p.lirUsed > 0 {
				evicted = p.evictLIR(evicted)
			} else if p.hirUsed > 0 {
				evicted = p.evictHIR(evicted)
			}
		}
		p.lir[id] = true
		p.lirUsed += s
		p.add(id, size)
		return evicted
	}
	if s > p.hirCap || s > p.lirCap && p.lirCap > 0 {
		return evicted
	}
	p.setSize(id, size)
	if p.lirUsed+s <= p.lirCap {
		for p.used+s > p.capacity { // q holds more than its share never, so this is for safety
			evicted = p.evictHIR(evicted)
		}
		p.pushS(id)
		p.lir[id] = true
		p.lirUsed += s
		p.add(id, size)
		return evicted
	}
	for p.hirUsed+s > p.hirCap {
		evicted = p.evictHIR(evicted)
	}
	p.pushS(id)
	p.putQ(id)
	return evicted
}

// Resize takes the entry out where it is too large for its share; else each share
// is brought back to its bounds, as by a use.
func (p *lirsLCS) Resize(id, size uint32, evicted []uint32) []uint32 {
	if !p.sized {
		return evicted
	}
	s, lir := uint64(size), p.lir[id]
	if s > p.capacity || lir && s > p.lirCap || !lir && s > p.hirCap {
		p.Remove(id)
		return append(evicted, id)
	}
	by := p.resized(id, size)
	if p.inS(id) {
		p.sUsed += by
	}
	if lir {
		p.lirUsed += by
	} else {
		p.hirUsed += by
	}
	for p.lirUsed > p.lirCap {
		evicted = p.evictLIR(evicted)
	}
	for p.hirUsed > p.hirCap {
		evicted = p.evictHIR(evicted)
	}
	p.limit()
	return evicted
}

// Late appends what the last Access evicted.
func (p *lirsLCS) Late(evicted []uint32) []uint32 {
	evicted = append(evicted, p.late...)
	p.late = p.late[:0]
	return evicted
}

func (p *lirsLCS) Remove(id uint32) bool {
	in := p.Contains(id)
	switch {
	case in && p.lir[id]:
		p.lir[id] = false
		p.lirUsed -= p.sizeOf(id)
		p.sub(id)
	case in:
		p.takeQ(id)
	}
	p.forget(id)
	if p.inS(id) {
		p.popS(id)
		p.prune()
	}
	return in
}
