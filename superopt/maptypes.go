package superopt

import "github.com/cilium/ebpf"

// mapOfOther: a lookup gives something other than a pointer to value bytes.
func mapOfOther(t ebpf.MapType) bool {
	switch t {
	case ebpf.ArrayOfMaps, ebpf.HashOfMaps, ebpf.SockMap, ebpf.SockHash, ebpf.XSKMap, ebpf.ProgramArray,
		ebpf.PerfEventArray, ebpf.CGroupArray, ebpf.StackTrace:
		return true
	}
	return false
}

// orderless: a lookup leaves no trace in the map (an LRU's does), so lookups
// may be dropped where their result is dead.
func orderless(t ebpf.MapType) bool {
	switch t {
	case ebpf.Hash, ebpf.Array, ebpf.PerCPUHash, ebpf.PerCPUArray, ebpf.LPMTrie:
		return true
	}
	return false
}
