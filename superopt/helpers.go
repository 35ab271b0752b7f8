package superopt

// argKind says what a helper does with an argument register.
type argKind uint8

const (
	argNone   argKind = iota // not an argument: dead at the call
	argScalar                // its value
	argMap                   // a map
	argKey                   // points to a key of the map, read
	argValue                 // points to a value of the map, read
	argMem                   // points to memory that is read; the size is in the next register
	argMemOut                // points to memory that is written; the size is in the next register
	argSize                  // a size, also a value
	argCtx                   // the context
	argInOut                 // points to memory read and written; size in the next register
)

// helper is what the optimiser knows of one helper function
// (uapi/linux/bpf.h and the bpf_func_proto tables in net/core/filter.c and
// kernel/bpf/helpers.c). What isn't listed is a barrier: no window spans it.
type helper struct {
	name      string
	args      [5]argKind
	readsPkt  bool // the packet's bytes matter to it
	writesMap bool // changes the map of its argMap
	pure      bool // a lookup: changes nothing in a map that keeps no order of use
	ends      bool // tail call: where it succeeds the program is over
	tracing   bool // may read any memory through its pointer
}

var helpers = map[int32]*helper{
	1:   {name: "map_lookup_elem", args: [5]argKind{argMap, argKey}, pure: true},
	2:   {name: "map_update_elem", args: [5]argKind{argMap, argKey, argValue, argScalar}, writesMap: true},
	3:   {name: "map_delete_elem", args: [5]argKind{argMap, argKey}, writesMap: true},
	5:   {name: "ktime_get_ns"},
	7:   {name: "get_prandom_u32"},
	8:   {name: "get_smp_processor_id"},
	12:  {name: "tail_call", args: [5]argKind{argCtx, argMap, argScalar}, readsPkt: true, ends: true},
	14:  {name: "get_current_pid_tgid"},
	15:  {name: "get_current_uid_gid"},
	23:  {name: "redirect", args: [5]argKind{argScalar, argScalar}},
	25:  {name: "perf_event_output", args: [5]argKind{argCtx, argMap, argScalar, argMem, argSize}, readsPkt: true},
	28:  {name: "csum_diff", args: [5]argKind{argMem, argSize, argMem, argSize, argScalar}, readsPkt: true},
	42:  {name: "get_numa_node_id"},
	51:  {name: "redirect_map", args: [5]argKind{argMap, argScalar, argScalar}},
	69:  {name: "fib_lookup", args: [5]argKind{argCtx, argInOut, argSize, argScalar}},
	125: {name: "ktime_get_boot_ns"},
	4:   {name: "probe_read", args: [5]argKind{argMemOut, argSize, argScalar}, readsPkt: true, tracing: true},
	112: {name: "probe_read_user", args: [5]argKind{argMemOut, argSize, argScalar}, readsPkt: true, tracing: true},
	113: {name: "probe_read_kernel", args: [5]argKind{argMemOut, argSize, argScalar}, readsPkt: true, tracing: true},
	16:  {name: "get_current_comm", args: [5]argKind{argMemOut, argSize}},
	26:  {name: "skb_load_bytes", args: [5]argKind{argCtx, argScalar, argMemOut, argSize}, readsPkt: true},
	27:  {name: "get_stackid", args: [5]argKind{argCtx, argMap, argScalar}, writesMap: true},
	35:  {name: "get_current_task"},
	46:  {name: "get_socket_cookie", args: [5]argKind{argCtx}},
	80:  {name: "get_current_cgroup_id"},
	130: {name: "ringbuf_output", args: [5]argKind{argMap, argMem, argSize, argScalar}},
	189: {name: "xdp_load_bytes", args: [5]argKind{argCtx, argScalar, argMemOut, argSize}, readsPkt: true},
}

// noResult are the helpers that return nothing (RET_VOID): r0 can't be read
// after them. tail_call, spin_lock and unlock, ringbuf_submit and discard, and
// their dynptr twins (uapi/linux/bpf.h).
var noResult = map[int32]bool{12: true, 93: true, 94: true, 132: true, 133: true, 199: true, 200: true}

func helperOf(n int32) *helper { return helpers[n] }

// keepsPacket: after this helper the packet is where it was. Those that move
// it, or may, end every packet pointer (bpf_helper_changes_pkt_data in
// net/core/filter.c); so does what isn't known.
func keepsPacket(n int32) bool {
	switch n {
	case 9, 10, 11, 13, 18, 19, 31, 38, 39, 43, 44, 50, 54, 57, 65, 73, 74, 75, 76, 90, 91:
		return false
	}
	return n > 0 && n <= 211 && n != 143
}
