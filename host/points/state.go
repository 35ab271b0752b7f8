package points

// State is what holds where a block begins, on every way to it.
type State struct {
	Known  bool // some way was followed
	R      [11]Value
	Spills []Spill
}

// Into sets a flow to the state.
func (s *State) Into(f *Flow) {
	f.fresh = BaseFresh
	f.Acc, f.Spills = f.Acc[:0], f.Spills[:0]
	num := func(v Value) Value {
		if v.Base == 0 && v.Kind != Const && v.Kind != Map {
			v.Base = f.number()
		}
		return v
	}
	for r := range s.R {
		f.R[r] = num(s.R[r])
	}
	for _, sp := range s.Spills {
		f.Spills = append(f.Spills, Spill{sp.Off, num(sp.V)})
	}
}

// From takes a flow's state, with bases that mean something only there left
// out.
func (s *State) From(f *Flow) {
	out := func(v Value) Value {
		if v.Base > BaseFresh {
			v.Base, v.Off = 0, 0
		}
		return v
	}
	s.Known = true
	for r := range f.R {
		s.R[r] = out(f.R[r])
	}
	s.Spills = s.Spills[:0]
	for _, sp := range f.Spills {
		s.Spills = append(s.Spills, Spill{sp.Off, out(sp.V)})
	}
}

// join is what holds on both ways.
func join(a, b Value) Value {
	if a == b {
		return a
	}
	if a.Kind == Const && a.Off == 0 && IsPointer(b.Kind) {
		return Value{Kind: b.Kind, Map: b.Map} // 0, which is never accessed
	}
	if b.Kind == Const && b.Off == 0 && IsPointer(a.Kind) {
		return Value{Kind: a.Kind, Map: a.Map}
	}
	number := func(k Kind) bool { return k == Const || k == Scalar }
	switch {
	case number(a.Kind) && number(b.Kind):
		return Value{Kind: Scalar, Map: -1}
	case a.Kind == b.Kind:
		v := Value{Kind: a.Kind, Map: a.Map}
		if a.Map != b.Map {
			v.Map = -1
		}
		if a.Base == b.Base && a.Off == b.Off {
			v.Base, v.Off = a.Base, a.Off
		}
		return v
	}
	return Value{Kind: Any, Map: -1}
}

// Meet joins o into s and says whether s changed.
func (s *State) Meet(o *State) bool {
	if !s.Known {
		s.Known, s.R = true, o.R
		s.Spills = append(s.Spills[:0], o.Spills...)
		return true
	}
	changed := false
	for r := range s.R {
		if v := join(s.R[r], o.R[r]); v != s.R[r] {
			s.R[r], changed = v, true
		}
	}
	n := 0
	for _, sp := range s.Spills {
		for _, q := range o.Spills {
			if q.Off == sp.Off {
				v := join(sp.V, q.V)
				changed = changed || v != sp.V
				s.Spills[n] = Spill{sp.Off, v}
				n++
				break
			}
		}
	}
	changed = changed || n != len(s.Spills)
	s.Spills = s.Spills[:n]
	return changed
}
