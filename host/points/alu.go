package points

import "jitnic/host/ebpf"

// alu is what arithmetic of width w makes of two values.
func (s *stepper) alu(op uint8, a, b *Value, w int) Value {
	if a.Kind == Unreadable || b.Kind == Unreadable {
		return mixed
	}
	switch op {
	case ebpf.ALUNeg:
		if a.IsConst() {
			return Constant(-a.Known & (^uint64(0) >> (64 - w)))
		}
		if a.Kind != Scalar {
			s.say("negates %v", *a)
		}
		return number(upTo(w))
	case ebpf.ALUEnd:
		if a.IsPointer() {
			s.say("swaps the bytes of a pointer")
		}
		return number(s.swap(a.numberOf()))
	}
	switch {
	case op == ebpf.ALUSub && w == 32 && (a.Kind != Scalar || b.Kind != Scalar):
		return number(upTo(32)) // of pointers too: who may know them gets a number (adjust_ptr_min_max_vals)
	case s.Accepted && w == 64 && b.IsConst() && (op == ebpf.ALUAdd || op == ebpf.ALUSub) && (a.Base > 0 && !a.IsPointer() || a.Kind == PacketEnd):
		return s.moved(a, b, op) // an address, whatever of
	case a.Kind == Anything || b.Kind == Anything:
		return s.unsure(op, a, b, w)
	case a.IsPointer() || b.IsPointer():
		return s.pointer(op, a, b, w)
	case (op == ebpf.ALUDiv || op == ebpf.ALUMod) && s.in.Off != 0: // signed
		return number(upTo(w))
	}
	return number(compute(op, a.Number, b.Number, w))
}

// swap is a number in another byte order.
func (s *stepper) swap(n Number) Number {
	switch w := s.in.Imm; {
	case w != 16 && w != 32 && w != 64: // no instruction
		return upTo(64)
	case s.in.Class() == ebpf.ClassALU && s.in.Op&ebpf.SrcX == 0: // to little endian: cuts
		return compute(ebpf.ALUAnd, n, upTo(int(w)), 64)
	default:
		return n.swapped(uint(w))
	}
}

// move is a copy of b, or of what is left of it in w bits.
func (s *stepper) move(b *Value, w int) Value {
	switch {
	case b.Kind == Unreadable:
		return mixed
	case s.in.Off != 0: // with its sign
		return Top()
	case w == 64:
		return *b
	case b.Kind != Scalar:
		if s.complain != nil { // or every such copy would allocate
			s.say("takes 32 bits of %v", *b)
		}
		return number(upTo(32))
	}
	return number(compute(ebpf.ALUMov, exactly(0), b.Number, 32))
}

// moved is address a with the number n added or subtracted.
func (s *stepper) moved(a, n *Value, op uint8) Value {
	by := n.Number
	if op == ebpf.ALUSub {
		by = upTo(64)
		if n.exact() {
			by = exactly(-n.Known)
		}
	}
	if s.f.Unseen {
		return s.movedUnseen(*a, by)
	}
	out := a.added(by, s.in.At)
	if out.Base == s.in.At+1 {
		s.rename(former{base: out.Base})
	}
	return out
}

// pointer is arithmetic on a pointer.
func (s *stepper) pointer(op uint8, a, b *Value, w int) Value {
	if w == 32 || op != ebpf.ALUAdd && op != ebpf.ALUSub {
		s.say("arithmetic on %s", max(a.Kind, b.Kind))
		return Top()
	}
	if a.IsPointer() && b.IsPointer() {
		if op != ebpf.ALUSub || a.Kind != b.Kind && a.Kind+b.Kind != Packet+PacketEnd {
			s.say("arithmetic on two pointers")
		}
		return Top()
	}
	if b.IsPointer() {
		if op == ebpf.ALUSub {
			s.say("subtracts a pointer from a number")
			return Top()
		}
		a, b = b, a
	}
	if a.Kind == PacketEnd || a.Kind == Map {
		s.say("arithmetic on %s", a.Kind)
		return Top()
	}
	if a.Null {
		s.say("arithmetic on a value pointer that may be null")
	}
	return s.moved(a, b, op)
}

// unsure is arithmetic on what may be a pointer. The verifier knows what it is,
// and took what the program did with it: what the program adds to is no end of the
// packet, and what it only subtracts may be.
func (s *stepper) unsure(op uint8, a, b *Value, w int) Value {
	if op == ebpf.ALUSub {
		s.say("subtracts %v from %v", *b, *a)
		if a.Kind == Scalar { // it was one too, then
			return Top()
		}
		return mixed
	}
	what := "adds to %v"
	if op != ebpf.ALUAdd || w == 32 {
		what = "arithmetic on %v"
	}
	for _, v := range []*Value{a, b} {
		if v.Kind != Scalar {
			s.say(what, *v)
		}
	}
	if w == 32 || op != ebpf.ALUAdd { // those are for numbers
		return number(upTo(w))
	}
	return mixed
}
