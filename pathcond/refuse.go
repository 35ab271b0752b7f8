package pathcond

import (
	"jitnic/host/ebpf"
	"jitnic/host/vm"
)

// Refusal says why a trace can't call a helper or kernel function; "" where it
// can.
func Refusal(h *ebpf.Helper) string {
	if h.ID > 0 && Modelled(h.ID) || h.ID == 0 && symKfuncs[h.Name] != nil {
		return ""
	}
	if why := vm.Refusal(h); why != "" {
		return "the interpreter hasn't it: " + why
	}
	if h.ID == 0 {
		return "no meaning in terms is written down for the kernel function"
	}
	return ""
}

// named is what an abort says of a helper or kernel function: its name, and the
// reason where there is one.
func named(kind, name string, h *ebpf.Helper) string {
	if h != nil {
		if why := Refusal(h); why != "" {
			return kind + " " + name + ": " + why
		}
	}
	return kind + " " + name
}
