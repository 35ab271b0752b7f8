package vm

import (
	"encoding/binary"

	"jitnic/host/ebpf"
	"jitnic/host/maps"
)

// kfunc is a kernel function that programs call by name.
type kfunc struct {
	row *ebpf.Helper
	fn  HelperFunc
}

// kfuncs lists the kernel functions the VM has. Arguments and result are as
// for helpers.
var kfuncs = []kfunc{
	{ebpf.KfuncByName("bpf_dynptr_from_xdp"), dynptrFromXDP},
	{ebpf.KfuncByName("bpf_dynptr_slice"), dynptrSlice},
	{ebpf.KfuncByName("bpf_dynptr_slice_rdwr"), dynptrSliceRdwr},
	{ebpf.KfuncByName("bpf_dynptr_adjust"), dynptrAdjust},
	{ebpf.KfuncByName("bpf_dynptr_is_null"), dynptrIsNull},
	{ebpf.KfuncByName("bpf_dynptr_is_rdonly"), dynptrIsRdonly},
	{ebpf.KfuncByName("bpf_dynptr_size"), dynptrSize},
	{ebpf.KfuncByName("bpf_dynptr_clone"), dynptrClone},
	{ebpf.KfuncByName("bpf_iter_num_new"), iterNumNew},
	{ebpf.KfuncByName("bpf_iter_num_next"), iterNumNext},
	{ebpf.KfuncByName("bpf_iter_num_destroy"), iterNumDestroy},
	{ebpf.KfuncByName("bpf_rcu_read_lock"), nothing},
	{ebpf.KfuncByName("bpf_rcu_read_unlock"), nothing},
	{ebpf.KfuncByName("bpf_preempt_disable"), nothing},
	{ebpf.KfuncByName("bpf_preempt_enable"), nothing},
	{ebpf.KfuncByName("bpf_local_irq_save"), nothing},
	{ebpf.KfuncByName("bpf_local_irq_restore"), nothing},
	// Metadata of the receiving device: BPF_PROG_TEST_RUN has none to offer, and
	// a capture only the VLAN tag, where it was told to take it off.
	{ebpf.KfuncByName("bpf_xdp_metadata_rx_timestamp"), noMetadata},
	{ebpf.KfuncByName("bpf_xdp_metadata_rx_hash"), noMetadata},
	{ebpf.KfuncByName("bpf_xdp_metadata_rx_vlan_tag"), rxVLANTag},
}

// kfuncIndex is the place of a name in the list, or -1.
func kfuncIndex(name string) int32 {
	for i, k := range kfuncs {
		if k.row.Name == name {
			return int32(i)
		}
	}
	return -1
}

// Tag is what a device tells of VLAN tags beside a packet.
type Tag struct {
	Offload bool   // the device takes them off; else the kfunc has no answer
	Proto   uint16 // EtherType of the tag that was; 0: the packet had none
	TCI     uint16
}

// rxVLANTag is bpf_xdp_metadata_rx_vlan_tag(ctx, vlan_proto, vlan_tci): the
// protocol in network and the tag in host byte order, -ENODATA for a packet
// without (Linux net/core/xdp.c).
func rxVLANTag(s *State, r *[11]uint64) *Fault {
	if !s.tag.Offload {
		return noMetadata(s, r)
	}
	if f := s.ctxArg(r[1]); f != nil {
		return f
	}
	proto, f := s.bytes(r[2], 2, true)
	if f != nil {
		return f
	}
	tci, f := s.bytes(r[3], 2, true)
	if f != nil {
		return f
	}
	if s.tag.Proto == 0 {
		r[0] = negErrno(maps.ENODATA)
		return nil
	}
	binary.BigEndian.PutUint16(proto, s.tag.Proto)
	binary.LittleEndian.PutUint16(tci, s.tag.TCI)
	r[0] = 0
	return nil
}

func noMetadata(s *State, r *[11]uint64) *Fault {
	if f := s.ctxArg(r[1]); f != nil {
		return f
	}
	r[0] = negErrno(maps.EOPNOTSUPP)
	return nil
}
