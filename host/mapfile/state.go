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

// Fill fills a state's maps as the files say, and gives the plan of what they
// change later. Of no file there is nothing to fill, and no plan.
func (f *File) Fill(s *vm.State, obj *loader.Object) (*Plan, error) {
	if f == nil {
		return nil, nil
	}
	p, err := f.Bind(For(s, obj))
	if err != nil {
		return nil, err
	}
	return p, p.Fill()
}
