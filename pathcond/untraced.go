package pathcond

// Why paths that call some helpers and kernel functions are no traces. The VM
// has no answer to most of them either: a run that calls one ends in a fault.
const (
	whyTask   = "tells of the task a packet happens to interrupt"
	whySocket = "the result depends on the sockets of the host"
	whyTimer  = "what it starts runs later, on the host"
	whyText   = "a text has no term"
	whyProbe  = "reads memory of the host"
	whyCookie = "the result depends on the host's secrets"
	whyStore  = "keeps its value with a task or control group"
	whyRing   = "a ring buffer is the host's to read"
	whyCt     = "the result depends on the host's connection tracking"
)

// untraced gives the reason by name; an abort says it after the name.
var untraced = map[string]string{
	"get_current_pid_tgid": whyTask, "get_current_uid_gid": whyTask, "get_current_comm": whyTask, "get_cgroup_classid": whyTask,
	"get_current_task": whyTask, "current_task_under_cgroup": whyTask, "get_current_cgroup_id": whyTask,
	"get_ns_current_pid_tgid": whyTask, "get_current_ancestor_cgroup_id": whyTask, "get_task_stack": whyTask,
	"get_current_task_btf": whyTask, "task_pt_regs": whyTask, "find_vma": whyTask, "send_signal": whyTask, "send_signal_thread": whyTask,
	"get_branch_snapshot": whyTask, "perf_event_read": whyTask, "perf_event_read_value": whyTask,
	"sk_lookup_tcp": whySocket, "sk_lookup_udp": whySocket, "skc_lookup_tcp": whySocket, "sk_release": whySocket,
	"skc_to_tcp6_sock": whySocket, "skc_to_tcp_sock": whySocket, "skc_to_tcp_timewait_sock": whySocket, "skc_to_tcp_request_sock": whySocket,
	"skc_to_udp6_sock": whySocket, "skc_to_unix_sock": whySocket, "skc_to_mptcp_sock": whySocket,
	"tcp_check_syncookie": whySocket, "tcp_gen_syncookie": whySocket,
	"tcp_raw_gen_syncookie_ipv4": whyCookie, "tcp_raw_gen_syncookie_ipv6": whyCookie,
	"tcp_raw_check_syncookie_ipv4": whyCookie, "tcp_raw_check_syncookie_ipv6": whyCookie,
	"snprintf": whyText, "snprintf_btf": whyText,
	"probe_read_user": whyProbe, "probe_read_kernel": whyProbe, "probe_read_user_str": whyProbe, "probe_read_kernel_str": whyProbe,
	"copy_from_user": whyProbe, "copy_from_user_task": whyProbe, "per_cpu_ptr": whyProbe, "this_cpu_ptr": whyProbe,
	"timer_init": whyTimer, "timer_set_callback": whyTimer, "timer_start": whyTimer, "timer_cancel": whyTimer,
	"task_storage_get": whyStore, "task_storage_delete": whyStore, "cgrp_storage_get": whyStore, "cgrp_storage_delete": whyStore,
	"kptr_xchg": whyStore, "ringbuf_query": whyRing, "user_ringbuf_drain": whyRing,
	"ringbuf_reserve_dynptr": whyRing, "ringbuf_submit_dynptr": whyRing, "ringbuf_discard_dynptr": whyRing,
	"bpf_xdp_ct_lookup": whyCt, "bpf_ct_release": whyCt,
	"bpf_xdp_metadata_rx_vlan_tag": "a device's traces can't ask for the tag",
}

// named is a helper's or kernel function's name with the reason against it.
func named(name, short string) string {
	if why := untraced[short]; why != "" {
		return name + ": " + why
	}
	return name
}
