package policy

// wTinyLFU is W-TinyLFU (Einziger, Friedman, Manes: TinyLFU, ACM TOS 2017) as
// Caffeine has it: an lru window of a hundredth of the budget; the main part,
// an slru of probation and protected (four fifths); what leaves the window gets
// in only if it was used more often of late, by a sketch, than what the main
// part would evict. Two guards against ids made to collide in the sketch: the
// hash is seeded, and a loser that was used at least six times gets in
// nevertheless with probability 1/128.
//
// On a slot budget the window is a hundredth of the slots, but never so small
// that an entry is refused for it: what is larger passes straight through.
type wTinyLFU struct {
	queues
	s                  sketch
	rng                rng
	windowCap, protCap uint64
	climb              *climber // nil: the window keeps its share
}

const (
	wtWindow = iota
	wtProbation
	wtProtected
)

func newWTinyLFU(c Config) Policy {
	entries := c.Capacity
	if c.Sized {
		entries = max(1, entries/16) // counters for entries of 16 slots and more
	}
	p := &wTinyLFU{queues: newQueues(c, 3, 3), s: newSketch(entries, c.Seed), rng: rng(c.Seed ^ 0x77746c66)}
	p.windowCap = max(1, c.Capacity/100)
	p.protCap = (c.Capacity - p.windowCap) * 4 / 5
	return p
}

func (p *wTinyLFU) Access(id uint32) bool {
	hit := p.access(id)
	if p.climb != nil {
		if delta := p.climb.note(hit, p.capacity); delta != 0 {
			p.resize(delta)
		}
	}
	return hit
}

func (p *wTinyLFU) access(id uint32) bool {
	p.s.count(id)
	q := p.l.in(id)
	switch q {
	case wtWindow, wtProtected:
		p.l.renew(q, id)
	case wtProbation:
		p.move(id, wtProtected)
		p.demote()
	default:
		return false
	}
	return true
}

func (p *wTinyLFU) take(id uint32) {
	p.drop(id)
	p.sub(id)
}

// admit decides between what leaves the window and what main would evict.
func (p *wTinyLFU) admit(candidate, victim uint32) bool {
	c, v := p.s.uses(candidate), p.s.uses(victim)
	return c > v || c >= 6 && p.rng.next()&127 == 0
}

func (p *wTinyLFU) Insert(id, size, _ uint32, evicted []uint32) []uint32 {
	if uint64(size) > p.capacity {
		return evicted
	}
	p.enter(wtWindow, id, size)
	return p.settle(id, evicted)
}

// settle brings the window and the whole back to their bounds; fresh, where it
// goes again at once, was refused.
func (p *wTinyLFU) settle(fresh uint32, evicted []uint32) []uint32 {
	for p.bytes[wtWindow] > p.windowCap {
		// The candidate passes to main; while that is too much, it or another goes.
		c := p.l.oldest(wtWindow)
		p.move(c, wtProbation)
		for p.used > p.capacity {
			v := p.victim(c)
			if v != c && !p.admit(c, v) {
				v = c
			}
			p.take(v)
			if v != fresh {
				evicted = append(evicted, v)
			}
			if v == c {
				break
			}
		}
	}
	for p.used > p.capacity { // the window is within its share, main is not
		v := p.victim(noEntry)
		p.take(v)
		if v != fresh {
			evicted = append(evicted, v)
		}
	}
	return evicted
}

func (p *wTinyLFU) Resize(id, size uint32, evicted []uint32) []uint32 {
	switch {
	case !p.sized:
		return evicted
	case uint64(size) > p.capacity:
		p.take(id)
		return append(evicted, id)
	}
	p.bytes[p.l.in(id)] += p.resized(id, size)
	p.demote()
	return p.settle(noEntry, evicted)
}

// victim is what main would evict beside c; c itself where there is no other.
func (p *wTinyLFU) victim(c uint32) uint32 {
	if p.l.len(wtProbation) > 0 {
		if v := p.l.oldest(wtProbation); v != c {
			return v
		}
	}
	if p.l.len(wtProtected) > 0 {
		return p.l.oldest(wtProtected)
	}
	if c != noEntry {
		return c
	}
	return p.l.oldest(wtWindow)
}
