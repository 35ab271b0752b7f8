package policy

import "slices"

// climber moves a wTinyLFU's border between window and main to where it hits
// more (Einziger, Eytan, Friedman, Manes: Adaptive Software Cache Management,
// Middleware 2018, section 4.1), with the constants of Caffeine's
// BoundedLocalCache: after a sample of 10 requests an entry of the budget the
// border moves on by a step, the same way where the hit rate of the sample was
// at least that of the one before, else back. A step is 6.25 % of the budget
// and shrinks by 2 % a sample; a change of the hit rate by 5 points or more,
// a new phase, makes it large again.
type climber struct {
	sample         uint64 // requests
	hits, requests uint64 // of the sample so far
	before         float64
	step           float64 // slots; positive widens the window
}

const (
	climbSample  = 10 // requests an entry of the budget
	climbStep    = 0.0625
	climbDecay   = 0.98
	climbRestart = 0.05 // change of the hit rate
	climbMoves   = 1000 // entries that change sides at most in one step
)

func newWTinyLFUClimb(c Config) Policy {
	p := newWTinyLFU(c).(*wTinyLFU)
	entries := c.Capacity
	if c.Sized {
		entries = max(1, entries/16)
	}
	p.climb = &climber{sample: climbSample * entries, step: -climbStep * float64(c.Capacity)}
	return p
}

// note counts a request; at the end of a sample it returns by how many slots
// the window is to grow, or to shrink where that is negative.
func (c *climber) note(hit bool, capacity uint64) float64 {
	c.requests++
	if hit {
		c.hits++
	}
	if c.requests < c.sample {
		return 0
	}
	rate := float64(c.hits) / float64(c.requests)
	change := rate - c.before
	amount := c.step
	if change < 0 {
		amount = -c.step
	}
	c.before, c.hits, c.requests = rate, 0, 0
	c.step = climbDecay * amount
	if max(change, -change) >= climbRestart {
		c.step = climbStep * float64(capacity)
		if amount < 0 {
			c.step = -c.step
		}
	}
	return amount
}

// resize moves the border by up to delta slots and entries over it: into the
// window from the old end of probation, else of protected; out of it into
// probation. What is left of delta when the next entry is too large stays with
// the side that had it.
func (p *wTinyLFU) resize(delta float64) {
	if delta >= 1 {
		room := min(uint64(delta), p.protCap)
		p.protCap -= room
		p.demote()
		left := p.cross(room, wtWindow, wtProbation, wtProtected)
		p.windowCap += room - left
		p.protCap += left
	}
	if delta <= -1 {
		room := min(uint64(-delta), p.windowCap-1)
		left := p.cross(room, wtProbation, wtWindow)
		p.windowCap -= room - left
		p.protCap += room - left
	}
}

// cross moves the oldest entries of the first queue that has any, again and again,
// to another, of room slots at most, and returns what is left of these.
func (p *wTinyLFU) cross(room uint64, to int, from ...int) (left uint64) {
	for range climbMoves {
		k := slices.IndexFunc(from, func(q int) bool { return p.l.len(q) > 0 })
		if k < 0 {
			break
		}
		id := p.l.oldest(from[k])
		s := p.sizeOf(id)
		if s > room {
			break
		}
		room -= s
		p.move(id, to)
	}
	return room
}

// demote takes what protected holds above its share back to probation.
func (p *wTinyLFU) demote() {
	for p.bytes[wtProtected] > p.protCap {
		p.move(p.l.oldest(wtProtected), wtProbation)
	}
}
