package policy

import "math"

// cacheus is CACHEUS (Rodriguez and others: Learning cache replacement with
// CACHEUS, FAST 2021): lecar's weighing of two experts with experts that suit
// each other better and a learning rate that learns itself.
//
//   - SR-LRU, against scans: a queue r of new entries and of those demoted from
//     s, and a queue s of what was used again. It evicts the oldest of r. Their
//     shares move: towards r when what s demoted is used again, towards s when a
//     new entry comes back soon after it was evicted.
//   - CR-LFU, against churn: of the entries used least often, it evicts the one
//     used most recently.
//
// Each expert's evictions are remembered in half the budget each. The learning
// rate climbs the hit ratio, compared from one budget of requests to the next,
// and starts anew when nothing has changed for ten of them.
//
// On a slot budget the shares and ghosts are in slots, moved by the size of the
// entry that showed the need.
type cacheus struct {
	queues                 // crR, crS: what is in; crGoneLRU, crGoneLFU: ghosts
	h               heap   // what is in, by uses, the most recent first
	e               []crID // per id
	rng             rng
	rCap            uint64 // share of r; the rest is that of s
	demoted, newest uint64 // units of demoted entries in r; of new entries among crGoneLRU
	wLRU            float64
	rate            crRate
	seq             uint64
}

type crID struct {
	uses    uint32
	demoted bool // in r, from s
	fresh   bool // in r and never used again; or a ghost that was so
}

const (
	crR = iota
	crS
	crGoneLRU
	crGoneLFU
)

func newCacheus(c Config) Policy {
	p := &cacheus{
		queues: newQueues(c, 4, crGoneLRU), h: newHeap(c.IDs), e: make([]crID, c.IDs),
		rng: rng(c.Seed), wLRU: 0.5, rCap: max(1, c.Capacity/100), rate: newCRRate(c.Capacity, c.Seed),
	}
	return p
}

func (p *cacheus) sCap() uint64 { return p.capacity - min(p.capacity, p.rCap) }

// rank puts the least used first and, of these, the most recent.
func (p *cacheus) rank(id uint32) {
	p.seq++
	if p.h.has(id) {
		p.h.update(id, uint64(p.e[id].uses), ^p.seq)
		return
	}
	p.h.push(id, uint64(p.e[id].uses), ^p.seq)
}

func (p *cacheus) undemote(id uint32) {
	if p.e[id].demoted {
		p.e[id].demoted = false
		p.demoted -= p.sizeOf(id)
	}
}

func (p *cacheus) Access(id uint32) bool {
	hit := p.Contains(id)
	p.rate.request(hit)
	if !hit {
		return false
	}
	p.e[id].uses++
	p.rank(id)
	if p.l.in(id) == crS {
		p.l.renew(crS, id)
		return true
	}
	if p.e[id].demoted { // s was too small
		p.grow(id, false)
	}
	p.undemote(id)
	p.e[id].fresh = false
	p.move(id, crS)
	p.demote()
	return true
}

// grow moves the border between r and s by what the entry shows: an entry that
// r lost was new, one that s lost was demoted.
func (p *cacheus) grow(id uint32, s bool) {
	unit := p.sizeOf(id)
	most := p.capacity - min(p.capacity, 1)
	if s {
		p.rCap -= min(p.rCap-min(p.rCap, 1), max(unit, unit*p.demoted/max(p.newest, 1)))
		return
	}
	p.rCap = max(1, min(p.rCap+max(unit, unit*p.newest/max(p.demoted, 1)), most))
}

// toS makes id, in no queue, the youngest of s, which demotes what is too much.
func (p *cacheus) toS(id uint32) {
	p.put(crS, id)
	p.demote()
}

// demote takes what s holds above its share to r.
func (p *cacheus) demote() {
	for p.bytes[crS] > p.sCap() && p.l.len(crS) > 1 {
		v := p.l.oldest(crS)
		p.move(v, crR)
		p.e[v].demoted = true
		p.demoted += p.sizeOf(v)
	}
}

// evict takes out what one of the experts names.
func (p *cacheus) evict(evicted []uint32) []uint32 {
	q := crR
	if p.l.len(crR) == 0 {
		q = crS
	}
	a, b := p.l.oldest(q), p.h.min().id
	v, ghost := a, crGoneLRU
	if a != b && p.rng.float() >= p.wLRU {
		v, ghost = b, crGoneLFU
	}
	fresh := p.e[v].fresh
	p.undemote(v)
	p.drop(v)
	p.h.remove(v)
	p.sub(v)
	if a != b {
		p.keep(ghost, v, fresh)
	}
	return append(evicted, v)
}

func (p *cacheus) keep(ghost int, id uint32, fresh bool) {
	p.e[id].fresh = fresh && ghost == crGoneLRU
	p.put(ghost, id)
	if p.e[id].fresh {
		p.newest += p.sizeOf(id)
	}
	for p.bytes[ghost] > p.capacity/2 {
		p.forget(p.l.oldest(ghost))
	}
}

// forget takes a ghost out.
func (p *cacheus) forget(id uint32) {
	if p.e[id].fresh {
		p.newest -= p.sizeOf(id)
		p.e[id].fresh = false
	}
	p.drop(id)
}

// learn weighs against the expert that evicted what came back.
func (p *cacheus) learn(ghost int) {
	lru, lfu := p.wLRU, 1-p.wLRU
	if ghost == crGoneLRU {
		lru *= math.Exp(-p.rate.now)
	} else {
		lfu *= math.Exp(-p.rate.now)
	}
	p.wLRU = min(max(lru/(lru+lfu), 0.01), 0.99)
}

func (p *cacheus) Resize(id, size uint32, evicted []uint32) []uint32 {
	if p.sized && p.e[id].demoted {
		p.demoted += uint64(size) - p.sizeOf(id)
	}
	evicted = resize(p, id, size, evicted)
	p.demote()
	return evicted
}

func (p *cacheus) Insert(id, size, _ uint32, evicted []uint32) []uint32 {
	s := uint64(size)
	if s > p.capacity {
		return evicted
	}
	p.e = fit(p.e, id)
	uses := uint32(1)
	ghost := p.l.in(id)
	if ghost >= 0 {
		uses = p.e[id].uses + 1
		if p.e[id].fresh { // a new entry was evicted too soon
			p.grow(id, true)
		}
		p.forget(id)
		p.learn(ghost)
	}
	evicted = p.makeRoom(s, evicted)
	p.e[id] = crID{uses: uses}
	p.add(id, size)
	p.rank(id)
	// New entries go to s while it has room and r has had no need of any.
	if ghost >= 0 || p.l.len(crR) == 0 && p.bytes[crS]+s <= p.sCap() {
		p.toS(id)
		return evicted
	}
	p.e[id].fresh = true
	p.put(crR, id)
	return evicted
}

func (p *cacheus) Remove(id uint32) bool {
	q := p.l.in(id)
	if q < 0 {
		return false
	}
	if q >= crGoneLRU {
		p.forget(id)
		return false
	}
	p.undemote(id)
	p.drop(id)
	p.h.remove(id)
	p.sub(id)
	return true
}

// crRate is the learning rate that climbs the hit ratio (CACHEUS, section 5.3).
type crRate struct {
	now, before, first float64
	period, n, hits    uint64
	ratio              float64 // of the period before
	idle               int     // periods without a change of the hit ratio, or with a loss
	rng                rng
}

func newCRRate(period, seed uint64) crRate {
	first := math.Sqrt(2 * math.Ln2 / float64(period))
	return crRate{now: min(first, 1), first: min(first, 1), period: period, rng: rng(seed ^ 0x72617465)}
}

func (r *crRate) request(hit bool) {
	if hit {
		r.hits++
	}
	if r.n++; r.n < r.period {
		return
	}
	ratio := float64(r.hits) / float64(r.period)
	r.step(ratio - r.ratio)
	r.ratio, r.n, r.hits = ratio, 0, 0
}

// step moves the rate on in the direction that paid, back where it did not, and
// restarts it when ten periods brought nothing.
func (r *crRate) step(gain float64) {
	moved := r.now - r.before
	r.before = r.now
	switch {
	case moved != 0 && gain != 0:
		by := math.Abs(r.now * moved)
		if (gain > 0) == (moved > 0) {
			r.now = min(r.now+by, 1)
		} else {
			r.now = max(r.now-by, 0.001)
		}
		r.idle = 0
	case gain <= 0:
		if r.idle++; r.idle >= 10 {
			r.now, r.idle = r.first, 0
		} else if gain < 0 {
			if r.rng.next()&1 == 0 {
				r.now = min(r.now*1.25, 1)
			} else {
				r.now = max(r.now*0.75, 0.001)
			}
		}
	}
}
