package vm

import "jitnic/host/maps"

// adjustHead is bpf_xdp_adjust_head (net/core/filter.c): moves data, and the
// metadata with it. What lay in the headroom stays as it was.
func adjustHead(s *State, r *[11]uint64) *Fault {
	if f := s.ctxArg(r[1]); f != nil {
		return f
	}
	offset := int64(int32(r[2]))
	meta := s.Data - s.DataMeta
	data := uint64(int64(s.Data) + offset)
	if data < s.Buf+FrameSize+meta || data > s.DataEnd-MinPacket {
		r[0] = negErrno(maps.EINVAL)
		return nil
	}
	to := data - meta
	if meta > 0 {
		copy(s.Mem.B[to:to+meta], s.Mem.B[s.DataMeta:s.Data])
	}
	s.DataMeta, s.Data = to, data
	s.Exposed(to)
	r[0] = 0
	return nil
}

// MoveHead says that the packet at hand begins at data by now, without metadata, and
// that the headroom was written or exposed from low on: code has done what
// bpf_xdp_adjust_head does.
func (s *State) MoveHead(data, low uint64) {
	s.DataMeta, s.Data = data, data
	s.Exposed(low)
}

// Exposed says that the headroom was written or exposed from low on.
func (s *State) Exposed(low uint64) { s.low = min(s.low, low) }

// adjustMeta is bpf_xdp_adjust_meta: moves the start of the metadata, whose
// length is a multiple of 4 and fits a byte.
func adjustMeta(s *State, r *[11]uint64) *Fault {
	if f := s.ctxArg(r[1]); f != nil {
		return f
	}
	meta := uint64(int64(s.DataMeta) + int64(int32(r[2])))
	switch n := s.Data - meta; {
	case meta < s.Buf+FrameSize || meta > s.Data:
		r[0] = negErrno(maps.EINVAL)
	case n%4 != 0 || n > 255:
		r[0] = negErrno(eacces)
	default:
		s.DataMeta = meta
		s.Exposed(meta)
		r[0] = 0
	}
	return nil
}

// adjustTail is bpf_xdp_adjust_tail: shrinks or grows the packet at its end.
// New bytes are zero. A packet with frags grows within its last one.
func adjustTail(s *State, r *[11]uint64) *Fault {
	if f := s.ctxArg(r[1]); f != nil {
		return f
	}
	offset := int64(int32(r[2]))
	r[0] = negErrno(maps.EINVAL)
	switch {
	case s.Frags > 0 && offset < 0:
		cut := uint64(-offset)
		if cut > s.Len()-MinPacket {
			return nil
		}
		if cut < s.Frags {
			s.Frags -= cut
			s.fragPages = (s.Frags + FragSize - 1) / FragSize
		} else {
			s.DataEnd -= cut - s.Frags
			s.Frags, s.fragPages = 0, 0
		}
	case s.Frags > 0:
		if uint64(offset) > s.fragPages*FragSize-s.Frags {
			return nil
		}
		end := s.DataEnd + s.Frags
		clear(s.Mem.B[end : end+uint64(offset)])
		s.Frags += uint64(offset)
	default:
		end := uint64(int64(s.DataEnd) + offset)
		if end > s.Buf+hardEnd || end < s.Data+MinPacket {
			return nil
		}
		if offset > 0 {
			clear(s.Mem.B[s.DataEnd:end])
		}
		s.DataEnd = end
	}
	r[0] = 0
	return nil
}

// buffLen is bpf_xdp_get_buff_len.
func buffLen(s *State, r *[11]uint64) *Fault {
	if f := s.ctxArg(r[1]); f != nil {
		return f
	}
	r[0] = s.Len()
	return nil
}

// packetSpan checks an offset and length in the whole packet, frags included
// (bpf_xdp_pointer).
func (s *State) packetSpan(offset, n uint64) ([]byte, maps.Errno) {
	offset, n = uint64(uint32(offset)), uint64(uint32(n))
	if offset > 0xffff || n > 0xffff {
		return nil, efault
	}
	if offset+n > s.Len() {
		return nil, maps.EINVAL
	}
	return s.Mem.B[s.Data+offset:][:n:n], 0
}

// loadBytes is bpf_xdp_load_bytes(ctx, offset, to, len).
func loadBytes(s *State, r *[11]uint64) *Fault { return s.moveBytes(r, true) }

// storeBytes is bpf_xdp_store_bytes(ctx, offset, from, len).
func storeBytes(s *State, r *[11]uint64) *Fault { return s.moveBytes(r, false) }

func (s *State) moveBytes(r *[11]uint64, load bool) *Fault {
	if f := s.ctxArg(r[1]); f != nil {
		return f
	}
	mem, f := s.bytes(r[3], uint64(uint32(r[4])), load)
	if f != nil {
		return f
	}
	pkt, e := s.packetSpan(r[2], r[4])
	r[0] = negErrno(e)
	if e != 0 {
		return nil
	}
	if load {
		copy(mem, pkt)
	} else {
		copy(pkt, mem)
	}
	return nil
}

// redirect is bpf_xdp_redirect(ifindex, flags).
func redirect(s *State, r *[11]uint64) *Fault {
	if r[2] != 0 {
		r[0] = XDPAborted
		return nil
	}
	s.Redirect = Redirect{Kind: RedirectIf, Index: uint64(uint32(r[1]))}
	r[0] = XDPRedirect
	return nil
}

const (
	eacces = maps.Errno(13)
	efault = maps.Errno(14)
)
