package policy

// flushAll empties the whole cache when there is no room for an entry, as
// LuaJIT does with its traces when the machine code area is full.
type flushAll struct{ fifo }

func newFlushAll(c Config) Policy { return &flushAll{*newFIFO(c).(*fifo)} }

func (p *flushAll) Insert(id, size, cost uint32, evicted []uint32) []uint32 {
	if uint64(size) > p.capacity {
		return evicted
	}
	if p.used+uint64(size) > p.capacity {
		for p.n > 0 {
			v := p.l.pop(0)
			p.sub(v)
			evicted = append(evicted, v)
		}
	}
	return p.fifo.Insert(id, size, cost, evicted)
}
