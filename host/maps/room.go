package maps

import "encoding/binary"

// What a run has done to a ring buffer is told by numbers, so that conditions can
// ask what the buffer is like after it: ReserveOp and CommitOp, in order.

// ReserveOp says that a record of so many bytes was reserved.
func ReserveOp(size uint64) uint64 { return size << 1 }

// CommitOp says that the record reserved n-th by these operations, from 0 on, was
// submitted or discarded.
func CommitOp(n int) uint64 { return uint64(n)<<1 | 1 }

// MaxRingOps is how many operations can be told so.
const MaxRingOps = 64

// Room is the address that Reserve(size, 0) would give after the operations; it
// changes nothing, and conditions use it. m must be a ring buffer; 0 otherwise.
func Room(m Map, size uint64, ops []uint64) uint64 {
	r, ok := m.(*ring)
	if !ok {
		return 0
	}
	return r.after(ops).reserve(size)
}

// QueryAfter is what Query says after the operations.
func QueryAfter(m Map, what uint64, ops []uint64) uint64 {
	r, ok := m.(*ring)
	if !ok {
		return 0
	}
	v := r.after(ops)
	return v.ring.query(what, v.cons, v.prod)
}

// ringView is a ring buffer as operations would leave it. Its ring has one, which is
// asked again and again.
type ringView struct {
	ring             *ring
	cons, prod, pend uint64
	n                int // records it has reserved
	recs             [MaxRingOps]struct {
		pos, size uint64
		busy      bool
	}
}

func (m *ring) after(ops []uint64) *ringView {
	if m.view == nil {
		m.view = &ringView{ring: m}
	}
	v := m.view
	v.cons, v.prod, v.pend, v.n = m.cons, m.prod, m.pend, 0
	for _, op := range ops {
		switch n := op >> 1; {
		case op&1 == 0:
			if v.reserve(n) == 0 {
				return v // no such run was: what reads text gets here
			}
		case n < uint64(v.n):
			v.recs[n].busy = false
			v.read()
		}
	}
	return v
}

// header is the size of the record at a position between cons and prod.
func (v *ringView) header(pos uint64) (size uint64, busy bool) {
	if pos >= v.ring.prod {
		for i := range v.recs[:v.n] {
			if r := &v.recs[i]; r.pos == pos {
				return r.size, r.busy
			}
		}
	}
	n := binary.LittleEndian.Uint32(v.ring.header(pos))
	return uint64(n &^ (ringBusy | ringDiscard)), n&ringBusy != 0
}

// reserve is ring.Reserve without flags.
func (v *ringView) reserve(size uint64) uint64 {
	if size > ringMost || step(size) > v.ring.mask+1 || v.n == len(v.recs) {
		return 0
	}
	for v.pend < v.prod {
		n, busy := v.header(v.pend)
		if busy {
			break
		}
		v.pend += step(n)
	}
	next := v.prod + step(size)
	if next-v.cons > v.ring.mask || next-v.pend > v.ring.mask {
		return 0
	}
	at := v.prod
	r := &v.recs[v.n]
	r.pos, r.size, r.busy = at, size, true
	v.n++
	v.prod = next
	return v.ring.addr + at&v.ring.mask + ringHeader
}

// read is what follows a commit where somebody reads the records.
func (v *ringView) read() {
	if v.ring.read == nil {
		return
	}
	for v.cons < v.prod {
		n, busy := v.header(v.cons)
		if busy {
			return
		}
		v.cons += step(n)
		v.pend = max(v.pend, v.cons)
	}
}
