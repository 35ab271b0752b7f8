package vm

// FIB is a routing table as bpf_fib_lookup asks it.
type FIB interface {
	// Lookup is bpf_fib_lookup for XDP: params is a struct bpf_fib_lookup,
	// read and written. The result is a BPF_FIB_LKUP_RET_* or a negative errno.
	Lookup(params []byte, flags uint32) int
	// MTU is that of an interface, and whether there is one.
	MTU(ifindex uint32) (uint32, bool)
}

// fibLookup is bpf_fib_lookup(ctx, params, size, flags).
func fibLookup(s *State, r *[11]uint64) *Fault {
	if f := s.ctxArg(r[1]); f != nil {
		return f
	}
	params, f := s.bytes(r[2], uint64(uint32(r[3])), true)
	if f != nil {
		return f
	}
	r[0] = uint64(s.fib(params, uint32(r[4])))
	return nil
}
