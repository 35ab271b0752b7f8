package policy

// flushAll empties the whole cache when there is no room for an entry, as
// LuaJIT does with its traces when the machine code area is full.
type flushAll struct{ order }

func newFlushAll(c Config) Policy { return &flushAll{newOrder(c)} }

func (p *flushAll) evict(evicted []uint32) []uint32 {
	for p.n > 0 {
		evicted = p.simple.evict(evicted)
	}
	return evicted
}
