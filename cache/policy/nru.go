package policy

// nru is not-recently-used: one bit an entry, set on use. When all are set all
// others are cleared. A hand that goes round the places evicts the first entry
// whose bit is clear.
type nru struct {
	simple
	at   []uint32 // per id: place + 1, 0: not in
	id   []uint32 // per place; noEntry: free
	ref  []bool
	refs int // bits set
	hand int
	free []uint32
}

func newNRU(c Config) Policy { return &nru{simple: newSimple(c), at: make([]uint32, c.IDs)} }

func (p *nru) Contains(id uint32) bool { return int(id) < len(p.at) && p.at[id] != 0 }

func (p *nru) Access(id uint32) bool {
	if !p.Contains(id) {
		return false
	}
	p.touch(int(p.at[id] - 1))
	return true
}

func (p *nru) touch(place int) {
	if p.ref[place] {
		return
	}
	if p.refs+1 == p.n {
		clear(p.ref)
		p.refs = 0
	}
	p.ref[place] = true
	p.refs++
}

func (p *nru) oust() uint32 {
	if p.refs == p.n {
		clear(p.ref)
		p.refs = 0
	}
	for {
		if p.hand == len(p.id) {
			p.hand = 0
		}
		place := p.hand
		p.hand++
		if id := p.id[place]; id != noEntry && !p.ref[place] {
			p.leave(id)
			return id
		}
	}
}

func (p *nru) enter(id, _ uint32) {
	var place uint32
	if k := len(p.free); k > 0 {
		place, p.free = p.free[k-1], p.free[:k-1]
	} else {
		place = uint32(len(p.id))
		p.id = append(p.id, noEntry)
		p.ref = append(p.ref, false)
	}
	p.at = fit(p.at, id)
	p.at[id] = place + 1
	p.id[place] = id
	p.touch(int(place))
}

func (p *nru) leave(id uint32) {
	place := p.at[id] - 1
	if p.ref[place] {
		p.ref[place] = false
		p.refs--
	}
	p.id[place] = noEntry
	p.at[id] = 0
	p.free = append(p.free, place)
}
