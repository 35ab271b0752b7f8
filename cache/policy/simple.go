package policy

// simple is the frame of a policy that keeps an order of what is in and nothing
// else: it counts, makes room, puts in and takes out.
type simple struct {
	base
	by ordering
}

// ordering is what such a policy has of its own.
type ordering interface {
	Contains(id uint32) bool
	// enter puts id in, which has been counted; cost as of Insert.
	enter(id, cost uint32)
	// leave takes out id, which is in.
	leave(id uint32)
	// oust takes out the entry whose turn it is. There is one.
	oust() uint32
	frame() *simple
}

func newSimple(c Config) simple { return simple{base: newBase(c)} }

func (p *simple) frame() *simple { return p }

func (p *simple) evict(evicted []uint32) []uint32 {
	v := p.by.oust()
	p.sub(v)
	return append(evicted, v)
}

func (p *simple) Insert(id, size, cost uint32, evicted []uint32) []uint32 {
	if uint64(size) > p.capacity {
		return evicted
	}
	evicted = p.makeRoom(uint64(size), evicted)
	p.add(id, size)
	p.by.enter(id, cost)
	return evicted
}

func (p *simple) Remove(id uint32) bool {
	if !p.by.Contains(id) {
		return false
	}
	p.by.leave(id)
	p.sub(id)
	return true
}
