package policy

// golangARC is the adaptive replacement cache (Megiddo, Modha: ARC, FAST 2003) in
// the form golang-lru has it, and with exactly its misses: the border between
// T1 and T2 moves in whole entries (whole slots on a slot budget), each ghost
// list is bounded by itself, and the bounds are applied to new ids only. Like
// golang-lru's it may hold one entry more than the budget, after a remembered
// id came back while T2 was empty and T1 was wanted full; on a slot budget it
// doesn't.
type golangARC struct {
	queues
	p    uint64 // target size of T1
	late []uint32
}

const (
	golangT1 = iota
	golangT2
	golangB1 // ghosts
	golangB2
)

func newGolangARCTwin(c Config) Policy {
	return &golangARC{queues: newQueues(c, 4, golangB1)}
}

func (p *golangARC) Access(id uint32) bool {
	switch p.l.in(id) {
	case golangT1:
		p.move(id, golangT2)
		if p.bytes[golangT2] > p.capacity { // golang-lru bounds T2 by itself: see Insert
			p.late = p.lose(golangT2, p.late[:0])
		}
		return true
	case golangT2:
		p.l.renew(golangT2, id)
		return true
	}
	return false
}

// Late appends what the last Access evicted.
func (p *golangARC) Late(evicted []uint32) []uint32 {
	evicted = append(evicted, p.late...)
	p.late = p.late[:0]
	return evicted
}

// replace evicts one entry, from T1 or T2 as p says. On an entry budget it may
// evict none, as golang-lru does when p says T2 and T2 is empty.
func (p *golangARC) replace(fromB2 bool, evicted []uint32) []uint32 {
	t1 := p.bytes[golangT1]
	t, b := golangT2, golangB2
	if t1 > 0 && (t1 > p.p || t1 == p.p && fromB2) || p.sized && p.bytes[golangT2] == 0 {
		t, b = golangT1, golangB1
	}
	if p.l.len(t) == 0 {
		return evicted
	}
	id := p.pop(t)
	p.sub(id)
	p.remember(b, id, p.capacity)
	return append(evicted, id)
}

func (p *golangARC) evict(evicted []uint32) []uint32 { return p.replace(false, evicted) }

// room makes room for size.
func (p *golangARC) room(size uint32, fromB2 bool, evicted []uint32) []uint32 {
	if !p.sized {
		if p.used >= p.capacity {
			evicted = p.replace(fromB2, evicted)
		}
		return evicted
	}
	for p.used+uint64(size) > p.capacity {
		evicted = p.replace(fromB2, evicted)
	}
	return evicted
}

func (p *golangARC) Insert(id, size, _ uint32, evicted []uint32) []uint32 {
	if uint64(size) > p.capacity {
		return evicted
	}
	ghost := p.l.in(id)
	b1, b2 := p.bytes[golangB1], p.bytes[golangB2]
	switch ghost {
	case golangB1:
		p.p = min(p.p+max(1, b2/b1), p.capacity)
	case golangB2:
		p.p -= min(p.p, max(1, b1/b2))
	}
	if ghost < 0 {
		evicted = p.room(size, false, evicted)
		if p.bytes[golangB1] > p.capacity-p.p {
			p.pop(golangB1)
		}
		if p.bytes[golangB2] > p.p {
			p.pop(golangB2)
		}
		if p.bytes[golangT1]+uint64(size) > p.capacity { // replace found T2 empty
			evicted = p.lose(golangT1, evicted)
		}
		p.enter(golangT1, id, size)
		return evicted
	}
	// The id keeps its place among the ghosts while room is made, and may so
	// be forgotten there; it goes to T2 all the same.
	evicted = p.room(size, ghost == golangB2, evicted)
	if p.l.in(id) >= 0 {
		p.drop(id)
	}
	p.enter(golangT2, id, size)
	// golang-lru's T2 is bounded by the budget by itself, and leaves no ghost then,
	// which shows when the cache holds one entry too many.
	if p.bytes[golangT2] > p.capacity {
		evicted = p.lose(golangT2, evicted)
	}
	return evicted
}
