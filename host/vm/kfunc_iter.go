package vm

import (
	"encoding/binary"

	"jitnic/host/maps"
)

// An iterator over numbers is 8 bytes of the program's stack (struct
// bpf_iter_num_kern, kernel/bpf/bpf_iter.c): the number it is at, and where it
// ends.
//
//	0      4      8
//	+------+------+
//	| cur  | end  |
//	+------+------+
const iterNumSize = 8

// iterNumNew is bpf_iter_num_new(it, start, end).
func iterNumNew(s *State, r *[11]uint64) *Fault {
	b, f := s.bytes(r[1], iterNumSize, true)
	if f != nil {
		return f
	}
	clear(b)
	start, end := int32(r[2]), int32(r[3])
	switch {
	case start > end:
		r[0] = negErrno(maps.EINVAL)
	case int64(end)-int64(start) > MaxLoops:
		r[0] = negErrno(maps.E2BIG)
	default:
		// The first call of next makes it start.
		binary.LittleEndian.PutUint32(b, uint32(start-1))
		binary.LittleEndian.PutUint32(b[4:], uint32(end))
		r[0] = 0
	}
	return nil
}

// iterNumNext is bpf_iter_num_next(it): the address of the next number, or
// NULL.
func iterNumNext(s *State, r *[11]uint64) *Fault {
	b, f := s.bytes(r[1], iterNumSize, true)
	if f != nil {
		return f
	}
	cur, end := int32(binary.LittleEndian.Uint32(b)), int32(binary.LittleEndian.Uint32(b[4:]))
	if int64(cur)+1 >= int64(end) {
		clear(b)
		r[0] = 0
		return nil
	}
	binary.LittleEndian.PutUint32(b, uint32(cur+1))
	r[0] = r[1]
	return nil
}

// iterNumDestroy is bpf_iter_num_destroy(it).
func iterNumDestroy(s *State, r *[11]uint64) *Fault {
	b, f := s.bytes(r[1], iterNumSize, true)
	if f != nil {
		return f
	}
	clear(b)
	r[0] = 0
	return nil
}
