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
		case v.Kind == MapValue && v.Site >= 0:
			v.Site, v.Base, v.Off = -1, -1, 0
		case v.Base > 0:
			v.Base, v.Off = -1, 0
		}
		v.Range = 0
	})
}

// Meet joins o into s and says whether s changed.
func (s *State) Meet(o *State) bool {
	old := s.Facts
	s.Facts = JoinFacts(&s.Facts, &o.Facts)
	s.each(func(v *Value) {
		if v.Kind == Scalar && !v.IsConst() {
			*v = Top()
		}
	})
	return s.Facts != old
}
