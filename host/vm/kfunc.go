package vm

import "jitnic/host/maps"

// kfunc is a kernel function that programs call by name.
type kfunc struct {
	name string
	fn   HelperFunc
}

// kfuncs lists the kernel functions the VM has. Arguments and result are as
// for helpers.
var kfuncs = []kfunc{
	{"bpf_dynptr_from_xdp", dynptrFromXDP},
	{"bpf_dynptr_slice", dynptrSlice},
	{"bpf_dynptr_slice_rdwr", dynptrSliceRdwr},
	{"bpf_dynptr_adjust", dynptrAdjust},
	{"bpf_dynptr_is_null", dynptrIsNull},
	{"bpf_dynptr_is_rdonly", dynptrIsRdonly},
	{"bpf_dynptr_size", dynptrSize},
	{"bpf_dynptr_clone", dynptrClone},
	{"bpf_rcu_read_lock", nothing},
	{"bpf_rcu_read_unlock", nothing},
	{"bpf_preempt_disable", nothing},
	{"bpf_preempt_enable", nothing},
	{"bpf_local_irq_save", nothing},
	{"bpf_local_irq_restore", nothing},
	// Metadata of the receiving device: BPF_PROG_TEST_RUN has none to offer.
	{"bpf_xdp_metadata_rx_timestamp", noMetadata},
	{"bpf_xdp_metadata_rx_hash", noMetadata},
	{"bpf_xdp_metadata_rx_vlan_tag", noMetadata},
}

// kfuncIndex is the place of a name in the list, or -1.
func kfuncIndex(name string) int32 {
	for i, k := range kfuncs {
		if k.name == name {
			return int32(i)
		}
	}
	return -1
}

func noMetadata(s *State, r *[11]uint64) *Fault {
	if f := s.ctxArg(r[1]); f != nil {
		return f
	}
	r[0] = negErrno(maps.EOPNOTSUPP)
	return nil
}
