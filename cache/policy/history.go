package policy

// history is one queue in order of time, for policies whose entries all stand
// in one queue: every push is an event with a number, stamp[id] is the number of
// the id's last push, and events up to tail have left the queue. So an id is in
// exactly if its stamp is above tail, and evicting is just passing by: an event
// that is not its id's last is dead and skipped. Nothing is ever written for
// what leaves.
//
//	     tail          head
//	left  |  in or dead  |  to come
//
// Events are in a ring that is at least four times as long as there are
// entries, and swept of dead events when it is full.
type history struct {
	stamp      []uint32 // per id; 0: never pushed, or dropped
	ring       []uint32 // ids, by event number; length a power of two
	head, tail uint32   // numbers of the last event pushed and of the last one passed
	live       int
	any        uint32 // of stamps that were looked at to be near
}

// historyEnd is where events are renumbered from 1, so that numbers never wrap.
const historyEnd = 1 << 31

func newHistory(ids int) history {
	return history{stamp: make([]uint32, ids), ring: make([]uint32, 256)}
}

func (h *history) has(id uint32) bool { return int(id) < len(h.stamp) && h.stamp[id] > h.tail }

// push makes id, in or not before, the youngest. The caller counts live.
func (h *history) push(id uint32) {
	h.room(1)
	h.stamp = fit(h.stamp, id)
	h.head++
	h.ring[h.head&uint32(len(h.ring)-1)] = id
	h.stamp[id] = h.head
}

// room makes sure that n ≤ 64 events can be pushed.
func (h *history) room(n uint32) {
	if h.head-h.tail+n > uint32(len(h.ring)) {
		h.sweep()
	}
}

// renew is push of each of ids in turn, all of which are in; one that isn't is
// returned with false. Of an id's several pushes only the last one leaves anything
// behind, so that it alone is made: ids are looked at from the last one on.
func (h *history) renew(ids []uint32) (uint32, bool) {
	var order [64]uint32
	for len(ids) > 0 {
		block := ids[:min(len(order), len(ids))]
		ids = ids[len(block):]
		h.room(uint32(len(order)))
		stamp, tail, before, n := h.stamp, h.tail, h.head, 0
		last := block[len(block)-1] ^ 1
		for i := len(block) - 1; i >= 0; i-- {
			id := block[i]
			if id == last {
				continue
			}
			last = id
			if int(id) >= len(stamp) || stamp[id] <= tail {
				return id, false
			}
			if stamp[id] > before {
				continue
			}
			stamp[id] = before + 1
			order[n&63] = id
			n++
		}
		for ; n > 0; n-- {
			h.head++
			id := order[(n-1)&63]
			h.ring[h.head&uint32(len(h.ring)-1)] = id
			stamp[id] = h.head
		}
	}
	return 0, true
}

// pop takes out the oldest id. There must be one.
func (h *history) pop() uint32 {
	mask := uint32(len(h.ring) - 1)
	for {
		h.tail++
		if id := h.ring[h.tail&mask]; h.stamp[id] == h.tail {
			h.live--
			return id
		}
	}
}

// popYoungest takes out the youngest id. There must be one.
func (h *history) popYoungest() uint32 {
	mask := uint32(len(h.ring) - 1)
	for {
		id := h.ring[h.head&mask]
		alive := h.stamp[id] == h.head
		h.head--
		if alive {
			h.live--
			h.stamp[id] = 0
			return id
		}
	}
}

// drop takes id out, which must be in.
func (h *history) drop(id uint32) {
	h.stamp[id] = 0
	h.live--
}

// sweep drops dead events, makes the ring longer where few are dead, and keeps
// numbers small.
func (h *history) sweep() {
	ring := h.ring
	mask := uint32(len(ring) - 1)
	if 8*h.live+64 >= len(ring) {
		h.ring = make([]uint32, 2*len(ring))
	}
	to := uint32(len(h.ring) - 1)
	tail, w := h.tail, h.tail
	if h.head > historyEnd {
		// All stamps of what is in are above tail, so the others can be told.
		for id, s := range h.stamp {
			if s <= tail {
				h.stamp[id] = 0
			}
		}
		h.ring = make([]uint32, len(h.ring))
		w = 0
		h.tail = 0
	}
	for e := tail + 1; e != h.head+1; e++ {
		if id := ring[e&mask]; h.stamp[id] == e {
			w++
			h.ring[w&to] = id
			h.stamp[id] = w
		}
	}
	h.head = w
}
