package vm

import "jitnic/host/maps"

// fib asks the routing table.
func (s *State) fib(params []byte, flags uint32) int {
	if s.Opt.FIB == nil {
		return emptyFIB(params, flags)
	}
	return s.Opt.FIB.Lookup(params, flags)
}

// emptyFIB is the answer of a network namespace with no routes.
func emptyFIB(params []byte, flags uint32) int {
	const size = 64 // sizeof(struct bpf_fib_lookup)
	if len(params) < size {
		return -int(maps.EINVAL)
	}
	return 4 // BPF_FIB_LKUP_RET_NOT_FWDED
}

// mtuOf is an interface's MTU. Without a table there is the loopback device.
func (s *State) mtuOf(ifindex uint32) (uint32, bool) {
	if s.Opt.FIB == nil {
		return 65536, ifindex == 1
	}
	return s.Opt.FIB.MTU(ifindex)
}
