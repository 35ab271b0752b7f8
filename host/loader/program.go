// Package loader turns object files and text into linked programs.
package loader

import (
	"jitnic/host/ebpf"
	"jitnic/host/maps"

	"github.com/cilium/ebpf/btf"
)

// Program is one linked program: the blueprint a VM, a kernel or an optimiser
// takes. The same file gives the same Program on every machine.
type Program struct {
	Name    string // symbol of the entry function
	Section string // ELF section, "xdp" and the like
	File    string // where it came from, for messages
	License string
	// Insns holds the entry function first, then every function it can reach,
	// the callees in the order of their symbols. Calls are relative slots. Map loads
	// (PseudoMapFD, PseudoMapValue) carry an index into Maps.
	Insns []ebpf.Insn
	Funcs []Func
	// Maps is shared by all programs of an Object.
	Maps []*maps.Spec
	// XDPFrags is set for section xdp.frags: multi-buffer packets welcome.
	XDPFrags bool
	// Unsupported lists what could not be linked (kfuncs, kernel variables):
	// instruction slot to its name. Packets that don't reach them still run.
	Unsupported map[int]string
	// Lines maps slots to source lines where the object has them.
	Lines map[int]string
}

// Func is a function of a program: slots [Start, End).
type Func struct {
	Name       string
	Start, End int
	Proto      *btf.Func // nil without BTF
}

// Object is what one file holds: its programs and the maps they share.
type Object struct {
	File     string
	Programs []*Program // in file order; program arrays name them
	Maps     []*maps.Spec
}
