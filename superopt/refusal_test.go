package superopt

import (
	"testing"

	"jitnic/host/ebpf"
)

// What is followed today is never refused again, and what moves the packet or
// runs code of the program is.
func TestRefusal(t *testing.T) {
	for _, name := range []string{"map_lookup_elem", "map_update_elem", "map_delete_elem", "ktime_get_ns", "get_prandom_u32", "get_smp_processor_id", "tail_call",
		"get_current_pid_tgid", "get_current_uid_gid", "redirect", "perf_event_output", "csum_diff", "get_numa_node_id", "redirect_map", "fib_lookup",
		"ktime_get_boot_ns", "probe_read", "probe_read_user", "probe_read_kernel", "get_current_comm", "skb_load_bytes", "get_stackid", "get_current_task",
		"get_socket_cookie", "get_current_cgroup_id", "ringbuf_output", "xdp_load_bytes"} {
		id, ok := ebpf.HelperNumber(name)
		if !ok {
			t.Fatal(name)
		}
		if why := Refusal(ebpf.HelperByID(id)); why != "" {
			t.Errorf("%s: %s", name, why)
		}
	}
	for _, name := range []string{"xdp_adjust_head", "skb_store_bytes", "for_each_map_elem", "spin_lock", "timer_start", "sk_lookup_tcp", "ringbuf_reserve"} {
		id, _ := ebpf.HelperNumber(name)
		if Refusal(ebpf.HelperByID(id)) == "" {
			t.Errorf("%s is followed", name)
		}
	}
}
