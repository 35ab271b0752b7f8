package superopt

import (
	"jitnic/host/ebpf"
	"jitnic/superopt/internal/ir"
)

// Refusal says why proofs don't follow calls of a function, so that no rewrite
// spans them; "" where they do.
func Refusal(h *ebpf.Helper) string {
	if h.ID == 0 {
		return "a kernel function: its call is the loader's to link, and stays as it is"
	}
	return ir.Unmodelled(h)
}
