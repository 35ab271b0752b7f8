package vm

import "jitnic/host/maps"

// fibLookup is bpf_fib_lookup(ctx, params, size, flags).
func fibLookup(s *State, r *[11]uint64) *Fault {
	if f := s.ctxArg(r[1]); f != nil {
		return f
	}
	params, f := s.bytes(r[2], uint64(uint32(r[3])), true)
	if f != nil {
		return f
	}
	r[0] = uint64(s.Opt.FIB.Lookup(params, uint32(r[4])))
	return nil
}

// checkMTU is bpf_xdp_check_mtu(ctx, ifindex, mtu_len, len_diff, flags).
func checkMTU(s *State, r *[11]uint64) *Fault {
	if f := s.ctxArg(r[1]); f != nil {
		return f
	}
	if !s.Reach(r[3], 4, true) {
		return badAccess(r[3], 4, true)
	}
	if r[5] != 0 {
		r[0] = negErrno(maps.EINVAL)
		return nil
	}
	index := uint32(r[2])
	if index == 0 {
		index = s.If
	}
	mtu, ok := s.Opt.FIB.MTU(index)
	if !ok {
		r[0] = negErrno(maps.ENODEV)
		return nil
	}
	const hardHeader = 14
	length := int32(s.DataEnd - s.Data) // C's int: it wraps
	if l3 := int32(s.Load(r[3], 4)); l3 != 0 {
		length = l3 + hardHeader
	}
	length += int32(r[4])
	r[0] = 0
	if length > int32(mtu)+hardHeader {
		r[0] = 1 // BPF_MTU_CHK_RET_FRAG_NEEDED
	}
	s.Store(r[3], 4, uint64(mtu))
	return nil
}
