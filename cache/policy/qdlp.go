package policy

// qdlp is quick demotion with lazy promotion (Yang, Qiu, Zhang, Yue, Rashmi:
// FIFO can be better than LRU: the power of lazy promotion and quick demotion,
// HotOS 2023) as libCacheSim counts it: a tenth of the budget is a probationary
// fifo for new entries; what was used there moves to main, a clock of two bits;
// what was not is evicted and remembered, id only, in a fifo as large as main;
// what comes back while remembered goes to main directly.
//
// Budgets under 10 give the fifo one unit; one of 1 has no main part.
type qdlp struct {
	queues
	uses                       []uint8 // per id: since it was put in or spared
	fifoCap, mainCap, ghostCap uint64
}

const (
	qdFIFO = iota
	qdMain
	qdGhost

	qdMost = 3 // what the clock's two bits hold
)

func newQDLP(c Config) Policy {
	p := &qdlp{queues: newQueues(c, 3, qdGhost), uses: make([]uint8, c.IDs)}
	p.fifoCap = max(1, uint64(float64(c.Capacity)*0.10))
	p.mainCap = c.Capacity - min(c.Capacity, p.fifoCap)
	p.ghostCap = uint64(float64(c.Capacity) * 0.90)
	return p
}

func (p *qdlp) Access(id uint32) bool {
	if !p.Contains(id) {
		return false
	}
	p.uses[id] = min(p.uses[id]+1, qdMost)
	return true
}

// evictMain takes one entry out of main, which must hold one.
func (p *qdlp) evictMain(evicted []uint32) []uint32 {
	for {
		id := p.pop(qdMain)
		if p.uses[id] == 0 {
			p.sub(id)
			return append(evicted, id)
		}
		p.uses[id]--
		p.put(qdMain, id)
	}
}

// toMain puts id, in no queue, into main, where room for it is made first.
func (p *qdlp) toMain(id uint32, evicted []uint32) []uint32 {
	for p.bytes[qdMain] > 0 && p.bytes[qdMain]+p.sizeOf(id) > p.mainCap {
		evicted = p.evictMain(evicted)
	}
	p.uses[id] = 0
	p.put(qdMain, id)
	return evicted
}

// evict takes the oldest entry out of the fifo, to main if it was used; of main
// where that is over its share, or the fifo is empty.
func (p *qdlp) evict(evicted []uint32) []uint32 {
	if p.bytes[qdMain] > p.mainCap || p.bytes[qdFIFO] == 0 {
		return p.evictMain(evicted)
	}
	id := p.pop(qdFIFO)
	if p.uses[id] > 0 && p.sizeOf(id) <= p.mainCap {
		return p.toMain(id, evicted)
	}
	p.sub(id)
	p.remember(qdGhost, id, p.ghostCap)
	return append(evicted, id)
}

func (p *qdlp) Insert(id, size, _ uint32, evicted []uint32) []uint32 {
	s := uint64(size)
	known := p.l.in(id) == qdGhost
	if known {
		p.drop(id)
	}
	if s > p.capacity {
		return evicted
	}
	evicted = p.makeRoom(s, evicted)
	p.uses = fit(p.uses, id)
	p.add(id, size)
	if known && s <= p.mainCap {
		return p.toMain(id, evicted)
	}
	p.uses[id] = 0
	p.put(qdFIFO, id)
	return evicted
}
