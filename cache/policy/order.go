package policy

// order is what the policies share whose entries all stand in one history: they
// differ in whether a hit makes an entry the youngest, and in which end goes.
type order struct {
	simple
	h        history
	touch    bool // a hit makes the entry the youngest
	youngest bool // the youngest goes first, not the oldest
	holes    bool // something was removed, so events may be dead
}

func newOrder(c Config) order { return order{simple: newSimple(c), h: newHistory(c.IDs)} }

func (p *order) Contains(id uint32) bool { return p.h.has(id) }

func (p *order) Access(id uint32) bool {
	if !p.h.has(id) {
		return false
	}
	if p.touch {
		p.h.push(id)
	}
	return true
}

func (p *order) hits(ids []uint32) (uint32, bool) {
	if p.touch {
		return p.h.renew(ids)
	}
	for _, id := range ids {
		if !p.h.has(id) {
			return id, false
		}
	}
	return 0, true
}

func (p *order) oust() uint32 {
	if p.youngest {
		return p.h.popYoungest()
	}
	return p.h.pop()
}

func (p *order) enter(id, _ uint32) {
	p.h.live++
	p.h.push(id)
}

func (p *order) leave(id uint32) {
	p.h.drop(id)
	p.holes = true
}
