package loader

import (
	"fmt"
	"sort"
	"strings"

	"jitnic/host/ebpf"
	"jitnic/host/maps"

	cilium "github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
)

// Program is one linked program: the blueprint a VM, a kernel or an optimiser
// takes. The same file gives the same Program on every machine.
type Program struct {
	Name    string // symbol of the entry function
	Section string // ELF section, "xdp" and the like
	File    string // where it came from, for messages
	License string
	// Type is the program type that section name or BTF tell;
	// UnspecifiedProgram where neither does.
	Type cilium.ProgramType
	// AttachType, AttachTo and LoadFlags are what the section name says
	// besides ("xdp/devmap", "fentry/NAME", sleepable); the kernel asks.
	AttachType cilium.AttachType
	AttachTo   string
	LoadFlags  uint32
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
	// tail: a static function that nothing calls, there to be tail-called.
	tail  bool
	lines []lineAt // where source lines begin, in the order of slots
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
	License  string
	Programs []*Program // in file order; program arrays name them
	Maps     []*maps.Spec
	// Conn is the kernel's struct nf_conn, by the types that CO-RE relocations
	// are resolved against; nil where no program looks connections up, or the
	// type isn't known.
	Conn *btf.Struct
}

// MapNames gives the name of map i for the printer (ebpf.Printer.MapName).
func (p *Program) MapNames(i int) string {
	if i < 0 || i >= len(p.Maps) {
		return ""
	}
	return p.Maps[i].Name
}

// Func returns the function that holds the slot.
func (p *Program) Func(slot int) *Func {
	i := sort.Search(len(p.Funcs), func(i int) bool { return p.Funcs[i].End > slot })
	if i == len(p.Funcs) {
		return nil
	}
	return &p.Funcs[i]
}

// Named returns the program of that symbol, or nil: what a name in the
// contents of a program array stands for.
func (o *Object) Named(name string) *Program {
	for _, p := range o.Programs {
		if p.Name == name {
			return p
		}
	}
	return nil
}

// Entry returns the program called name, by its symbol or else by its section.
// Without a name it is the only XDP program of the object; where there are
// several the error lists them. Programs for a devmap's or cpumap's entries, and
// those that are tail-called (by a section "ID/KEY", or as static functions that
// nothing calls), are candidates only when there are no others.
// Those whose section begins with "?" are none unless they are named.
// In an object without any XDP program, the only program of unknown type will
// do (old objects put it in a section "prog" or the like).
func (o *Object) Entry(name string) (*Program, error) {
	if name != "" {
		if p := o.Named(name); p != nil {
			return p, nil
		}
		var found []*Program
		for _, p := range o.Programs {
			if p.Section == name {
				found = append(found, p)
			}
		}
		switch len(found) {
		case 1:
			return found[0], nil
		case 0:
			return nil, fmt.Errorf("%s: no program %q; there are %s", o.File, name, listPrograms(o.Programs))
		}
		return nil, fmt.Errorf("%s: section %q holds several programs: %s", o.File, name, listPrograms(found))
	}
	var xdp, hooked, unknown []*Program
	for _, p := range o.Programs {
		_, _, tail := tailSection(p.Section)
		tail = tail || p.tail
		switch {
		case strings.HasPrefix(p.Section, "?"): // libbpf loads it only when told to
		case tail && (p.Type == cilium.XDP || p.Type == cilium.UnspecifiedProgram):
			hooked = append(hooked, p)
		case p.Type == cilium.XDP && p.AttachType != cilium.AttachXDPDevMap && p.AttachType != cilium.AttachXDPCPUMap:
			xdp = append(xdp, p)
		case p.Type == cilium.XDP:
			hooked = append(hooked, p)
		case p.Type == cilium.UnspecifiedProgram:
			unknown = append(unknown, p)
		}
	}
	for _, set := range [][]*Program{xdp, unknown, hooked} {
		switch len(set) {
		case 1:
			return set[0], nil
		case 0:
			continue
		}
		return nil, fmt.Errorf("%s: several programs to choose from, name one (--entry): %s", o.File, listPrograms(set))
	}
	if len(o.Programs) == 0 {
		return nil, fmt.Errorf("%s: no program in it", o.File)
	}
	return nil, fmt.Errorf("%s: no XDP program; there are %s", o.File, listPrograms(o.Programs))
}

// listPrograms names programs with what they are: `a (xdp), b (xdp/devmap)`.
func listPrograms(ps []*Program) string {
	if len(ps) == 0 {
		return "none"
	}
	var b strings.Builder
	for i, p := range ps {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%s (%s)", p.Name, p.Section)
	}
	return b.String()
}
