package policy

// lhd evicts the entry of least hit density (Beckmann, Chen, Cidon: LHD:
// Improving cache hit rate by maximizing hit density, NSDI 2018): hits expected
// per slot and per request that it will stay. What is expected of an entry is
// learnt from entries of its class: by the age, in requests since the last use,
// at which they were hit or evicted. Classes are of like ages at the last two
// hits. Of 32 entries drawn, and of the 8 that came in last, the least dense
// goes. One entry in 32 that is put in is spared for a while, so that ages are
// seen which the policy would never let anything reach.
//
// Parameters as in the paper and its authors' program: 16 classes, ages halved
// in resolution when they run over, densities learnt anew every 2^20 requests
// (here: every 128 budgets, up to that), old events fading by 0.9.
type lhd struct {
	random
	e       []lhdEntry // per id
	class   [lhdClasses]lhdClass
	shift   uint   // age = requests >> shift
	over    uint64 // events at the last age
	events  uint64
	now     uint64
	left    uint64 // requests until densities are learnt anew
	period  uint64
	latest  [lhdLatest]uint32
	latestN int
	spared  uint64 // units of entries that are spared
}

type lhdEntry struct {
	used     uint64 // when
	last     uint32 // age at the last hit
	before   uint32 // and at the one before
	explorer bool
}

type lhdClass struct {
	hits, evictions [lhdAges]float64
	density         [lhdAges]float64
}

const (
	lhdClasses = 16
	lhdAges    = 1024
	lhdDraws   = 32
	lhdLatest  = 8
	lhdFade    = 0.9
	lhdSpare   = 32  // one in so many is an explorer
	lhdBudget  = 100 // explorers take up to a hundredth of the budget
)

func newLHD(c Config) Policy {
	p := &lhd{random: *newRandom(c).(*random), e: make([]lhdEntry, c.IDs)}
	p.period = min(max(c.Capacity, 1024)*128, 1<<20)
	p.left = p.period
	for p.shift = 0; max(c.Capacity, 1)*8>>p.shift > lhdAges; p.shift++ {
	}
	for i := range p.latest {
		p.latest[i] = noEntry
	}
	for k := range p.class { // until something is learnt: gdsf's guess, the younger the better
		for a := range p.class[k].density {
			p.class[k].density[a] = float64(k+1) / float64(a+1)
		}
	}
	return p
}

func (p *lhd) age(id uint32) uint32 {
	return uint32(min((p.now-p.e[id].used)>>p.shift, lhdAges-1))
}

// classOf is by the sum of the last two ages: 0 for what was never hit, then
// the shorter the higher, in powers of two.
func (p *lhd) classOf(id uint32) *lhdClass {
	e := &p.e[id]
	sum := e.last + e.before
	if e.last >= lhdAges { // never hit
		return &p.class[0]
	}
	k := uint32(1)
	for s := uint32(lhdAges) * 2; s > sum && k < lhdClasses-1; s /= 2 {
		k++
	}
	return &p.class[k]
}

func (p *lhd) density(id uint32) float64 {
	age := p.age(id)
	if age == lhdAges-1 { // events at the last age are too few and too mixed to learn from
		return -1
	}
	d := p.classOf(id).density[age] / float64(p.sizeOf(id))
	if p.e[id].explorer {
		d++ // above any density: a hit a request is the most there can be
	}
	return d
}

func (p *lhd) Access(id uint32) bool {
	p.now++
	if p.left--; p.left == 0 {
		p.learn()
	}
	if !p.Contains(id) {
		return false
	}
	age := p.age(id)
	p.event(age)
	p.classOf(id).hits[age]++
	e := &p.e[id]
	e.before, e.last = min(e.last, lhdAges-1), age
	e.used = p.now
	p.unspare(id)
	return true
}

func (p *lhd) event(age uint32) {
	p.events++
	if age == lhdAges-1 {
		p.over++
	}
}

func (p *lhd) unspare(id uint32) {
	if p.e[id].explorer {
		p.e[id].explorer = false
		p.spared -= p.sizeOf(id)
	}
}

// learn turns events into densities: from the oldest age down, the hits still
// to come by the time still to stay (the paper's algorithm 1).
func (p *lhd) learn() {
	p.left = p.period
	coarsen := p.events > 0 && float64(p.over)/float64(p.events) > 0.01
	p.events, p.over = 0, 0
	for k := range p.class {
		c := &p.class[k]
		if coarsen {
			halve(&c.hits)
			halve(&c.evictions)
		}
		hits, all, stay := 0.0, 0.0, 0.0
		for a := lhdAges - 1; a >= 0; a-- {
			hits += c.hits[a]
			all += c.hits[a] + c.evictions[a]
			stay += all
			if stay > 1e-5 {
				c.density[a] = hits / stay
			} else {
				c.density[a] = 0
			}
			c.hits[a] *= lhdFade
			c.evictions[a] *= lhdFade
		}
	}
	if coarsen {
		p.shift++
	}
}

// halve puts the events of two ages on one.
func halve(h *[lhdAges]float64) {
	for a := range lhdAges / 2 {
		h[a] = h[2*a] + h[2*a+1]
	}
	clear(h[lhdAges/2:])
}

// victim is the least dense of those drawn and of the latest.
func (p *lhd) victim() uint32 {
	best, least := noEntry, 0.0
	try := func(id uint32) {
		if d := p.density(id); best == noEntry || d < least {
			best, least = id, d
		}
	}
	draws := min(lhdDraws, len(p.slot))
	for i := range draws {
		if draws < lhdDraws {
			try(p.slot[i])
		} else {
			try(p.draw())
		}
	}
	for _, id := range p.latest {
		if id != noEntry && p.Contains(id) {
			try(id)
		}
	}
	return best
}

func (p *lhd) Resize(id, size uint32, evicted []uint32) []uint32 {
	if p.sized && p.e[id].explorer {
		p.spared += uint64(size) - p.sizeOf(id)
	}
	return resize(p, id, size, evicted)
}

func (p *lhd) oust() uint32 {
	v := p.victim()
	age := p.age(v)
	p.event(age)
	p.classOf(v).evictions[age]++
	p.leave(v)
	return v
}

func (p *lhd) enter(id, cost uint32) {
	p.random.enter(id, cost)
	p.e = fit(p.e, id)
	p.e[id] = lhdEntry{used: p.now, last: lhdAges, before: 0}
	if s := p.sizeOf(id); (p.spared+s)*lhdBudget <= p.capacity && p.rng.below(lhdSpare) == 0 {
		p.e[id].explorer = true
		p.spared += s
	}
	p.latest[p.latestN%lhdLatest] = id
	p.latestN++
}

func (p *lhd) leave(id uint32) {
	p.unspare(id)
	p.random.leave(id)
}
