package ir

// argKind says what a helper does with an argument register.
type argKind uint8

const (
	ArgNone   argKind = iota // not an argument: dead at the call
	ArgScalar                // its value
	ArgMap                   // a map
	ArgKey                   // points to a key of the map, read
	ArgValue                 // points to a value of the map, read
	ArgMem                   // points to memory that is read; the size is in the next register
	ArgMemOut                // points to memory that is written; the size is in the next register
	ArgSize                  // a size, also a value
	ArgCtx                   // the context
	ArgInOut                 // points to memory read and written; size in the next register
)

// Helper is what the optimiser knows of one helper function
// (uapi/linux/bpf.h and the bpf_func_proto tables in net/core/filter.c and
// kernel/bpf/helpers.c). What isn't listed is a barrier: no window spans it.
type Helper struct {
	Name      string
	Args      [5]argKind
	ReadsPkt  bool // the packet's bytes matter to it
	WritesMap bool // changes the map of its ArgMap
	Pure      bool // a lookup: changes nothing in a map that keeps no order of use
	Ends      bool // tail call: where it succeeds the program is over
	tracing   bool // may read any memory through its pointer
}

var helpers = map[int32]*Helper{
	1:   {Name: "map_lookup_elem", Args: [5]argKind{ArgMap, ArgKey}, Pure: true},
	2:   {Name: "map_update_elem", Args: [5]argKind{ArgMap, ArgKey, ArgValue, ArgScalar}, WritesMap: true},
	3:   {Name: "map_delete_elem", Args: [5]argKind{ArgMap, ArgKey}, WritesMap: true},
	5:   {Name: "ktime_get_ns"},
	7:   {Name: "get_prandom_u32"},
	8:   {Name: "get_smp_processor_id"},
	12:  {Name: "tail_call", Args: [5]argKind{ArgCtx, ArgMap, ArgScalar}, ReadsPkt: true, Ends: true},
	14:  {Name: "get_current_pid_tgid"},
	15:  {Name: "get_current_uid_gid"},
	23:  {Name: "redirect", Args: [5]argKind{ArgScalar, ArgScalar}},
	25:  {Name: "perf_event_output", Args: [5]argKind{ArgCtx, ArgMap, ArgScalar, ArgMem, ArgSize}, ReadsPkt: true},
	28:  {Name: "csum_diff", Args: [5]argKind{ArgMem, ArgSize, ArgMem, ArgSize, ArgScalar}, ReadsPkt: true},
	42:  {Name: "get_numa_node_id"},
	51:  {Name: "redirect_map", Args: [5]argKind{ArgMap, ArgScalar, ArgScalar}},
	69:  {Name: "fib_lookup", Args: [5]argKind{ArgCtx, ArgInOut, ArgSize, ArgScalar}},
	125: {Name: "ktime_get_boot_ns"},
	4:   {Name: "probe_read", Args: [5]argKind{ArgMemOut, ArgSize, ArgScalar}, ReadsPkt: true, tracing: true},
	112: {Name: "probe_read_user", Args: [5]argKind{ArgMemOut, ArgSize, ArgScalar}, ReadsPkt: true, tracing: true},
	113: {Name: "probe_read_kernel", Args: [5]argKind{ArgMemOut, ArgSize, ArgScalar}, ReadsPkt: true, tracing: true},
	16:  {Name: "get_current_comm", Args: [5]argKind{ArgMemOut, ArgSize}},
	26:  {Name: "skb_load_bytes", Args: [5]argKind{ArgCtx, ArgScalar, ArgMemOut, ArgSize}, ReadsPkt: true},
	27:  {Name: "get_stackid", Args: [5]argKind{ArgCtx, ArgMap, ArgScalar}, WritesMap: true},
	35:  {Name: "get_current_task"},
	46:  {Name: "get_socket_cookie", Args: [5]argKind{ArgCtx}},
	80:  {Name: "get_current_cgroup_id"},
	130: {Name: "ringbuf_output", Args: [5]argKind{ArgMap, ArgMem, ArgSize, ArgScalar}},
	189: {Name: "xdp_load_bytes", Args: [5]argKind{ArgCtx, ArgScalar, ArgMemOut, ArgSize}, ReadsPkt: true},
}

// NoResult are the helpers that return nothing (RET_VOID): r0 can't be read
// after them. tail_call, spin_lock and unlock, ringbuf_submit and discard, and
// their dynptr twins (uapi/linux/bpf.h).
var NoResult = map[int32]bool{12: true, 93: true, 94: true, 132: true, 133: true, 199: true, 200: true}

// HelperOf gives what is known of helper n, nil where nothing is.
func HelperOf(n int32) *Helper { return helpers[n] }

// KeepsPacket: after this helper the packet is where it was. Those that move
// it, or may, end every packet pointer (bpf_helper_changes_pkt_data in
// net/core/filter.c); so does what isn't known.
func KeepsPacket(n int32) bool {
	switch n {
	case 9, 10, 11, 13, 18, 19, 31, 38, 39, 43, 44, 50, 54, 57, 65, 73, 74, 75, 76, 90, 91:
		return false
	}
	return n > 0 && n <= 211 && n != 143
}
