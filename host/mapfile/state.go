package mapfile

import (
	"jitnic/host/loader"
	"jitnic/host/vm"
)

// For is the Machine of a state that runs an object: its maps and its programs'
// names.
func For(s *vm.State, obj *loader.Object) *Machine {
	names := make([]string, len(obj.Programs))
	for i, p := range obj.Programs {
		names[i] = p.Name
	}
	m := Of(s.Set, names)
	m.Add = s.AddMap
	return m
}
