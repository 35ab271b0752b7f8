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
			v := p.h.pop()
			p.sub(v)
			evicted = append(evicted, v)
		}
	}
	return p.fifo.Insert(id, size, cost, evicted)
}

// Run is the steps: fifo's own loop would evict one by one.
func (p *flushAll) Run(ids []uint32, miss []uint64) { play(p, ids, miss) }
