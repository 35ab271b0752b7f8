package proof

import (
	"jitnic/host/ebpf"
	"jitnic/pathcond/bv"
	"jitnic/superopt/internal/ir"
)

// Object is what places at constant distances lie in: the stack (base 0), the
// packet or a map's value from one address on.
type Object struct {
	Region int
	Base   bv.Term
}

// Span is N bytes of an object from Lo on; of the stack, counted from r10.
type Span struct {
	Object
	Lo, N int
}

// Overlaps says whether two spans of one object share a byte.
func (s Span) Overlaps(o Span) bool {
	return s.N > 0 && s.Object == o.Object && s.Lo < o.Lo+o.N && o.Lo < s.Lo+s.N
}

// Footprint is what an instruction has to do with memory: bytes it may read and
// bytes it surely writes.
type Footprint struct {
	Reads  [2]Span // N 0: none
	Writes Span    // the same
	// Either are the bytes of which it writes some, where its address was selected.
	Either [2]Span
	Blind  bool // it may write any byte
	// Stack: it may read any byte of the stack; Other: any byte of anything else.
	Stack, Other bool
}

// May says whether the instruction may read a byte of s.
func (f *Footprint) May(s Span) bool {
	if s.Region == StackRegion && f.Stack || s.Region != StackRegion && f.Other {
		return true
	}
	for i := range f.Reads {
		if r := &f.Reads[i]; r.N > 0 && r.Region == s.Region && (r.Object != s.Object || r.Overlaps(s)) {
			return true
		}
	}
	return false
}

// MayWrite says whether the instruction may write a byte of s, or of what may be s
// by another address.
func (f *Footprint) MayWrite(s Span) bool {
	may := func(w Span) bool { return w.N > 0 && w.Region == s.Region && (w.Object != s.Object || w.Overlaps(s)) }
	return f.Blind || may(f.Writes) || may(f.Either[0]) || may(f.Either[1])
}

// SpanOf is the n bytes at an address; ok is false where nobody knows of which
// object they are.
func (m *Machine) SpanOf(a bv.Term, n int) (s Span, ok bool) {
	rg, off, err := m.Locate(a)
	if err != nil {
		return s, false
	}
	base, c := m.B.SplitAdd(off)
	if rg == StackRegion && base != 0 || int64(c) != int64(int32(c)) {
		return Span{Object: Object{rg, 0}}, false
	}
	return Span{Object{rg, base}, int(int32(c)), n}, true
}

// Pointer says whether t is an address of memory, or where the packet ends.
func (m *Machine) Pointer(t bv.Term) bool {
	if t == 0 {
		return false
	}
	base, _ := m.B.SplitAdd(t)
	if base == 0 {
		return false
	}
	if m.B.Op(base) == bv.OpInput && (m.B.K(base) == inPktEnd || m.B.K(base) == inMeta) {
		return true
	}
	if _, x, y, ok := m.alternatives(t); ok {
		return m.Pointer(x) || m.Pointer(y)
	}
	_, _, err := m.Locate(t)
	return err == nil || err == errSomeMap
}

// MapOf is the map that a term is the address of.
func (m *Machine) MapOf(t bv.Term) (id int, ok bool) {
	k := m.B.K(t)
	return int(k - inMapPtr), m.B.Op(t) == bv.OpInput && k >= inMapPtr && k < inGlobal
}

// anything is the footprint of what nothing is known of.
func anything() Footprint { return Footprint{Stack: true, Other: true} }

// Footprint is that of in, with s before it.
func (m *Machine) Footprint(p *ir.Prog, in *ir.Inst, s *State) (f Footprint) {
	switch in.Class() {
	case ebpf.ClassALU, ebpf.ClassALU64:
		return f
	case ebpf.ClassLD:
		if in.Op != ir.Nop && in.Op != ebpf.OpLDDW {
			return anything()
		}
		return f
	case ebpf.ClassLDX, ebpf.ClassST, ebpf.ClassSTX:
		return m.accessFootprint(in, s)
	}
	if in.Op == ebpf.OpCall {
		return m.callFootprint(p, in, s)
	}
	return f
}

func (m *Machine) accessFootprint(in *ir.Inst, s *State) (f Footprint) {
	r, reads := in.Dst, in.IsLoad() || in.IsAtomic()
	if in.IsLoad() {
		r = in.Src
	}
	if s.R[r] == 0 {
		return anything()
	}
	a := m.B.Bin(bv.OpAdd, s.R[r], m.B.Const(uint64(int64(in.Off)), 64))
	if here, ok := m.SpanOf(a, in.Size()); ok {
		if reads {
			f.Reads[0] = here
		} else {
			f.Writes = here
		}
		return f
	}
	either, ok := m.either(a, in.Size())
	if reads && ok {
		f.Reads = either
	} else if reads {
		f = anything()
	}
	if !in.IsLoad() {
		f.Either, f.Blind = either, !ok
	}
	return f
}

// either is the two places that a selected address may be.
func (m *Machine) either(a bv.Term, n int) (s [2]Span, ok bool) {
	_, x, y, ok := m.alternatives(a)
	if !ok {
		return s, false
	}
	var ok1, ok2 bool
	s[0], ok1 = m.SpanOf(x, n)
	s[1], ok2 = m.SpanOf(y, n)
	return s, ok1 && ok2
}

func (m *Machine) callFootprint(p *ir.Prog, in *ir.Inst, s *State) (f Footprint) {
	h := ir.HelperOf(in)
	if h == nil {
		return anything()
	}
	f.Other = h.Reads&(ebpf.Packet|ebpf.AnyMemory) != 0 || !h.LooksUp() && (h.ChangesMap() || h.Reads&ebpf.MapValues != 0)
	mapID, n := -1, 0
	for k, arg := range h.Args {
		if arg.Kind == ebpf.NoArg {
			continue
		}
		t := s.R[k+1]
		switch {
		case t == 0:
			return anything()
		case arg.Kind == ebpf.ConstMap:
			if id, ok := m.MapOf(t); ok {
				mapID = id
			}
		case arg.IsMemory():
			size, err := m.argBytes(p, h, k, mapID, s)
			if err == nil && size == 0 {
				continue
			}
			here, ok := m.SpanOf(t, size)
			if !ok || err != nil || n == len(f.Reads) {
				f.Stack, f.Other = true, true
				continue
			}
			f.Reads[n] = here
			n++
		case h.Reads&ebpf.AnyMemory != 0:
			if rg, _, err := m.Locate(t); err != nil || rg == StackRegion {
				f.Stack = true // how far it reads nobody knows
			}
		}
	}
	return f
}
