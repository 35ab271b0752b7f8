package policy

// queues is a base whose entries, and ghosts, stand in queues that count sizes each.
type queues struct {
	base
	l     lanes
	bytes [4]uint64 // sizes in each queue
}

// newQueues makes n queues, up to four.
func newQueues(c Config, n int) queues { return queues{base: newBase(c), l: newLanes(n, c.IDs)} }

// share is the sum of the queue that id stands in: see base.
func (p *queues) share(id uint32) *uint64 { return &p.bytes[p.l.in(id)] }

// put makes id, in no queue before, the youngest of q.
func (p *queues) put(q int, id uint32) {
	p.bytes[q] += p.sizeOf(id)
	p.l.push(q, id)
}

// pop takes out the oldest of q.
func (p *queues) pop(q int) uint32 {
	id := p.l.pop(q)
	p.bytes[q] -= p.sizeOf(id)
	return id
}
