package points

// State is what holds where a block begins, on every way to it.
type State struct{ Facts }

// Into sets a flow to the state: what has no name that means something in every
// block gets one of its own.
func (s *State) Into(f *Flow) {
	f.Facts = s.Facts
	f.Above, f.Acc = f.Above[:0], f.Acc[:0]
	n := int32(entered)
	f.each(func(v *Value) {
		if v.nameless() {
			n++
			v.Base, v.Off = n, 0
		}
	})
}

// From takes a flow's state, without names that mean something only there, and
// without bounds, which loops would move again and again.
func (s *State) From(f *Flow) {
	s.Facts = f.Facts
	s.each(func(v *Value) {
		switch {
		case v.Kind == Scalar:
			if !v.IsConst() {
				*v = Top()
			}
		case v.Kind == Anything:
			*v = mixed
		case (v.Kind == MapValue || v.Kind == Record) && v.Site >= 0:
			v.Site, v.Base, v.Off = -1, -1, 0
		case v.Base > 0:
			v.Base, v.Off = -1, 0
		}
		v.Range = 0
	})
}

// Meets is how often what holds at a block changes before numbers that change are
// given up: as they have no bounds here, at once.
const Meets = 1

// Join is the [ebpf.Meet] of states.
func (s *State) Join(o *State, weak bool) bool { return s.Meet(&o.Facts, weak) }
