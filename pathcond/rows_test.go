package pathcond

import (
	"testing"

	"jitnic/host/ebpf"

	cebpf "github.com/cilium/ebpf"
)

// Every helper and kernel function that XDP programs may call has a meaning here
// or a reason why a path that calls it is no trace, and never both.
func TestEveryRowIsAnswered(t *testing.T) {
	for _, h := range ebpf.Helpers() {
		if h.Progs.Has(cebpf.XDP) {
			answered(t, h.Name, Modelled(h.ID))
		}
	}
	for _, h := range ebpf.Kfuncs() {
		if h.Progs.Has(cebpf.XDP) {
			answered(t, h.Name, symKfuncs[h.Name] != nil)
		}
	}
}

func answered(t *testing.T, name string, modelled bool) {
	if why := untraced[name]; modelled == (why != "") {
		t.Errorf("%s: modelled %v, reason against it %q", name, modelled, why)
	}
}
