package points

import (
	"slices"

	"jitnic/host/ebpf"
	"jitnic/host/maps"
)

// Facts.Unseen: the program runs whether a verifier would take it or not, on the
// interpreter that checks every access, so what is said here is what leaves such a
// check out. An address is followed as long as its place is certain: at a fixed
// distance from what it points to, or at or above the packet's first byte. All else may
// be anything, and is written anywhere.

// far is how far an address is followed, in bytes: memory around what programs may
// touch is larger, so that none wraps round.
const far = 1 << 20

// InBounds says whether n bytes at off from v are certain to lie in what it points to.
func (p *Program) InBounds(v *Value, off int64, n int) bool {
	lo := v.Off + off
	hi := lo + int64(n)
	switch {
	case v.Null || v.Base < 0:
	case v.Kind == Packet:
		return lo >= 0 && hi <= v.Range
	case v.Base != 0:
	case v.Kind == Stack:
		return lo >= -512 && hi <= p.StackTop
	case v.Kind == Record:
		return lo >= 0 && hi <= v.Range
	case v.Kind == MapValue:
		m := p.spec(v.Map)
		return m != nil && lo >= 0 && hi <= int64(m.ValueSize)
	}
	return false
}

// straight says that control comes to no instruction twice.
func (p *Program) straight() bool { return p.Straight || p.StackTop > 0 }

var anyNumber = Top()

// operand is v, or if that may be anything, any number.
func (s *stepper) operand(v *Value) *Value {
	if s.f.Unseen && (v.Kind == Unreadable || v.Kind == Anything) {
		return &anyNumber
	}
	return v
}

// joinCertain is Join of what is certain: two addresses are one where they are of one
// thing and as far into it.
func joinCertain(a, b Value) Value {
	if a.Kind != b.Kind {
		return mixed
	}
	v := Join(a, b)
	if v.IsPointer() && v.Base < 0 {
		return mixed
	}
	return v
}

// movedUnseen is p with a number added.
func (s *stepper) movedUnseen(p Value, n Number) Value {
	if p.Null {
		return mixed
	}
	if n.exact() {
		if p.Off += int64(n.Known); int64(n.Known) != min(max(int64(n.Known), -far), far) || p.Off > far || p.Off < -far {
			return mixed
		}
		return p
	}
	if p.Kind != Packet || p.Off < 0 || n.Max > far {
		return mixed
	}
	base := s.in.At + 1
	if !s.straight() {
		s.forget(func(v Value) bool { return v.Kind == Packet && v.Base == base }) // of the round before
	}
	return Value{Kind: Packet, Base: base}
}

// forget makes anything of the values that drop says so of.
func (s *stepper) forget(drop func(v Value) bool) {
	s.f.each(func(v *Value) {
		if drop(*v) {
			*v = mixed
		}
	})
	s.keepAbove(func(x Spill) bool { return !drop(x.V) })
}

// loseStack: something may have been stored anywhere on it.
func (s *stepper) loseStack() {
	s.f.Spill = [64]Value{}
	s.dropAbove()
}

// unseenCall is what is known after a call, of whoever: the interpreter gives
// registers 6 to 9 back after a function's, and hands all of them to a kernel
// function's.
func (s *stepper) unseenCall() {
	f, in := s.f, s.in
	first, second := f.R[1], f.R[2]
	h := in.Called()
	returns := h != nil && h.Flow == ebpf.Returns
	if !returns || slices.ContainsFunc(h.Args[:], func(a ebpf.Arg) bool { return a.Ends }) {
		s.forget(func(v Value) bool { return v.Kind == Record })
	}
	if !returns || h.Moves() {
		f.losePacket()
		s.keepAbove(func(x Spill) bool { return x.V.Kind != Packet && x.V.Kind != PacketEnd })
	}
	if !returns || writesMemory(h) {
		s.loseStack()
	}
	s.clobber()
	switch {
	case !returns:
		if in.Op == ebpf.OpCall && in.Src == ebpf.CallKfunc {
			clear(f.R[6:10])
		}
	case h.ID == ebpf.FnRingbufReserve:
		if second.IsConst() && second.Known <= far {
			f.R[0] = s.made(Value{Kind: Record, Range: int64(second.Known)})
		}
	case h.LooksUp() && first.Kind == Map && !maps.HoldsOther(s.spec(first.Map).Type):
		f.R[0] = s.made(Value{Kind: MapValue, Map: first.Map})
	case h.Ret == ebpf.RetScalar:
		f.R[0] = Top()
	}
}

// made is what a call has made, or 0. What it made in the round before is
// something else.
func (s *stepper) made(v Value) Value {
	v.Null, v.Site = true, s.in.At
	s.rename(former{kind: v.Kind, site: v.Site})
	return v
}

// writesMemory says whether a helper may write memory that an argument points to.
func writesMemory(h *ebpf.Helper) bool {
	return (h.Writes|h.OnFail)&(ebpf.Stack|ebpf.AnyMemory) != 0 ||
		slices.ContainsFunc(h.Args[:], func(a ebpf.Arg) bool { return a.Writes })
}
