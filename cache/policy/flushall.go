package policy

// flushAll empties the whole cache when there is no room for an entry, as
// LuaJIT does with its traces when the machine code area is full.
type flushAll struct{ order }

func newFlushAll(c Config) Policy { return &flushAll{newOrder(c)} }

// makeRoom evicts all where size more doesn't fit.
func (p *flushAll) makeRoom(size uint64, evicted []uint32) []uint32 {
	if p.used+size > p.capacity {
		for p.n > 0 {
			evicted = append(evicted, p.evict())
		}
	}
	return evicted
}

func (p *flushAll) Resize(id, size uint32, evicted []uint32) []uint32 {
	return resize(p, id, size, evicted)
}

func (p *flushAll) Insert(id, size, cost uint32, evicted []uint32) []uint32 {
	if uint64(size) > p.capacity {
		return evicted
	}
	evicted = p.makeRoom(uint64(size), evicted)
	return p.order.Insert(id, size, cost, evicted)
}
