package policy

// clockPro is CLOCK-Pro (Jiang, Chen, Zhang: CLOCK-Pro, USENIX ATC 2005): lirs
// by clocks. One ring holds hot entries, cold entries, and the ids of cold
// entries that were evicted while in their test period; three hands go round
// it. A cold entry used in its test period becomes hot; an id used after
// eviction in its test period enlarges the share of cold entries, one whose
// test period ends unused shrinks it.
type clockPro struct {
	base
	node            []clockProNode // per id
	hot, cold, test uint32         // hands; noEntry while the ring is empty
	hotUsed         uint64
	coldUsed        uint64
	testUsed        uint64
	coldCap         uint64 // share of cold entries, adapts: 1..capacity
}

type clockProNode struct {
	next, prev uint32
	kind       uint8
	ref        bool
}

const (
	cpNone = iota // not in the ring
	cpHot
	cpCold
	cpTest // evicted, remembered
)

func newClockPro(c Config) Policy {
	return &clockPro{
		base: newBase(c), node: make([]clockProNode, c.IDs),
		hot: noEntry, cold: noEntry, test: noEntry, coldCap: c.Capacity,
	}
}

func (p *clockPro) kind(id uint32) uint8 {
	if int(id) >= len(p.node) {
		return cpNone
	}
	return p.node[id].kind
}

func (p *clockPro) Contains(id uint32) bool {
	k := p.kind(id)
	return k == cpHot || k == cpCold
}

func (p *clockPro) Access(id uint32) bool {
	if !p.Contains(id) {
		return false
	}
	p.node[id].ref = true
	return true
}

// link puts id into the ring at its young end, just behind the hot hand.
func (p *clockPro) link(id uint32) {
	n := &p.node[id]
	if p.hot == noEntry {
		n.next, n.prev = id, id
		p.hot, p.cold, p.test = id, id, id
		return
	}
	h := &p.node[p.hot]
	n.next, n.prev = p.hot, h.prev
	p.node[h.prev].next = id
	h.prev = id
}

// unlink takes id out of the ring; hands on it move on.
func (p *clockPro) unlink(id uint32) {
	n := &p.node[id]
	if n.next == id {
		p.hot, p.cold, p.test = noEntry, noEntry, noEntry
		return
	}
	for _, h := range []*uint32{&p.hot, &p.cold, &p.test} {
		if *h == id {
			*h = n.next
		}
	}
	p.node[n.prev].next = n.next
	p.node[n.next].prev = n.prev
}

// runCold moves the cold hand one place and appends what it evicts.
func (p *clockPro) runCold(evicted []uint32) []uint32 {
	id := p.cold
	n := &p.node[id]
	p.cold = n.next
	if n.kind != cpCold {
		return evicted
	}
	s := p.sizeOf(id)
	if n.ref {
		n.ref = false
		p.coldUsed -= s
		p.hotUsed += s
		n.kind = cpHot
		p.cool()
		return evicted
	}
	p.coldUsed -= s
	p.sub(id)
	n.kind = cpTest
	p.testUsed += s
	for p.testUsed > p.capacity {
		p.runTest()
	}
	return append(evicted, id)
}

// runHot moves the hot hand one place: an unused hot entry becomes cold, a test
// period met ends.
func (p *clockPro) runHot() {
	id := p.hot
	n := &p.node[id]
	switch {
	case n.kind == cpTest:
		p.endTest(id)
		return
	case n.kind == cpHot && n.ref:
		n.ref = false
	case n.kind == cpHot:
		n.kind = cpCold
		p.hotUsed -= p.sizeOf(id)
		p.coldUsed += p.sizeOf(id)
	}
	p.hot = n.next
}

// runTest moves the test hand one place.
func (p *clockPro) runTest() {
	id := p.test
	if p.node[id].kind == cpTest {
		p.endTest(id)
		return
	}
	p.test = p.node[id].next
}

// endTest forgets id, which was not used in its test period.
func (p *clockPro) endTest(id uint32) {
	s := p.sizeOf(id)
	p.forget(id)
	p.coldCap -= min(p.coldCap-1, s)
}

func (p *clockPro) forget(id uint32) {
	p.testUsed -= p.sizeOf(id)
	p.unlink(id)
	p.node[id] = clockProNode{}
}

func (p *clockPro) evict(evicted []uint32) []uint32 {
	if p.coldUsed == 0 {
		p.runHot()
		return evicted
	}
	return p.runCold(evicted)
}

func (p *clockPro) share(id uint32) *uint64 {
	if p.node[id].kind == cpHot {
		return &p.hotUsed
	}
	return &p.coldUsed
}

func (p *clockPro) Resize(id, size uint32, evicted []uint32) []uint32 {
	evicted = resize(p, id, size, evicted)
	p.cool()
	return evicted
}

// cool makes hot entries cold until they are within their share.
func (p *clockPro) cool() {
	for p.hotUsed > p.capacity-p.coldCap {
		p.runHot()
	}
}

func (p *clockPro) Insert(id, size, _ uint32, evicted []uint32) []uint32 {
	s := uint64(size)
	if s > p.capacity {
		return evicted
	}
	p.node = fit(p.node, id)
	tested := p.node[id].kind == cpTest
	if tested {
		p.coldCap = min(p.coldCap+s, p.capacity)
		p.forget(id)
	}
	evicted = p.makeRoom(s, evicted)
	p.add(id, size)
	p.node[id] = clockProNode{kind: cpCold}
	p.link(id)
	if !tested {
		p.coldUsed += s
		return evicted
	}
	p.node[id].kind = cpHot
	p.hotUsed += s
	p.cool()
	return evicted
}

func (p *clockPro) Remove(id uint32) bool {
	switch p.kind(id) {
	case cpNone:
		return false
	case cpTest:
		p.forget(id)
		return false
	case cpHot:
		p.hotUsed -= p.sizeOf(id)
	case cpCold:
		p.coldUsed -= p.sizeOf(id)
	}
	p.unlink(id)
	p.node[id] = clockProNode{}
	p.sub(id)
	return true
}
