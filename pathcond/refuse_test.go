package pathcond

import (
	"testing"

	"jitnic/host/ebpf"
	"jitnic/host/vm"
)

// TestRefused: no reason stands for what a trace may call, and what the interpreter
// hasn't, a trace hasn't either.
func TestRefused(t *testing.T) {
	for _, h := range ebpf.Helpers() {
		if has := Modelled(h.ID); has != vm.Supported(h.ID) || has != (Refusal(&h) == "") {
			t.Errorf("helper %d (%s): in a trace %v, in the interpreter %v, and refused: %q", h.ID, h.Name, has, vm.Supported(h.ID), Refusal(&h))
		}
	}
	for name := range symKfuncs {
		if h := ebpf.KfuncByName(name); h == nil || Refusal(h) != "" {
			t.Errorf("kernel function %s: modelled, and yet it has no row or a reason", name)
		}
	}
}
