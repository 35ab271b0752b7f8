package points

import (
	"jitnic/host/ebpf"
	"jitnic/host/maps"
)

// call is what a call leaves.
func (s *stepper) call() {
	in, f := s.in, s.f
	if f.Unseen {
		s.unseenCall()
		return
	}
	args := f.R
	s.clobber()
	known := in.Called()
	f.R[0] = s.result(known, &args)
	if !s.Accepted && (known == nil || known.Moves()) {
		f.losePacket()
	}
	h := in.Row
	if h == nil {
		s.anyCall(&args, known)
		return
	}
	m := int32(-1)
	for k, arg := range h.Args {
		v := args[k+1]
		if arg.Kind != ebpf.NoArg && v.Kind == Unreadable {
			s.say("r%d is not readable at the call of %s", k+1, h.Name)
			continue
		}
		switch {
		case arg.Kind == ebpf.ConstMap:
			if v.Kind == Map {
				m = v.Map
			} else if v.Kind != Anything {
				s.say("r%d is %s where %s wants a map", k+1, v.Kind, h.Name)
			}
		case arg.Kind == ebpf.Context:
			if v.Kind != Ctx && v.Kind != Anything || v.Off != 0 {
				s.say("r%d is %s where %s wants the context", k+1, v.Kind, h.Name)
			}
		case arg.IsNumber():
			if v.IsPointer() {
				s.say("r%d is %s where %s wants a number", k+1, v.Kind, h.Name)
			}
		case arg.IsMemory():
			s.memory(h, k, m, &args)
		}
	}
	f.R[0] = Top()
	if h.LooksUp() {
		f.R[0] = s.found(m)
	}
	if h.Ret == ebpf.RetNothing {
		f.R[0] = Value{}
	}
}

// result is what a call that nobody knows more of leaves in r0.
func (s *stepper) result(h *ebpf.Helper, args *[11]Value) Value {
	switch {
	case h == nil:
	case s.Accepted && h.ID == ebpf.FnRingbufReserve && args[2].IsConst():
		return Value{Kind: Record, Null: true, Site: s.in.At, Range: int64(args[2].Known)}
	case h.Ret == ebpf.RetNothing:
		return Value{}
	case h.Ret == ebpf.RetScalar:
		return Top()
	}
	return given(s.in.Slot)
}

// found is what a look-up in map m gives.
func (s *stepper) found(m int32) Value {
	spec := s.spec(m)
	switch {
	case spec == nil && !s.Accepted: // in accepted code what memory is accessed through is a value
		return given(s.in.Slot)
	case spec == nil:
	case maps.IsOfMaps(spec.Type) && s.Accepted:
		return Value{Kind: Map, Map: -1}
	case maps.HoldsOther(spec.Type):
		return given(s.in.Slot)
	}
	return s.made(Value{Kind: MapValue, Map: m})
}

// anyCall: whoever is called may write where an argument points to. h is the row
// of a helper of which only its kind is taken.
func (s *stepper) anyCall(args *[11]Value, h *ebpf.Helper) {
	f, in := s.f, s.in
	helper := in.Src == ebpf.CallHelper
	for r := 1; r <= 5; r++ {
		v := args[r]
		if v.Kind != Stack && v.Kind != Anything {
			continue
		}
		if s.Accepted {
			f.blurNumbers()
			continue
		}
		s.blur(!helper || h == nil || h.Flow == ebpf.CallsBack)
		if v.Kind != Stack || v.Base != 0 || !helper {
			f.Init.Fill()
			continue
		}
		// An out buffer: the verifier takes it as written.
		if lo, ok := StackBytes(v.Off, 1); ok {
			n := 512 - lo
			if r < 5 && args[r+1].IsConst() && args[r+1].Known <= uint64(n) {
				n = int(args[r+1].Known)
			}
			f.Init.Add(lo, n)
		}
	}
}

// memory is an argument that points to memory (check_helper_mem_access,
// kernel/bpf/verifier.c): what the verifier asks of it, and what is known of the
// memory after the call. Where its size is 0 the pointer is checked all the same.
func (s *stepper) memory(h *ebpf.Helper, k int, m int32, args *[11]Value) {
	f := s.f
	arg, v := h.Args[k], args[k+1]
	n := s.ArgBytes(h, k, m, args)
	sized := h.SizeArg(uint8(k+1)) != 0
	none := sized && args[k+2].IsConst() && args[k+2].Known == 0
	known := n > 0 || none
	onStack := v.Kind == Stack && v.Base == 0
	switch {
	case onStack && n > 0:
		s.stackArg(h, &arg, v.Off, n)
	case onStack && known && (v.Off < -512 || v.Off >= 0):
		s.say("%s is given no byte of the stack, at %+d", h.Name, v.Off)
	case arg.Writes && (v.Kind == Stack || v.Kind == Anything):
		if s.Accepted {
			f.blurNumbers()
		} else {
			s.blur(false)
		}
	case v.Kind == Scalar && !(v.IsConst() && v.Known == 0):
		s.say("r%d is a number where %s wants memory", k+1, h.Name)
	case v.Kind == Scalar && !arg.Null:
		s.say("r%d is 0 where %s wants memory", k+1, h.Name)
	case v.Kind == Scalar && sized && !none: // NULL goes with 0 bytes only
		s.say("r%d is 0 where %s wants memory, unless it is of 0 bytes", k+1, h.Name)
	}
	if none && v.Base != 0 && (v.Kind == Stack || v.Kind == MapValue || v.Kind == Packet && v.Range == 0 && !s.Trace) {
		// Nothing here says how far the variable reaches, and what the verifier
		// knows of it may be too far, with no byte asked for either.
		s.say("%s is given no byte of memory, through %s that nobody checked", h.Name, v.Kind)
	}
	switch v.Kind {
	case Ctx, PacketEnd, Map, Anything: // even where no byte of it is used
		s.say("r%d is %s where %s wants memory", k+1, v.Kind, h.Name)
	case Packet:
		s.packetArg(h, &v, n, known)
	case MapValue:
		if m := s.spec(v.Map); known && m != nil && v.Base == 0 && (v.Off < 0 || v.Off+int64(n) > int64(m.ValueSize) && v.Site != Direct) {
			s.say("%s wants %d bytes of a value of %d, at %d", h.Name, n, m.ValueSize, v.Off)
		}
	}
	if v.Null {
		s.say("r%d may be null at the call of %s", k+1, h.Name)
	}
}

// stackArg is an argument that points to n bytes at r10+off.
func (s *stepper) stackArg(h *ebpf.Helper, arg *ebpf.Arg, off int64, n int) {
	lo, ok := StackBytes(off, n)
	if !ok {
		if arg.Writes {
			s.keepAbove(func(x Spill) bool { return x.outside(off, off+int64(n)) })
		}
		s.say("%s reads the stack at %+d, %d bytes", h.Name, off, n)
		return
	}
	if arg.Reads && !s.f.Init.Has(lo, n) {
		s.say("%s reads stack bytes at %+d that may never have been written", h.Name, off)
	}
	if arg.Writes {
		s.f.overwrite(lo, n)
	}
}

// packetArg is an argument that points into the packet.
func (s *stepper) packetArg(h *ebpf.Helper, v *Value, n int, known bool) {
	switch {
	case s.Trace:
	case !known:
		// The key of a map that isn't known here is known to the verifier:
		// a program must go on checking what it does check.
		s.say("%s wants bytes of the packet, nobody knows how many, of %d that were checked", h.Name, max(0, v.Range-v.Off))
	case v.Off+int64(n) > v.Range || v.Off < 0 && v.Base == 0:
		s.say("%s wants %d bytes of the packet at %d, further than was checked", h.Name, n, v.Off)
	}
}

// ArgBytes is how many bytes argument k of helper h points to, where the call is
// for map m; 0 unknown.
func (p *Program) ArgBytes(h *ebpf.Helper, k int, m int32, args *[11]Value) int {
	arg := h.Args[k]
	switch {
	case arg.OfMap():
		if spec := p.spec(m); spec != nil {
			return arg.Bytes(spec.KeySize, spec.ValueSize)
		}
	case arg.Size != 0:
		return int(arg.Size)
	case arg.Kind == ebpf.Mem:
		if size := args[k+2]; size.IsConst() && size.Known <= 512 {
			return int(size.Known)
		}
	}
	return 0
}
