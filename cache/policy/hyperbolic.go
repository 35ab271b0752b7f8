package policy

// hyperbolic (Blankstein, Sen, Freedman: Hyperbolic caching, USENIX ATC 2017)
// evicts, of 64 entries drawn, the one least worth: uses × cost / (size × time
// since it was put in).
type hyperbolic struct {
	random
	e   []hyperbolicEntry // per id
	now uint64
}

type hyperbolicEntry struct {
	since uint64
	uses  uint32
	cost  uint32
}

const hyperbolicDraws = 64

func newHyperbolic(c Config) Policy {
	return &hyperbolic{random: *newRandom(c).(*random), e: make([]hyperbolicEntry, c.IDs)}
}

func (p *hyperbolic) Access(id uint32) bool {
	p.now++
	if !p.Contains(id) {
		return false
	}
	p.e[id].uses++
	return true
}

func (p *hyperbolic) worth(id uint32) float64 {
	e := &p.e[id]
	return float64(e.uses) * float64(e.cost) / (float64(p.sizeOf(id)) * float64(p.now-e.since+1))
}

func (p *hyperbolic) oust() uint32 {
	var v uint32
	least := 0.0
	draws := min(hyperbolicDraws, len(p.slot))
	for i := range draws {
		x := p.slot[i]
		if draws == hyperbolicDraws {
			x = p.draw()
		}
		if w := p.worth(x); i == 0 || w < least {
			v, least = x, w
		}
	}
	p.leave(v)
	return v
}

func (p *hyperbolic) enter(id, cost uint32) {
	p.random.enter(id, cost)
	p.e = fit(p.e, id)
	p.e[id] = hyperbolicEntry{since: p.now, uses: 1, cost: max(cost, 1)}
}
