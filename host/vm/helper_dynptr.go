package vm

import (
	"encoding/binary"

	"jitnic/host/maps"
)

// A dynptr is 16 bytes of the program's stack that only these functions read
// (include/linux/bpf.h, struct bpf_dynptr_kern):
//
//	 0        8                      12      16
//	+--------+----------------------+--------+
//	| data   | size, type, readonly | offset |
//	+--------+----------------------+--------+
//
// data is an address, of the context where the dynptr is a packet; 0 makes it
// null.
type dynptr struct {
	data, size, offset uint64
	kind               uint8
	rdonly             bool
}

// The kinds of dynptr (enum bpf_dynptr_type).
const (
	dynptrNull = iota
	dynptrLocal
	dynptrRing
	dynptrSKB
	dynptrXDP
)

// DynptrXDP is what the word of size, type and readonly of a packet's dynptr has
// above the size. Traces make such a dynptr by stores: a device has no
// bpf_dynptr_from_xdp.
const DynptrXDP = dynptrXDP << 28

const (
	dynptrBytes   = 16
	dynptrMaxSize = 1<<24 - 1
)

// dynptrAt reads the dynptr at addr.
func (s *State) dynptrAt(addr uint64) (d dynptr, f *Fault) {
	b, f := s.bytes(addr, dynptrBytes, true)
	if f != nil {
		return d, f
	}
	d.data = binary.LittleEndian.Uint64(b)
	word := binary.LittleEndian.Uint32(b[8:])
	d.size, d.kind, d.rdonly = uint64(word&dynptrMaxSize), uint8(word>>28&7), word>>31 != 0
	d.offset = uint64(binary.LittleEndian.Uint32(b[12:]))
	if d.data == 0 {
		return dynptr{}, nil
	}
	return d, nil
}

// putDynptr writes d at addr.
func (s *State) putDynptr(addr uint64, d dynptr) *Fault {
	b, f := s.bytes(addr, dynptrBytes, true)
	if f != nil {
		return f
	}
	word := uint32(d.size) | uint32(d.kind)<<28
	if d.rdonly {
		word |= 1 << 31
	}
	binary.LittleEndian.PutUint64(b, d.data)
	binary.LittleEndian.PutUint32(b[8:], word)
	binary.LittleEndian.PutUint32(b[12:], uint32(d.offset))
	return nil
}

// makeDynptr fills the dynptr at addr, or makes it null when e says why not.
func (s *State) makeDynptr(r *[11]uint64, addr uint64, d dynptr, e maps.Errno) *Fault {
	if e != 0 {
		d = dynptr{}
	}
	r[0] = negErrno(e)
	return s.putDynptr(addr, d)
}

// within is bpf_dynptr_check_off_len.
func (d *dynptr) within(off, n uint64) bool { return n <= d.size && off <= d.size-n }

// dynptrFromMem is bpf_dynptr_from_mem(data, size, flags, ptr).
func dynptrFromMem(s *State, r *[11]uint64) *Fault {
	size := uint64(uint32(r[2]))
	var e maps.Errno
	switch {
	case size > dynptrMaxSize:
		e = maps.E2BIG
	case r[3] != 0:
		e = maps.EINVAL
	}
	return s.makeDynptr(r, r[4], dynptr{data: r[1], size: size, kind: dynptrLocal}, e)
}

// dynptrFromXDP is bpf_dynptr_from_xdp(ctx, flags, ptr).
func dynptrFromXDP(s *State, r *[11]uint64) *Fault {
	if f := s.ctxArg(r[1]); f != nil {
		return f
	}
	var e maps.Errno
	if r[2] != 0 {
		e = maps.EINVAL
	}
	return s.makeDynptr(r, r[3], dynptr{data: s.Ctx, size: s.Len(), kind: dynptrXDP}, e)
}

// ringReserveDynptr is bpf_ringbuf_reserve_dynptr(ring, size, flags, ptr).
func ringReserveDynptr(s *State, r *[11]uint64) *Fault {
	ring, i, f := s.ringArg(r[1])
	if f != nil {
		return f
	}
	size := uint64(uint32(r[2]))
	d := dynptr{size: size, kind: dynptrRing}
	var e maps.Errno
	switch {
	case r[3] != 0:
		e = maps.EINVAL
	case size > dynptrMaxSize:
		e = maps.E2BIG
	default:
		s.NoteKey(i, nil)
		if d.data = ring.Reserve(size, 0); d.data == 0 {
			e = maps.EINVAL
		} else {
			s.pending = append(s.pending, reservation{d.data, size, ring})
		}
	}
	return s.makeDynptr(r, r[4], d, e)
}

func ringSubmitDynptr(s *State, r *[11]uint64) *Fault { return s.ringCommitDynptr(r, false) }

func ringDiscardDynptr(s *State, r *[11]uint64) *Fault { return s.ringCommitDynptr(r, true) }

// ringCommitDynptr ends a record; the dynptr is null from then on.
func (s *State) ringCommitDynptr(r *[11]uint64, discard bool) *Fault {
	at := r[1]
	d, f := s.dynptrAt(at)
	if f != nil {
		return f
	}
	r[0] = 0
	if d.data == 0 {
		return nil
	}
	r[1] = d.data
	if f := s.ringCommit(r, discard); f != nil {
		return f
	}
	r[1] = at
	return s.putDynptr(at, dynptr{})
}

// dynptrRead is bpf_dynptr_read(dst, len, src, offset, flags).
func dynptrRead(s *State, r *[11]uint64) *Fault {
	n, off := uint64(uint32(r[2])), uint64(uint32(r[4]))
	dst, f := s.bytes(r[1], n, true)
	if f != nil {
		return f
	}
	d, f := s.dynptrAt(r[3])
	if f != nil {
		return f
	}
	return s.dynptrMove(r, &d, off, dst, r[5], false)
}

// dynptrWrite is bpf_dynptr_write(dst, offset, src, len, flags).
func dynptrWrite(s *State, r *[11]uint64) *Fault {
	off, n := uint64(uint32(r[2])), uint64(uint32(r[4]))
	src, f := s.bytes(r[3], n, false)
	if f != nil {
		return f
	}
	d, f := s.dynptrAt(r[1])
	if f != nil {
		return f
	}
	return s.dynptrMove(r, &d, off, src, r[5], true)
}

func (s *State) dynptrMove(r *[11]uint64, d *dynptr, off uint64, mem []byte, flags uint64, write bool) *Fault {
	n := uint64(len(mem))
	switch {
	case d.data == 0 || !write && flags != 0 || write && d.rdonly:
		r[0] = negErrno(maps.EINVAL)
		return nil
	case !d.within(off, n):
		r[0] = negErrno(maps.E2BIG)
		return nil
	case flags != 0:
		r[0] = negErrno(maps.EINVAL)
		return nil
	}
	var there []byte
	if d.kind == dynptrXDP {
		var e maps.Errno
		if there, e = s.packetSpan(d.offset+off, n); e != 0 {
			r[0] = negErrno(e)
			return nil
		}
	} else {
		var f *Fault
		if there, f = s.bytes(d.data+d.offset+off, n, write); f != nil {
			return f
		}
	}
	if write {
		copy(there, mem)
	} else {
		copy(mem, there)
	}
	r[0] = 0
	return nil
}

// dynptrMemset is bpf_dynptr_memset(ptr, offset, size, val): what isn't in one piece is
// written 256 bytes at a time, up to where that fails (kernel/bpf/helpers.c).
func dynptrMemset(s *State, r *[11]uint64) *Fault {
	d, f := s.dynptrAt(r[1])
	if f != nil {
		return f
	}
	off, n, val := uint64(uint32(r[2])), uint64(uint32(r[3])), byte(r[4])
	r[0] = 0
	switch {
	case d.data != 0 && d.rdonly:
		r[0] = negErrno(maps.EINVAL)
		return nil
	case !d.within(off, n):
		r[0] = negErrno(maps.E2BIG)
		return nil
	}
	var piece [256]byte
	for i := range piece {
		piece[i] = val
	}
	for at := uint64(0); at < n && r[0] == 0; at += uint64(len(piece)) {
		if f := s.dynptrMove(r, &d, off+at, piece[:min(n-at, uint64(len(piece)))], 0, true); f != nil {
			return f
		}
	}
	return nil
}

// dynptrData is bpf_dynptr_data(ptr, offset, len): an address, or NULL; of a
// packet always NULL.
func dynptrData(s *State, r *[11]uint64) *Fault {
	d, f := s.dynptrAt(r[1])
	if f != nil {
		return f
	}
	off, n := uint64(uint32(r[2])), uint64(uint32(r[3]))
	r[0] = 0
	if d.data != 0 && d.within(off, n) && !d.rdonly && d.kind != dynptrXDP {
		r[0] = d.data + d.offset + off
	}
	return nil
}

// dynptrSlice is bpf_dynptr_slice(ptr, offset, buffer, size): the bytes where
// they lie, or copied to the buffer where a packet's don't lie in one piece.
func dynptrSlice(s *State, r *[11]uint64) *Fault { return s.slice(r, false) }

// dynptrSliceRdwr is bpf_dynptr_slice_rdwr.
func dynptrSliceRdwr(s *State, r *[11]uint64) *Fault { return s.slice(r, true) }

// lent is a piece of a frag that a program may touch.
type lent struct {
	addr, size uint64
	write      bool
}

func (s *State) reachLent(addr, n uint64, write bool) bool {
	for _, l := range s.lent {
		if addr-l.addr < l.size && n <= l.size-(addr-l.addr) && (l.write || !write) {
			return true
		}
	}
	return false
}

func (s *State) slice(r *[11]uint64, write bool) *Fault {
	d, f := s.dynptrAt(r[1])
	if f != nil {
		return f
	}
	off, n := uint64(uint32(r[2])), uint64(uint32(r[4]))
	r[0] = 0
	switch {
	case d.data == 0 || !d.within(off, n) || write && d.rdonly:
		return nil
	case d.kind != dynptrXDP:
		r[0] = d.data + d.offset + off
		return nil
	}
	there, e := s.packetSpan(d.offset+off, n)
	if e != 0 {
		return nil
	}
	first, linear := d.offset+off, s.DataEnd-s.Data
	if first+n <= linear {
		r[0] = s.Data + first
		return nil
	}
	if first >= linear && n > 0 && (first-linear)/FragSize == (first+n-1-linear)/FragSize {
		// Within one frag: the program gets to see it in place.
		r[0] = s.Data + first
		s.lent = append(s.lent, lent{r[0], n, write})
		return nil
	}
	if r[3] == 0 {
		return nil
	}
	buf, f := s.bytes(r[3], n, true)
	if f != nil {
		return f
	}
	copy(buf, there)
	r[0] = r[3]
	return nil
}

// dynptrAdjust is bpf_dynptr_adjust(ptr, start, end).
func dynptrAdjust(s *State, r *[11]uint64) *Fault {
	d, f := s.dynptrAt(r[1])
	if f != nil {
		return f
	}
	start, end := uint64(uint32(r[2])), uint64(uint32(r[3]))
	switch {
	case d.data == 0 || start > end:
		r[0] = negErrno(maps.EINVAL)
		return nil
	case start > d.size || end > d.size:
		r[0] = negErrno(erange)
		return nil
	}
	d.offset += start
	d.size = end - start
	r[0] = 0
	return s.putDynptr(r[1], d)
}

func dynptrIsNull(s *State, r *[11]uint64) *Fault {
	d, f := s.dynptrAt(r[1])
	r[0] = b2u(d.data == 0)
	return f
}

func dynptrIsRdonly(s *State, r *[11]uint64) *Fault {
	d, f := s.dynptrAt(r[1])
	r[0] = b2u(d.data != 0 && d.rdonly)
	return f
}

// dynptrSize is bpf_dynptr_size: of a null dynptr EINVAL, as 64 bits.
func dynptrSize(s *State, r *[11]uint64) *Fault {
	d, f := s.dynptrAt(r[1])
	r[0] = d.size
	if d.data == 0 {
		r[0] = negErrno(maps.EINVAL)
	}
	return f
}

func dynptrClone(s *State, r *[11]uint64) *Fault {
	d, f := s.dynptrAt(r[1])
	if f != nil {
		return f
	}
	var e maps.Errno
	if d.data == 0 {
		e = maps.EINVAL
	}
	return s.makeDynptr(r, r[2], d, e)
}

func b2u(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}
