package policy

// car is clock with adaptive replacement (Bansal, Modha: CAR, FAST 2004): arc
// whose two lists are clocks, so a hit sets one bit.
type car struct {
	queues
	ref []bool
	p   float64 // target size of T1
}

const (
	carT1 = iota
	carT2
	carB1 // ghosts
	carB2
)

func newCAR(c Config) Policy {
	return &car{queues: newQueues(c, 4, carB1), ref: make([]bool, c.IDs)}
}

func (p *car) Access(id uint32) bool {
	if uint(p.l.in(id)) >= carB1 {
		return false
	}
	p.ref[id] = true
	return true
}

// evict takes out the first entry not used that a hand meets. Used ones go to the
// end of T2.
func (p *car) evict(evicted []uint32) []uint32 {
	for {
		t, b := carT1, carB1
		if float64(p.bytes[carT1]) < max(1, p.p) && p.bytes[carT2] > 0 || p.bytes[carT1] == 0 {
			t, b = carT2, carB2
		}
		id := p.pop(t)
		if p.ref[id] {
			p.ref[id] = false
			p.put(carT2, id)
			continue
		}
		p.sub(id)
		p.put(b, id)
		return append(evicted, id)
	}
}

func (p *car) Insert(id, size, _ uint32, evicted []uint32) []uint32 {
	s := uint64(size)
	if s > p.capacity {
		return evicted
	}
	ghost := p.l.in(id)
	full := p.used+s > p.capacity
	evicted = p.makeRoom(s, evicted)
	if full && ghost < 0 {
		for p.bytes[carT1]+p.bytes[carB1]+s > p.capacity && p.bytes[carB1] > 0 {
			p.pop(carB1)
		}
		for p.bytes[carT1]+p.bytes[carT2]+p.bytes[carB1]+p.bytes[carB2]+s > 2*p.capacity && p.bytes[carB2] > 0 {
			p.pop(carB2)
		}
	}
	q := carT1
	b1, b2 := float64(p.bytes[carB1]), float64(p.bytes[carB2])
	switch ghost {
	case carB1:
		p.p = min(p.p+max(1, b2/b1), float64(p.capacity))
		q = carT2
	case carB2:
		p.p = max(p.p-max(1, b1/b2), 0)
		q = carT2
	}
	if ghost >= 0 {
		p.drop(id)
	}
	p.ref = fit(p.ref, id)
	p.ref[id] = false
	p.enter(q, id, size)
	return evicted
}
