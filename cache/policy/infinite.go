package policy

// infinite never evicts, whatever the budget: its misses are the first requests
// alone. A bound.
type infinite struct {
	base
	in  []bool
	all uint32 // ids below are in, as all are where they came in order and none went
}

func newInfinite(c Config) Policy { return &infinite{base: newBase(c), in: make([]bool, c.IDs)} }

func (p *infinite) Contains(id uint32) bool { return int(id) < len(p.in) && p.in[id] }
func (p *infinite) Access(id uint32) bool   { return p.Contains(id) }

func (p *infinite) hits(ids []uint32) (uint32, bool) {
	top := uint32(0)
	for _, id := range ids {
		top = max(top, id)
	}
	if top < p.all {
		return 0, true
	}
	for _, id := range ids {
		if int(id) >= len(p.in) || !p.in[id] {
			return id, false
		}
	}
	return 0, true
}

func (p *infinite) Insert(id, size, _ uint32, evicted []uint32) []uint32 {
	p.in = fit(p.in, id)
	p.in[id] = true
	for int(p.all) < len(p.in) && p.in[p.all] {
		p.all++
	}
	p.add(id, size)
	return evicted
}

func (p *infinite) Resize(id, size uint32, evicted []uint32) []uint32 {
	if p.sized {
		p.resized(id, size)
	}
	return evicted
}

func (p *infinite) Remove(id uint32) bool {
	if !p.Contains(id) {
		return false
	}
	p.in[id] = false
	p.all = min(p.all, id)
	p.sub(id)
	return true
}

// preinstalled holds every id from the start, as if all paths had been compiled
// before the first packet: only an id that is invalidated misses, until it is
// put in again. A bound.
type preinstalled struct {
	base
	out []bool
}

func newPreinstalled(c Config) Policy { return &preinstalled{base: newBase(c)} }

func (p *preinstalled) Contains(id uint32) bool { return int(id) >= len(p.out) || !p.out[id] }
func (p *preinstalled) Access(id uint32) bool   { return p.Contains(id) }

func (p *preinstalled) Insert(id, size, _ uint32, evicted []uint32) []uint32 {
	if !p.Contains(id) {
		p.out[id] = false
	}
	return evicted
}

func (p *preinstalled) Resize(_, _ uint32, evicted []uint32) []uint32 {
	return evicted
}

func (p *preinstalled) Remove(id uint32) bool {
	was := p.Contains(id)
	p.out = fit(p.out, id)
	p.out[id] = true
	return was
}
