package policy

// lanes is a set of queues of ids in which an id stands in at most one.
//
// A queue is a ring that is only ever appended to and read from its ends. An
// entry of the ring is live while the id's word in where still names exactly
// that place; taking an id out, or moving it, just rewrites the word and leaves
// a dead entry behind, which is skipped when an end reaches it. So a move to
// the front is one load, two stores and no pointer chasing, whatever the
// length. A ring that runs full of dead entries is swept; it is kept at least
// eight times as long as its live entries, so the sweep costs O(1) amortised.
//
//	where[id]   31..28  queue number + 1, 0: in no queue
//	            27..0   index in that queue's ring
//
// This bounds a queue to 2^25 live entries.
type lanes struct {
	where []uint32
	q     []lane
}

type lane struct {
	buf        []uint32 // length a power of two
	head, tail uint32   // next to write, oldest; they run free, masked on use
	live       uint32
	tag        uint32
}

const (
	laneShift = 28
	laneIndex = 1<<laneShift - 1
	laneNone  = 0
)

func newLanes(queues, ids int) lanes {
	l := lanes{where: make([]uint32, ids), q: make([]lane, queues)}
	for i := range l.q {
		l.q[i].buf = make([]uint32, 16)
		l.q[i].tag = uint32(i+1) << laneShift
	}
	return l
}

// in is the queue id stands in, -1 for none.
func (l *lanes) in(id uint32) int {
	if int(id) >= len(l.where) {
		return -1
	}
	return int(l.where[id]>>laneShift) - 1
}

func (l *lanes) len(q int) int { return int(l.q[q].live) }

// push puts id, in no queue before, at the young end of q.
func (l *lanes) push(q int, id uint32) {
	if int(id) >= len(l.where) {
		l.where = fit(l.where, id)
	}
	a := &l.q[q]
	if a.head-a.tail == uint32(len(a.buf)) {
		l.sweep(a)
	}
	i := a.head & uint32(len(a.buf)-1)
	a.buf[i] = id
	l.where[id] = a.tag | i
	a.head++
	a.live++
}

// drop takes id out of the queue it stands in.
func (l *lanes) drop(id uint32) {
	l.q[l.where[id]>>laneShift-1].live--
	l.where[id] = laneNone
}

// oldest is the id at the old end of q, which must not be empty.
func (l *lanes) oldest(q int) uint32 {
	a := &l.q[q]
	mask := uint32(len(a.buf) - 1)
	for {
		i := a.tail & mask
		id := a.buf[i]
		if l.where[id] == a.tag|i {
			return id
		}
		a.tail++
	}
}

// pop takes the oldest id out of q, which must not be empty.
func (l *lanes) pop(q int) uint32 {
	id := l.oldest(q)
	a := &l.q[q]
	a.tail++
	a.live--
	l.where[id] = laneNone
	return id
}

// renew moves id, which stands in q, to the young end.
func (l *lanes) renew(q int, id uint32) {
	l.q[q].live--
	l.push(q, id)
}

// sweep drops the dead entries, and makes the ring longer where few are dead.
func (l *lanes) sweep(a *lane) {
	mask := uint32(len(a.buf) - 1)
	if 8*uint64(a.live)+64 >= uint64(len(a.buf)) {
		buf := make([]uint32, 2*len(a.buf))
		n := uint32(0)
		for p := a.tail; p != a.head; p++ {
			i := p & mask
			if id := a.buf[i]; l.where[id] == a.tag|i {
				buf[n] = id
				n++
			}
		}
		for i, id := range buf[:n] {
			l.where[id] = a.tag | uint32(i)
		}
		a.buf, a.tail, a.head = buf, 0, n
		return
	}
	w := a.tail
	for p := a.tail; p != a.head; p++ {
		i := p & mask
		if id := a.buf[i]; l.where[id] == a.tag|i {
			j := w & mask
			a.buf[j] = id
			l.where[id] = a.tag | j
			w++
		}
	}
	a.head = w
}

// ready makes tables long enough for a block of at most 64 ids, and rings for
// as many pushes each, so that put and take need no checks for it.
func (l *lanes) ready(block []uint32) {
	for _, id := range block {
		if int(id) >= len(l.where) {
			l.where = fit(l.where, id)
		}
	}
	for i := range l.q {
		a := &l.q[i]
		for a.head-a.tail+64 > uint32(len(a.buf)) {
			l.sweep(a)
		}
	}
}

// put is push after ready.
func (a *lane) put(where []uint32, id uint32) {
	i := a.head & uint32(len(a.buf)-1)
	a.buf[i] = id
	where[id] = a.tag | i
	a.head++
	a.live++
}

// take is pop, which does not clear where: the caller puts the id elsewhere or
// clears it itself.
func (a *lane) take(where []uint32) uint32 {
	mask := uint32(len(a.buf) - 1)
	t := a.tail
	for {
		i := t & mask
		id := a.buf[i]
		t++
		if where[id] == a.tag|i {
			a.tail = t
			a.live--
			return id
		}
	}
}
