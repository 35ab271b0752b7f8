package ebpf

import (
	"strings"
	"sync"

	"github.com/cilium/ebpf/asm"
)

// helperNames is the kernel's __BPF_FUNC_MAPPER (uapi/linux/bpf.h) as
// cilium/ebpf has it: number to name, and back.
var helperNames = sync.OnceValues(func() ([]string, map[string]int32) {
	var names []string
	numbers := map[string]int32{}
	for n := int32(0); ; n++ {
		f := asm.BuiltinFunc(n).String()
		if !strings.HasPrefix(f, "Fn") {
			return names, numbers
		}
		// FnMapLookupElem: bpf_map_lookup_elem.
		var b strings.Builder
		b.WriteString("bpf")
		for _, c := range f[2:] {
			if c >= 'A' && c <= 'Z' {
				b.WriteByte('_')
				c += 'a' - 'A'
			}
			b.WriteRune(c)
		}
		names = append(names, b.String())
		numbers[b.String()] = n
	}
})

// HelperName returns the kernel's name of helper n, "bpf_map_lookup_elem" for
// 1; "" where the kernel has none.
func HelperName(n int32) string {
	names, _ := helperNames()
	if n < 0 || int(n) >= len(names) {
		return ""
	}
	return names[n]
}

// HelperNumber is the inverse of HelperName; the bpf_ may be missing.
func HelperNumber(name string) (int32, bool) {
	_, numbers := helperNames()
	n, ok := numbers[name]
	if !ok {
		n, ok = numbers["bpf_"+name]
	}
	return n, ok
}
