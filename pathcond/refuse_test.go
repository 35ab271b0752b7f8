package pathcond

import (
	"testing"

	"jitnic/host/ebpf"
)

// TestRefused: a reason stands for no helper that a trace may call, and for
// none that the interpreter hasn't.
func TestRefused(t *testing.T) {
	for id := range unmodelled {
		h := ebpf.HelperByID(id)
		if Modelled(id) || Refusal(h) != unmodelled[id] {
			t.Errorf("helper %d (%s): a reason, and yet: %q", id, h.Name, Refusal(h))
		}
	}
	for name := range symKfuncs {
		if h := ebpf.KfuncByName(name); h == nil || Refusal(h) != "" {
			t.Errorf("kernel function %s: modelled, and yet it has no row or a reason", name)
		}
	}
}
