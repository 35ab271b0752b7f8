package policy

// queues is a base whose entries, and ghosts, stand in queues that count sizes each.
type queues struct {
	base
	l      lanes
	bytes  [4]uint64 // sizes in each queue
	ghosts uint      // the queues from here on are of ghosts
}

// newQueues makes n queues, up to four, of which those from ghosts on are of ghosts.
func newQueues(c Config, n int, ghosts uint) queues {
	return queues{base: newBase(c), l: newLanes(n, c.IDs), ghosts: ghosts}
}

func (p *queues) Contains(id uint32) bool { return uint(p.l.in(id)) < p.ghosts }

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

// drop takes id out of the queue it stands in.
func (p *queues) drop(id uint32) {
	p.bytes[p.l.in(id)] -= p.sizeOf(id)
	p.l.drop(id)
}

// move makes id, which stands in a queue, the youngest of q.
func (p *queues) move(id uint32, q int) {
	p.drop(id)
	p.put(q, id)
}

// enter counts id in and makes it the youngest of q.
func (p *queues) enter(q int, id, size uint32) {
	p.add(id, size)
	p.put(q, id)
}

// lose evicts the oldest of q.
func (p *queues) lose(q int, evicted []uint32) []uint32 {
	id := p.pop(q)
	p.sub(id)
	return append(evicted, id)
}

// recounted takes over the sums after a loop on the queues alone, for unit sizes.
func (p *queues) recounted() {
	p.used = 0
	for q := range p.l.q {
		p.bytes[q] = uint64(p.l.q[q].live)
		if uint(q) < p.ghosts {
			p.used += p.bytes[q]
		}
	}
	p.n = int(p.used)
}

// remember makes id the youngest of the ghosts of q, which have so much room.
func (p *queues) remember(q int, id uint32, room uint64) {
	s := p.sizeOf(id)
	if s > room {
		return
	}
	for p.bytes[q]+s > room {
		p.pop(q)
	}
	p.put(q, id)
}

func (p *queues) Remove(id uint32) bool {
	in := p.Contains(id)
	if in {
		p.sub(id)
	}
	if p.l.in(id) >= 0 {
		p.drop(id)
	}
	return in
}
