package points

import (
	"jitnic/host/ebpf"
	"jitnic/host/maps"
)

// Insn is an instruction as the analysis takes it.
type Insn struct {
	ebpf.Insn
	Hi    int32 // the second slot of a wide one
	At    int32 // its number: what it makes is named after it
	Slot  int32 // where it stood in the program that was read, -1: nowhere
	Left  uint8 // the register that arithmetic starts from: Dst
	Bytes int   // that a load or store moves: Size()
	// Fixed: the loader still changes it, nobody knows into what.
	Fixed bool
	// Row is what the helper it calls does, where that is to be relied on; nil:
	// whoever is called may write where an argument points to.
	Row *ebpf.Helper
}

// InsnAt is the instruction at slot i of code, of which nothing more is known.
func InsnAt(code []ebpf.Insn, i int) Insn {
	in := Insn{Insn: code[i], At: int32(i), Left: code[i].Dst, Bytes: code[i].Size()}
	if in.IsWide() && i+1 < len(code) {
		in.Hi = code[i+1].Imm
	}
	return in
}

// Program is what the analysis needs to know of the whole.
type Program struct {
	Context ebpf.ContextKind
	Maps    []*maps.Spec // by index; what isn't there is not known
	Trace   bool         // its path condition has checked the bytes of the packet that it touches
	Alone   bool         // it has no other functions: what exit returns goes to the kernel
	// Accepted: the verifier has taken it as it stands, so it accesses nothing
	// through what it may not: pointers that may have been overwritten, or that
	// point into a packet which has moved.
	Accepted bool
	StackTop int64 // of straight code that is Unseen: how far above r10 the stack goes on, with inlined functions' frames
	// Straight: it has no jumps, and is followed by this Program alone.
	Straight bool
	// Above is what lies there, in straight code.
	Above []Spill
}

// stepper takes one instruction.
type stepper struct {
	*Program
	in       *Insn
	f        *Facts
	complain func(string, ...any)
}

func (s *stepper) say(format string, args ...any) {
	if s.complain != nil {
		s.complain(format, args...)
	}
}

func (s *stepper) read(r uint8) Value {
	s.readable(r)
	return s.f.R[r]
}

func (s *stepper) readable(r uint8) {
	if s.complain != nil && s.f.R[r].Kind == Unreadable {
		s.complain("r%d is not readable", r)
	}
}

// Step is what an instruction that is no conditional jump makes of the facts.
// complain is told what the verifier would refuse; nil when nobody listens.
func (p *Program) Step(in *Insn, f *Facts, complain func(string, ...any)) {
	s := stepper{p, in, f, complain}
	if in.Fixed {
		s.fixed()
		return
	}
	switch in.Class() {
	case ebpf.ClassALU, ebpf.ClassALU64:
		s.arithmetic()
	case ebpf.ClassLD:
		s.wide()
	case ebpf.ClassLDX:
		s.load()
	case ebpf.ClassST, ebpf.ClassSTX:
		switch {
		case in.IsAtomic() && in.Imm == ebpf.AtomicLoadAcq:
			s.acquire()
		default:
			s.store()
		}
	default:
		switch in.Op {
		case ebpf.OpExit:
			if s.readable(0); f.R[0].IsPointer() && p.Context != ebpf.ContextNumber && p.Context != ebpf.ContextTracing && p.Alone {
				s.say("leaks a pointer as the return value")
			}
		case ebpf.OpCall:
			s.call()
		case ebpf.OpCallX:
			if f.Unseen {
				s.unseenCall()
				return
			}
			s.clobber()
			s.blur(true)
			f.losePacket()
			f.R[0] = given(in.Slot)
		}
	}
}

// clobber: a call leaves nothing in r0 to r5.
func (s *stepper) clobber() {
	clear(s.f.R[:6])
}

// fixed is an instruction that the loader still changes.
func (s *stepper) fixed() {
	f, in := s.f, s.in
	if in.Op == ebpf.OpCall {
		args := f.R
		for r := 1; r <= 5; r++ {
			f.R[r] = Value{}
			if args[r].Kind == Stack || args[r].Kind == Anything {
				f.blur(true)
				f.Init.Fill()
			}
		}
		f.R[0] = given(in.Slot)
		f.losePacket()
		return
	}
	if w := in.Writes(); w != 0 && w&(w-1) == 0 {
		for r := range f.R {
			if w.Has(uint8(r)) {
				f.R[r] = given(in.Slot)
			}
		}
		return
	}
	f.blur(true)
}

func (s *stepper) arithmetic() {
	in, f := s.in, s.f
	if in.Dst == 10 {
		s.say("r10 is read-only")
		return
	}
	if in.IsSelect() {
		join := Join
		if f.Unseen {
			join = joinCertain
		}
		f.R[in.Dst] = join(s.read(in.Left), s.read(in.Src))
		return
	}
	op := in.ALUOp()
	w := 64
	if in.Class() == ebpf.ClassALU {
		w = 32
	}
	var own Value // of no register
	b := &own
	switch {
	case op == ebpf.ALUNeg || op == ebpf.ALUEnd:
		own = Constant(0)
	case in.Op&ebpf.SrcX != 0:
		s.readable(in.Src)
		b = &f.R[in.Src]
	case w == 32:
		own = Constant(uint64(uint32(in.Imm)))
	default:
		own = Constant(uint64(int64(in.Imm)))
	}
	if b = s.operand(b); op == ebpf.ALUMov {
		f.R[in.Dst] = s.move(b, w)
		return
	}
	s.readable(in.Left)
	f.R[in.Dst] = s.alu(op, s.operand(&f.R[in.Left]), b, w)
}

func (s *stepper) wide() {
	in, f := s.in, s.f
	if in.Op == 0 {
		return // an empty place
	}
	if in.IsWide() {
		switch in.Src {
		case ebpf.PseudoNone:
			f.R[in.Dst] = Constant(ebpf.Const64(in.Insn, ebpf.Insn{Imm: in.Hi}))
		case ebpf.PseudoMapFD:
			if f.R[in.Dst] = (Value{Kind: Map, Map: in.Imm}); f.Unseen && s.spec(in.Imm) == nil {
				f.R[in.Dst] = mixed
			}
		case ebpf.PseudoMapValue:
			f.R[in.Dst] = Value{Kind: MapValue, Map: in.Imm, Off: int64(in.Hi), Site: Direct}
		default:
			f.R[in.Dst] = given(in.Slot)
		}
		return
	}
	// LD_ABS, LD_IND: r6 is the context, r0 the result, r1 to r5 are gone.
	if f.R[6].Kind != Ctx && f.R[6].Kind != Anything {
		s.say("LD_ABS needs the context in r6")
	}
	s.clobber()
	f.R[0] = number(upTo(32))
}

// load is what a load leaves in its register.
func (s *stepper) load() {
	in, f := s.in, s.f
	base, off, n := s.read(in.Src), int64(in.Off), in.Bytes
	if s.complain != nil {
		s.access(base, off, n, false)
	}
	v := number(upTo(8 * n))
	if in.Mode() == ebpf.ModeMEMSX {
		v = Top()
	}
	switch base.Kind {
	case Stack:
		if lo, ok := base.stackPlace(off, n); !ok {
			if v = loaded(base, off); base.Base == 0 && n == 8 {
				v = s.fromAbove(base.Off+off, v)
			}
		} else if n == 8 && lo%8 == 0 && f.Spill[lo/8].Kind != Unreadable {
			v = f.Spill[lo/8]
		} else if n < 8 {
			s.partly(lo, n)
		}
	case Ctx:
		if k, ok := packetField(s.Context, base.Off+off, n); ok && base.Base == 0 && in.Mode() == ebpf.ModeMEM {
			switch v = (Value{Kind: k}); k {
			case Anything:
				v = loaded(base, off)
			case Packet:
				v.Range = f.Data
			}
		} else if s.Context != ebpf.ContextXDP && s.Context != ebpf.ContextSKB && n == 8 {
			v = loaded(base, off)
		}
	case Anything:
		if _, ok := packetField(s.Context, off, n); ok || n == 8 {
			v = loaded(base, off) // perhaps the context's packet pointers
		}
	case MapValue:
		if n == 8 && s.Context == ebpf.ContextTracing {
			v = loaded(base, off) // could be a kptr
		}
	}
	f.R[in.Dst] = v
	if in.Dst == 10 {
		s.say("r10 is read-only")
	}
}

// partly says where n bytes at lo of the stack are part of a pointer, or of what may be
// one ("invalid size of register fill", check_stack_read_fixed_off).
func (s *stepper) partly(lo, n int) {
	for k := lo / 8; k <= (lo+n-1)/8; k++ {
		if v := &s.f.Spill[k]; v.IsPointer() || v.Kind == Anything {
			s.say("reads part of what may be a pointer at fp%d", 8*k-512)
		}
	}
}

// acquire is a load in a store's clothes.
func (s *stepper) acquire() {
	in := s.in
	base := s.read(in.Src)
	if s.complain != nil {
		s.access(base, int64(in.Off), in.Bytes, false)
	}
	s.f.R[in.Dst] = Top()
	if in.Bytes == 8 {
		s.f.R[in.Dst] = loaded(base, int64(in.Off))
	}
}

func (s *stepper) store() {
	in, f := s.in, s.f
	base, off, n := s.read(in.Dst), int64(in.Off), in.Bytes
	v := Constant(uint64(int64(in.Imm)))
	if in.Class() == ebpf.ClassSTX {
		v = s.read(in.Src)
	}
	if s.complain != nil {
		s.access(base, off, n, true)
	}
	if v.IsPointer() && base.Kind != Stack && base.Kind != Anything && s.Context != ebpf.ContextTracing {
		s.say("leaks a pointer into %s", base.Kind)
	}
	if v.IsPointer() && base.Kind == Stack && n != 8 {
		s.say("stores part of a pointer on the stack")
	}
	lo, ok := base.stackPlace(off, n)
	switch {
	case f.Unseen && !s.InBounds(&base, off, n):
		s.loseStack()
	case base.Kind != Stack && base.Kind != Anything:
	case ok:
		f.overwrite(lo, n)
		if n == 8 && lo%8 == 0 && !in.IsAtomic() {
			f.Spill[lo/8] = v
		}
	case (s.Accepted || f.Unseen || s.Straight) && base.Kind == Stack && base.Base == 0:
		s.toAbove(base.Off+off, n, v)
	case !s.Accepted:
		s.blur(base.Kind == Anything && (v.IsPointer() || v.Kind == Anything))
	default:
		f.blurNumbers()
	}
	if in.IsAtomic() {
		s.atomic(base, v)
	}
}

// atomic is what an atomic operation of v does beside its access of base.
func (s *stepper) atomic(base, v Value) {
	in, f := s.in, s.f
	if base.Kind == Ctx || base.Kind == Packet {
		s.say("atomic on %s", base.Kind)
	}
	if v.IsPointer() {
		s.say("atomic with a pointer operand")
	}
	if at := base.Off + int64(in.Off); base.Kind == MapValue && base.Base == 0 && at%int64(in.Bytes) != 0 {
		s.say("misaligned atomic at %d, %d bytes", at, in.Bytes)
	}
	if in.Imm == ebpf.AtomicCmpXchg {
		f.R[0] = Top()
	} else if in.Imm&ebpf.AtomicFetch != 0 {
		f.R[in.Src] = Top()
	}
}

// access checks one memory access as the verifier does; bounds of the packet where
// no path condition has checked them.
func (s *stepper) access(base Value, off int64, n int, store bool) {
	at := base.Off + off
	switch base.Kind {
	case Scalar:
		s.say("memory access through a number")
	case Map, PacketEnd:
		s.say("memory access through %s", base.Kind)
	case Stack:
		s.stackAccess(base, off, n, store)
	case Ctx:
		if store && s.in.Class() == ebpf.ClassST {
			s.say("BPF_ST to the context")
		}
		switch {
		case base.Base != 0:
			s.say("context access at a variable offset")
		case at%int64(n) != 0 || at < 0:
			s.say("misaligned context access at %d, %d bytes", at, n)
		case s.Context == ebpf.ContextXDP && (n != 4 || at > ebpf.XDPEgress):
			s.say("context field at %d can't be accessed with %d bytes", at, n)
		}
	case Packet:
		if !s.Trace && (at+int64(n) > base.Range || at < 0 && base.Base == 0) {
			s.say("packet access at %d, %d bytes, further than was checked", at, n)
		}
	case MapValue:
		if base.Null {
			s.say("value pointer may be null")
		}
		if m := s.spec(base.Map); m != nil && base.Base == 0 {
			if at < 0 || at+int64(n) > int64(m.ValueSize) && base.Site != Direct {
				s.say("value of %d bytes accessed at %d, %d bytes", m.ValueSize, at, n)
			}
		}
	}
}

func (s *stepper) stackAccess(base Value, off int64, n int, store bool) {
	if base.Base != 0 {
		return
	}
	at := base.Off + off
	lo, ok := StackBytes(at, n)
	if !ok {
		s.say("stack access at %+d, %d bytes", at, n)
		return
	}
	if lo%n != 0 {
		s.say("misaligned stack access at %+d, %d bytes", at, n)
	}
	if (!store || s.in.IsAtomic()) && !s.f.Init.Has(lo, n) {
		s.say("reads stack bytes at %+d that may never have been written", at)
	}
}

// spec is what is known of map i, or nil.
func (p *Program) spec(i int32) *maps.Spec {
	if i < 0 || int(i) >= len(p.Maps) {
		return nil
	}
	return p.Maps[i]
}
