package ir

import "github.com/cilium/ebpf"

// MapOfOther says that a lookup gives something other than a pointer to value bytes.
func MapOfOther(t ebpf.MapType) bool {
	switch t {
	case ebpf.ArrayOfMaps, ebpf.HashOfMaps, ebpf.SockMap, ebpf.SockHash, ebpf.XSKMap, ebpf.ProgramArray,
		ebpf.PerfEventArray, ebpf.CGroupArray, ebpf.StackTrace:
		return true
	}
	return false
}

// Orderless says that a lookup leaves no trace in the map (an LRU's does), so lookups
// may be dropped where their result is dead.
func Orderless(t ebpf.MapType) bool {
	switch t {
	case ebpf.Hash, ebpf.Array, ebpf.PerCPUHash, ebpf.PerCPUArray, ebpf.LPMTrie:
		return true
	}
	return false
}
