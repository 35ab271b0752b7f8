package maps

import (
	"strings"

	"github.com/cilium/ebpf"
)

// TypeName is the kernel's name of a map type without BPF_MAP_TYPE_, in lower
// case (include/uapi/linux/bpf.h).
func TypeName(t ebpf.MapType) string {
	if n, ok := typeNames[t]; ok {
		return n
	}
	return strings.ToLower(t.String())
}

var typeNames = map[ebpf.MapType]string{
	ebpf.Hash: "hash", ebpf.Array: "array", ebpf.ProgramArray: "prog_array", ebpf.PerfEventArray: "perf_event_array",
	ebpf.PerCPUHash: "percpu_hash", ebpf.PerCPUArray: "percpu_array", ebpf.StackTrace: "stack_trace",
	ebpf.CGroupArray: "cgroup_array", ebpf.LRUHash: "lru_hash", ebpf.LRUCPUHash: "lru_percpu_hash",
	ebpf.LPMTrie: "lpm_trie", ebpf.ArrayOfMaps: "array_of_maps", ebpf.HashOfMaps: "hash_of_maps",
	ebpf.DevMap: "devmap", ebpf.DevMapHash: "devmap_hash", ebpf.SockMap: "sockmap", ebpf.SockHash: "sockhash",
	ebpf.CPUMap: "cpumap", ebpf.XSKMap: "xskmap", ebpf.Queue: "queue", ebpf.Stack: "stack", ebpf.RingBuf: "ringbuf",
	ebpf.Arena: "arena",
}
