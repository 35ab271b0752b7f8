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
	// answers: a recording keeps what it left in argument 4, of the size of
	// argument 5.
	answers bool
}

// kfuncs lists the kernel functions the VM has. Arguments and result are as
// for helpers.
var kfuncs = []kfunc{
	{row: ebpf.KfuncByName("bpf_dynptr_from_xdp"), fn: dynptrFromXDP},
	{row: ebpf.KfuncByName("bpf_dynptr_slice"), fn: dynptrSlice},
	{row: ebpf.KfuncByName("bpf_dynptr_slice_rdwr"), fn: dynptrSliceRdwr},
	{row: ebpf.KfuncByName("bpf_dynptr_adjust"), fn: dynptrAdjust},
	{row: ebpf.KfuncByName("bpf_dynptr_is_null"), fn: dynptrIsNull},
	{row: ebpf.KfuncByName("bpf_dynptr_is_rdonly"), fn: dynptrIsRdonly},
	{row: ebpf.KfuncByName("bpf_dynptr_memset"), fn: dynptrMemset},
	{row: ebpf.KfuncByName("bpf_dynptr_size"), fn: dynptrSize},
	{row: ebpf.KfuncByName("bpf_dynptr_clone"), fn: dynptrClone},
	{row: ebpf.KfuncByName("bpf_iter_num_new"), fn: iterNumNew},
	{row: ebpf.KfuncByName("bpf_iter_num_next"), fn: iterNumNext},
	{row: ebpf.KfuncByName("bpf_iter_num_destroy"), fn: iterNumDestroy},
	{row: ebpf.KfuncByName("bpf_xdp_ct_lookup"), fn: ctLookup, answers: true},
	{row: ebpf.KfuncByName("bpf_ct_release"), fn: nothing},
	{row: ebpf.KfuncByName("bpf_rcu_read_lock"), fn: nothing},
	{row: ebpf.KfuncByName("bpf_rcu_read_unlock"), fn: nothing},
	{row: ebpf.KfuncByName("bpf_preempt_disable"), fn: nothing},
	{row: ebpf.KfuncByName("bpf_preempt_enable"), fn: nothing},
	{row: ebpf.KfuncByName("bpf_local_irq_save"), fn: nothing},
	{row: ebpf.KfuncByName("bpf_local_irq_restore"), fn: nothing},
	// Metadata of the receiving device: BPF_PROG_TEST_RUN has none to offer, and
	// a capture only the VLAN tag, where it was told to take it off.
	{row: ebpf.KfuncByName("bpf_xdp_metadata_rx_timestamp"), fn: noMetadata},
	{row: ebpf.KfuncByName("bpf_xdp_metadata_rx_hash"), fn: noMetadata},
	{row: ebpf.KfuncByName("bpf_xdp_metadata_rx_vlan_tag"), fn: rxVLANTag},
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

// TagWord is the packet's tag in one number: the TCI, above it the protocol, and
// above that a bit that says whether the device takes tags off.
func (s *State) TagWord() uint64 {
	return uint64(s.tag.TCI) | uint64(s.tag.Proto)<<16 | b2u(s.tag.Offload)<<32
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
