package maps

import "github.com/cilium/ebpf"

// IsOfMaps says whether a map's values are maps.
func IsOfMaps(t ebpf.MapType) bool { return t == ebpf.ArrayOfMaps || t == ebpf.HashOfMaps }

// HoldsOther says that a look-up gives something other than a pointer to value
// bytes.
func HoldsOther(t ebpf.MapType) bool {
	switch t {
	case ebpf.SockMap, ebpf.SockHash, ebpf.XSKMap, ebpf.ProgramArray, ebpf.PerfEventArray, ebpf.CGroupArray, ebpf.StackTrace:
		return true
	}
	return IsOfMaps(t)
}

// Ordered says whether look-ups change in what order a map evicts.
func Ordered(t ebpf.MapType) bool { return t == ebpf.LRUHash || t == ebpf.LRUCPUHash }

// Orderless says that a look-up is known to leave no trace in the map, so it may
// be dropped where its result is dead.
func Orderless(t ebpf.MapType) bool {
	switch t {
	case ebpf.Hash, ebpf.Array, ebpf.PerCPUHash, ebpf.PerCPUArray, ebpf.LPMTrie:
		return true
	}
	return false
}
