package policy

// ring is a fifo of ids. One can be taken out of the middle and leaves a hole;
// where ids stand is kept only from the first time on that this is done, since
// a stream without invalidations never does it.
type ring struct {
	buf        []uint32 // by number; length a power of two; noEntry: a hole
	at         []uint32 // per id that is in: its number; nil: not kept
	head, tail uint32   // numbers of the next to write and of the oldest; they wrap
}

func newRing() ring { return ring{buf: make([]uint32, 256)} }

// room makes sure that n more can be pushed.
func (r *ring) room(n uint32) {
	if r.head-r.tail+n <= uint32(len(r.buf)) {
		return
	}
	old, mask := r.buf, uint32(len(r.buf)-1)
	live := uint32(0)
	for e := r.tail; e != r.head; e++ {
		if old[e&mask] != noEntry {
			live++
		}
	}
	size := uint32(len(old))
	for 2*live+n > size {
		size *= 2
	}
	buf := make([]uint32, size)
	w := uint32(0)
	for e := r.tail; e != r.head; e++ {
		if id := old[e&mask]; id != noEntry {
			buf[w] = id
			if r.at != nil {
				r.at[id] = w
			}
			w++
		}
	}
	r.buf, r.tail, r.head = buf, 0, w
}

func (r *ring) push(id uint32) {
	r.room(1)
	r.buf[r.head&uint32(len(r.buf)-1)] = id
	if r.at != nil {
		r.at = fit(r.at, id)
		r.at[id] = r.head
	}
	r.head++
}

// pop takes out the oldest. There must be one.
func (r *ring) pop() uint32 {
	for {
		id := r.buf[r.tail&uint32(len(r.buf)-1)]
		r.tail++
		if id != noEntry {
			return id
		}
	}
}

// drop takes id out, which must be in.
func (r *ring) drop(id uint32) {
	mask := uint32(len(r.buf) - 1)
	if r.at == nil {
		r.at = make([]uint32, 64)
		for e := r.tail; e != r.head; e++ {
			v := r.buf[e&mask]
			r.at = fit(r.at, v)
			r.at[v] = e
		}
	}
	r.buf[r.at[id]&mask] = noEntry
}
