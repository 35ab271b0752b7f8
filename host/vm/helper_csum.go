package vm

import "encoding/binary"

// csumDiff is bpf_csum_diff(from, from_size, to, to_size, seed), which since
// Linux 6.13 gives a sum folded to 16 bits on all machines.
func csumDiff(s *State, r *[11]uint64) *Fault {
	from, f := s.bytes(r[1], uint64(uint32(r[2])), false)
	if f != nil {
		return f
	}
	to, f := s.bytes(r[3], uint64(uint32(r[4])), false)
	if f != nil {
		return f
	}
	r[0] = CsumDiff(from, to, uint32(r[5]))
	return nil
}

// CsumDiff is what bpf_csum_diff makes of two byte strings and a seed.
func CsumDiff(from, to []byte, seed uint32) uint64 {
	sum := seed
	switch {
	case len(from) > 0 && len(to) > 0:
		sum = add32(CsumPartial(to, sum), ^CsumPartial(from, 0))
	case len(to) > 0:
		sum = CsumPartial(to, sum)
	case len(from) > 0:
		sum = ^CsumPartial(from, ^sum)
	}
	// csum_from32to16
	sum += sum>>16 | sum<<16
	return uint64(sum >> 16)
}

// CsumPartial is the kernel's csum_partial on x86: the little-endian 32-bit
// words of b added to sum with end-around carry, b filled up with zeros. As in
// the kernel only zeros sum to 0; a sum of 0xffffffff is its other form.
func CsumPartial(b []byte, sum uint32) uint32 {
	acc := uint64(sum)
	for len(b) >= 4 {
		acc += uint64(binary.LittleEndian.Uint32(b))
		b = b[4:]
	}
	if len(b) > 0 {
		var last [4]byte
		copy(last[:], b)
		acc += uint64(binary.LittleEndian.Uint32(last[:]))
	}
	acc = acc>>32 + acc&0xffffffff
	return uint32(acc>>32 + acc)
}

// add32 adds with end-around carry.
func add32(a, b uint32) uint32 {
	sum := uint64(a) + uint64(b)
	return uint32(sum>>32 + sum)
}
