package maps

import "encoding/binary"

// Room is the address that Reserve(size, 0) would give now; it changes
// nothing, and conditions use it. m must be a ring buffer; 0 otherwise.
func Room(m Map, size uint64) uint64 {
	r, ok := m.(*ring)
	if !ok || size > 1<<30-1 || step(size) > r.mask+1 {
		return 0
	}
	pend := r.pend
	for pend < r.prod {
		n := binary.LittleEndian.Uint32(r.header(pend))
		if n&ringBusy != 0 {
			break
		}
		pend += step(uint64(n &^ ringDiscard))
	}
	next := r.prod + step(size)
	if next-r.cons > r.mask || next-pend > r.mask {
		return 0
	}
	return r.addr + r.prod&r.mask + ringHeader
}
