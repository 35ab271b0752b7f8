package policy

// heap is a binary heap of ids with the smallest (pri, seq) on top, in which
// an id's place is known, so any can be moved or taken out.
type heap struct {
	e  []heapEntry
	at []uint32 // per id: place in e + 1, 0: not in
}

type heapEntry struct {
	pri, seq uint64
	id       uint32
}

func newHeap(ids int) heap { return heap{at: make([]uint32, ids)} }

func (h *heap) has(id uint32) bool { return int(id) < len(h.at) && h.at[id] != 0 }
func (h *heap) len() int           { return len(h.e) }
func (h *heap) min() *heapEntry    { return &h.e[0] }

func (a *heapEntry) less(b *heapEntry) bool {
	return a.pri < b.pri || a.pri == b.pri && a.seq < b.seq
}

func (h *heap) push(id uint32, pri, seq uint64) {
	h.at = fit(h.at, id)
	h.e = append(h.e, heapEntry{})
	h.up(len(h.e)-1, heapEntry{pri, seq, id})
}

// update gives id, which is in, another priority.
func (h *heap) update(id uint32, pri, seq uint64) {
	h.fix(int(h.at[id]-1), heapEntry{pri, seq, id})
}

// rate gives id, which is in, another priority, and leaves it where it is among
// equals.
func (h *heap) rate(id uint32, pri uint64) { h.update(id, pri, h.e[h.at[id]-1].seq) }

func (h *heap) remove(id uint32) {
	i := int(h.at[id] - 1)
	h.at[id] = 0
	last := h.e[len(h.e)-1]
	h.e = h.e[:len(h.e)-1]
	if i < len(h.e) {
		h.fix(i, last)
	}
}

func (h *heap) fix(i int, x heapEntry) {
	if i > 0 && x.less(&h.e[(i-1)/2]) {
		h.up(i, x)
	} else {
		h.down(i, x)
	}
}

func (h *heap) up(i int, x heapEntry) {
	for i > 0 {
		p := (i - 1) / 2
		if !x.less(&h.e[p]) {
			break
		}
		h.set(i, h.e[p])
		i = p
	}
	h.set(i, x)
}

func (h *heap) down(i int, x heapEntry) {
	for {
		c := 2*i + 1
		if c >= len(h.e) {
			break
		}
		if c+1 < len(h.e) && h.e[c+1].less(&h.e[c]) {
			c++
		}
		if !h.e[c].less(&x) {
			break
		}
		h.set(i, h.e[c])
		i = c
	}
	h.set(i, x)
}

func (h *heap) set(i int, x heapEntry) {
	h.e[i] = x
	h.at[x.id] = uint32(i + 1)
}
