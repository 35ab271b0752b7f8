package jit

import (
	"fmt"
	"slices"
	"strings"

	"jitnic/host/vm"
	"jitnic/nic"
	"jitnic/nic/exec"
)

// Engine is a way to run code; results are the same with all of them, byte for
// byte.
type Engine struct {
	Name string
	Is   string
	// Traces makes what runs the traces of a state.
	Traces func(s *vm.State) (nic.Engine, error)
}

// engines are all of them; the first is the default.
var engines = []Engine{
	{Name: "go", Is: "the trace executor in Go",
		Traces: func(s *vm.State) (nic.Engine, error) { return exec.New(s), nil }},
}

// Engines lists the ways to run code, the default first.
func Engines() []Engine { return slices.Clone(engines) }

// engineOf finds an engine by name; "" is the default.
func engineOf(name string) (Engine, error) {
	if name == "" {
		return engines[0], nil
	}
	var names []string
	for _, e := range engines {
		if e.Name == name {
			return e, nil
		}
		names = append(names, e.Name)
	}
	return Engine{}, fmt.Errorf("engine %q: not one of %s", name, strings.Join(names, ", "))
}
