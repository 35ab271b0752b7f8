package ebpf

// kfuncs lists the kernel functions that programs may call by name, as far as
// an engine has something to say of them, in alphabetical order. Argument
// kinds follow the annotations of their definitions; a test compares the
// number of arguments and the function's existence with the running kernel's
// BTF.
var kfuncs = []Helper{
	{Name: "bpf_ct_release", Args: [5]Arg{object.ends()}, Ret: RetNothing, Writes: World, Progs: onXDP | onSchedCLS, Since: "5.18", From: "net/netfilter/nf_conntrack_bpf.c, bpf_xdp_ct_lookup"},
	{Name: "bpf_dynptr_adjust", Args: [5]Arg{changed.fills(Filled, Kept), scalar, scalar}, Bits: 32, Fails: FailsNegative, Progs: every, Since: "6.5"},
	{Name: "bpf_dynptr_clone", Args: [5]Arg{dynptr, newDynptr.fills(Filled, Cleared)}, Bits: 32, Fails: FailsNegative, Progs: every, Since: "6.5"},
	{Name: "bpf_dynptr_from_xdp", Args: [5]Arg{ctx, scalar, newDynptr.fills(Filled, Cleared)}, Bits: 32, Fails: FailsNegative, Reads: Bounds, Progs: onXDP, Since: "6.4"},
	{Name: "bpf_dynptr_is_null", Args: [5]Arg{dynptr}, Bits: 8, Progs: every, Since: "6.5"},
	{Name: "bpf_dynptr_is_rdonly", Args: [5]Arg{dynptr}, Bits: 8, Progs: every, Since: "6.5"},
	{Name: "bpf_dynptr_memset", Args: [5]Arg{dynptr, scalar, scalar, scalar}, Bits: 32, Fails: FailsNegative, Reads: Bounds, Writes: Packet | Rings | MapValues | Stack, Progs: every, Since: "6.17"},
	{Name: "bpf_dynptr_size", Args: [5]Arg{dynptr}, Bits: 32, Fails: FailsNegative, Progs: every, Since: "6.5"},
	{Name: "bpf_dynptr_slice", Args: [5]Arg{dynptr, scalar, out.orNull().fills(Partly, Kept), constSize}, Ret: RetMem, Fails: FailsNull, Reads: Packet | Bounds | Rings | MapValues | Stack, Progs: every, Since: "6.4"},
	{Name: "bpf_dynptr_slice_rdwr", Args: [5]Arg{dynptr, scalar, out.orNull().fills(Partly, Kept), constSize}, Ret: RetMem, Fails: FailsNull, Reads: Packet | Bounds | Rings | MapValues | Stack, Progs: every, Since: "6.4"},
	{Name: "bpf_iter_num_destroy", Args: [5]Arg{inout.of(8).fills(Cleared, Cleared)}, Ret: RetNothing, Progs: every, Since: "6.4"},
	{Name: "bpf_iter_num_new", Args: [5]Arg{out.of(8).fills(Filled, Cleared), scalar, scalar}, Bits: 32, Fails: FailsNegative, Progs: every, Since: "6.4"},
	{Name: "bpf_iter_num_next", Args: [5]Arg{inout.of(8).fills(Filled, Cleared)}, Ret: RetMem, Fails: FailsNull, Progs: every, Since: "6.4"},
	{Name: "bpf_local_irq_restore", Args: [5]Arg{inout.of(8).fills(Kept, Kept)}, Ret: RetNothing, Writes: Locks, Progs: every, Since: "6.14"},
	{Name: "bpf_local_irq_save", Args: [5]Arg{out.of(8).fills(Filled, Filled)}, Ret: RetNothing, Writes: Locks, Progs: every, Since: "6.14"},
	{Name: "bpf_preempt_disable", Ret: RetNothing, Writes: Locks, Progs: every, Since: "6.10"},
	{Name: "bpf_preempt_enable", Ret: RetNothing, Writes: Locks, Progs: every, Since: "6.10"},
	{Name: "bpf_rcu_read_lock", Ret: RetNothing, Writes: Locks, Progs: every, Since: "6.2"},
	{Name: "bpf_rcu_read_unlock", Ret: RetNothing, Writes: Locks, Progs: every, Since: "6.2"},
	{Name: "bpf_skb_ct_lookup", Args: [5]Arg{ctx, mem, size, inout.fills(Partly, Partly), size}, Ret: RetObject, Fails: FailsNull, Reads: World, Writes: World, Progs: onSchedCLS, Since: "5.18", From: "net/netfilter/nf_conntrack_bpf.c, bpf_xdp_ct_lookup"},
	{Name: "bpf_xdp_ct_lookup", Args: [5]Arg{ctx, mem, size, inout.fills(Partly, Partly), size}, Ret: RetObject, Fails: FailsNull, Reads: World, Writes: World, Progs: onXDP, Since: "5.18", From: "net/netfilter/nf_conntrack_bpf.c, bpf_xdp_ct_lookup"},
	{Name: "bpf_xdp_metadata_rx_hash", Args: [5]Arg{ctx, out.of(4).fills(Filled, Kept), out.of(4).fills(Filled, Kept)}, Bits: 32, Fails: FailsNegative, Reads: World, Progs: onXDP, Since: "6.3", From: "net/core/xdp.c, bpf_xdp_metadata_rx_hash"},
	{Name: "bpf_xdp_metadata_rx_timestamp", Args: [5]Arg{ctx, out.of(8).fills(Filled, Kept)}, Bits: 32, Fails: FailsNegative, Reads: World, Progs: onXDP, Since: "6.3", From: "net/core/xdp.c, bpf_xdp_metadata_rx_timestamp"},
	{Name: "bpf_xdp_metadata_rx_vlan_tag", Args: [5]Arg{ctx, out.of(2).fills(Filled, Kept), out.of(2).fills(Filled, Kept)}, Bits: 32, Fails: FailsNegative, Reads: World, Progs: onXDP, Since: "6.8", From: "net/core/xdp.c, bpf_xdp_metadata_rx_vlan_tag"},
}
