package points

import "jitnic/host/ebpf"

// Branch refines the facts on one side of a conditional jump; Reached turns false
// where that side can't be taken.
func Branch(in ebpf.Insn, f *Facts, taken bool) {
	op := in.JmpOp()
	d := &f.R[in.Dst]
	var s Value
	switch {
	case in.Op&ebpf.SrcX != 0:
		s = f.R[in.Src]
	case in.Class() == ebpf.ClassJMP32:
		s = Constant(uint64(uint32(in.Imm)))
	default:
		s = Constant(uint64(int64(in.Imm)))
	}
	wide := in.Class() == ebpf.ClassJMP
	switch {
	case wide && (d.Kind == MapValue || d.Kind == Record) && s.IsConst() && s.Known == 0 && (op == ebpf.JmpEQ || op == ebpf.JmpNE):
		nullCheck(f, d, taken == (op == ebpf.JmpEQ))
		return
	case wide && (d.Kind == Packet && s.Kind == PacketEnd || d.Kind == PacketEnd && s.Kind == Packet):
		packetCheck(in, f, taken)
		return
	case d.Kind != Scalar || s.Kind != Scalar:
		return
	case !wide && (d.Max > 0xffffffff || s.Max > 0xffffffff):
		return
	}
	if !taken {
		if op = ebpf.Negated(op); op == 0 {
			return
		}
	}
	if !compare(op, &d.Number, &s.Number, wide) {
		f.Reached = false
		return
	}
	d.Number = d.Norm()
	if in.Op&ebpf.SrcX == 0 {
		return
	}
	switch op {
	case ebpf.JmpEQ:
		f.R[in.Src] = *d
	case ebpf.JmpGT, ebpf.JmpGE, ebpf.JmpLT, ebpf.JmpLE:
		f.R[in.Src] = number(s.Norm())
	}
}

// compare says what follows for two numbers where d op s holds; false where it
// can't.
func compare(op uint8, d, s *Number, wide bool) bool {
	switch op {
	case ebpf.JmpEQ:
		m := Number{Unknown: d.Unknown & s.Unknown, Min: max(d.Min, s.Min), Max: min(d.Max, s.Max)}
		if (d.Known^s.Known)&^d.Unknown&^s.Unknown != 0 || m.Min > m.Max {
			return false
		}
		m.Known = (d.Known &^ d.Unknown) | (s.Known &^ s.Unknown)
		*d = m
	case ebpf.JmpNE:
		if !s.exact() {
			break
		}
		if d.exact() && d.Known == s.Known {
			return false
		}
		if d.Min == s.Known && d.Min < d.Max {
			d.Min++
		}
		if d.Max == s.Known && d.Max > d.Min {
			d.Max--
		}
	case ebpf.JmpGT, ebpf.JmpGE:
		return less(s, d, op == ebpf.JmpGT)
	case ebpf.JmpLT, ebpf.JmpLE:
		return less(d, s, op == ebpf.JmpLT)
	case ebpf.JmpSET:
		return !s.exact() || !d.exact() || d.Known&s.Known != 0
	case ebpf.JmpNotSet:
		if !s.exact() {
			break
		}
		if d.Known&s.Known&^d.Unknown != 0 {
			return false
		}
		d.Unknown &^= s.Known
		d.Known &^= s.Known
	case ebpf.JmpSGT, ebpf.JmpSGE, ebpf.JmpSLT, ebpf.JmpSLE:
		if d.exact() && s.exact() && wide {
			x, y := int64(d.Known), int64(s.Known)
			return op == ebpf.JmpSGT && x > y || op == ebpf.JmpSGE && x >= y || op == ebpf.JmpSLT && x < y || op == ebpf.JmpSLE && x <= y
		}
	}
	return true
}

// less is compare for lo < hi, or lo <= hi where strict is false.
func less(lo, hi *Number, strict bool) bool {
	top, bottom := hi.Max, lo.Min
	if strict {
		if top == 0 || bottom == ^uint64(0) {
			return false
		}
		top--
		bottom++
	}
	lo.Max = min(lo.Max, top)
	hi.Min = max(hi.Min, bottom)
	return lo.Min <= lo.Max && hi.Min <= hi.Max
}

// NotNull says of what register r holds, and of every copy, that it isn't 0.
func (f *Facts) NotNull(r uint8) { nullCheck(f, &f.R[r], false) }

// nullCheck: d, and every copy from the same look-up, is decided.
func nullCheck(f *Facts, d *Value, null bool) {
	if !d.Null {
		if null && !(f.Unseen && d.Off < 0) {
			f.Reached = false
		}
		return
	}
	decide := func(v *Value) {
		if null {
			*v = Constant(0)
		} else {
			v.Null = false
		}
	}
	kind, site := d.Kind, d.Site
	if site < 0 {
		decide(d)
		return
	}
	f.each(func(v *Value) {
		if v.Kind == kind && v.Null && v.Site == site {
			decide(v)
		}
	})
}

// packetCheck notes how far the packet surely reaches where pkt <= end or
// pkt < end holds, in every pointer of the same base (find_good_pkt_pointers
// in kernel/bpf/verifier.c).
func packetCheck(in ebpf.Insn, f *Facts, taken bool) {
	op, r := in.JmpOp(), in.Dst
	if f.R[r].Kind == PacketEnd {
		op, r = ebpf.Swapped(op), in.Src
	}
	if !taken {
		op = ebpf.Negated(op)
	}
	p := f.R[r]
	n := p.Off
	switch op {
	case ebpf.JmpLE:
	case ebpf.JmpLT:
		n++
	default:
		return
	}
	f.each(func(v *Value) {
		if v.Kind == Packet && v.Base == p.Base && p.Base >= 0 {
			v.Range = max(v.Range, n)
		}
	})
	if p.Base < 0 {
		f.R[r].Range = max(f.R[r].Range, n)
	}
	if f.Unseen && p.Base == 0 {
		f.Data = max(f.Data, n)
	}
}
