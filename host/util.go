package host

import (
	"jitnic/host/maps"

	"github.com/cilium/ebpf"
)

func isTrie(m maps.Map) bool { return m.Spec().Type == ebpf.LPMTrie }
