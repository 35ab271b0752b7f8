package pathcond

import (
	"jitnic/host/ebpf"
	"jitnic/host/vm"
)

const (
	noTimer = "no term stands for the state of a timer"
)

// unmodelled says why a trace can't call a helper that the interpreter runs.
var unmodelled = map[int32]string{
	ebpf.FnProbeRead:          "reads memory at an address that a run alone tells",
	ebpf.FnProbeReadUser:      "reads memory at an address that a run alone tells",
	ebpf.FnProbeReadKernel:    "reads memory at an address that a run alone tells",
	ebpf.FnProbeReadUserStr:   "reads memory at an address that a run alone tells",
	ebpf.FnProbeReadKernelStr: "reads memory at an address that a run alone tells",
	ebpf.FnTimerInit:          noTimer,
	ebpf.FnTimerSetCallback:   noTimer,
	ebpf.FnTimerStart:         noTimer,
	ebpf.FnTimerCancel:        noTimer,
}

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
	return unmodelled[h.ID]
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
