package policy

// flushAll empties the whole cache when there is no room for an entry, as
// LuaJIT does with its traces when the machine code area is full.
type flushAll struct{ order }

func newFlushAll(c Config) Policy { return &flushAll{newOrder(c)} }

func (p *flushAll) Insert(id, size, cost uint32, evicted []uint32) []uint32 {
	if uint64(size) > p.capacity {
		return evicted
	}
	if p.used+uint64(size) > p.capacity {
		for p.n > 0 {
			evicted = append(evicted, p.evict())
		}
	}
	return p.order.Insert(id, size, cost, evicted)
}
