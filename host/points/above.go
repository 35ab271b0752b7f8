package points

import "jitnic/host/ebpf"

// Spill is what lies in the stack outside of the frame, at off from r10: where a
// trace has the frames of inlined functions.
type Spill struct {
	Off int64
	V   Value
}

// outside says whether the bytes [lo, hi) are none of its own.
func (s Spill) outside(lo, hi int64) bool { return hi <= s.Off || s.Off+8 <= lo }

// keepAbove drops what keep doesn't say so of.
func (p *Program) keepAbove(keep func(s Spill) bool) {
	n := 0
	for _, s := range p.Above {
		if keep(s) {
			p.Above[n] = s
			n++
		}
	}
	p.Above = p.Above[:n]
}

// fromAbove is what lies in 8 bytes at off from r10; where nobody knows, v.
func (p *Program) fromAbove(off int64, v Value) Value {
	for _, s := range p.Above {
		if s.Off == off {
			v = s.V
		}
	}
	return v
}

// toAbove notes a store of n bytes at off from r10, of v.
func (s *stepper) toAbove(off int64, n int, v Value) {
	s.keepAbove(func(x Spill) bool { return x.outside(off, off+int64(n)) })
	if n == 8 && s.in.Class() == ebpf.ClassSTX && !s.in.IsAtomic() {
		s.addAbove(Spill{off, v})
	}
}

// addAbove is append in words by which the compiler sees that p's memory stays p's, so
// that callers' instructions needn't be allocated.
func (p *Program) addAbove(x Spill) {
	n := len(p.Above)
	if n == cap(p.Above) {
		grown := make([]Spill, n, 2*n+8)
		copy(grown, p.Above)
		p.Above = grown
	}
	p.Above = p.Above[:n+1]
	p.Above[n] = x
}

// dropAbove forgets what lies above.
func (p *Program) dropAbove() { p.Above = p.Above[:0] }

// former is a name that the instruction at hand gives to another value now, where a loop
// comes to it again: a base, or where base is 0 the site of one kind.
type former struct {
	base int32
	kind Kind
	site int32
}

func (n former) takeFrom(v *Value) {
	switch {
	case n.base != 0 && v.Base == n.base && v.IsPointer():
		*v = v.unnamed()
	case n.base == 0 && v.Kind == n.kind && v.Site == n.site:
		v.Site = -1
	}
}

// rename takes a former name from all that have it. No function is handed over here:
// the compiler would take it to keep what it is given, and allocate callers' facts.
func (s *stepper) rename(n former) {
	if s.straight() {
		return
	}
	for i := range s.f.R {
		n.takeFrom(&s.f.R[i])
	}
	for i := range s.f.Spill {
		n.takeFrom(&s.f.Spill[i])
	}
	for i := range s.Above {
		n.takeFrom(&s.Above[i].V)
	}
}

// blur is Facts.blur, and forgets what lies above: a store may have been anywhere.
func (s *stepper) blur(pointers bool) {
	s.f.blur(pointers)
	s.dropAbove()
}
