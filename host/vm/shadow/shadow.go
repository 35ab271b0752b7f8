package shadow

import (
	"fmt"
	"strings"

	"jitnic/host/ebpf"
	"jitnic/host/loader"
	"jitnic/host/maps"
	"jitnic/host/mem"
	"jitnic/host/vm"

	cilium "github.com/cilium/ebpf"
)

// Presence is what the kernel's map has of an entry.
type Presence uint8

// What there may be of one.
const (
	Same    Presence = iota
	Changed          // another value stands for it
	Absent           // nothing
)

// Shadow holds the marks of one machine, from packet to packet. Not safe for
// concurrent use.
type Shadow struct {
	// Foreign says what the kernel's map has of what the machine's has at a
	// key; key is nil for a map as a whole. nil: all of it.
	Foreign func(index int, key []byte) Presence

	// Drawn is set where the kernel takes one of several next hops by a secret.
	Drawn bool

	state *vm.State
	obj   *loader.Object
	mem   memory
	queue map[int]Mark // of maps without addresses: marks of anything put in

	data   uint64 // where the packet begins, at the instruction at hand
	r      [11]lanes
	frames [vm.MaxFrames]frame
	why    Mark
	where  string
	at     *vm.Step
}

// frame is what a call in progress left.
type frame struct {
	saved [4]lanes // registers 6 to 9 of the caller
	loop  bool     // of a callback
	args  [5]lanes // what the callback finds in registers 1 to 5
}

// New begins with a machine whose memory carries no marks.
func New(s *vm.State, obj *loader.Object) *Shadow {
	return &Shadow{state: s, obj: obj, queue: map[int]Mark{}}
}

// Why says on what the path of the run, its keys, its lengths and its verdict
// depend beside what the kernel has alike; 0: on nothing else.
func (s *Shadow) Why() Mark { return s.why }

// Where is the first instruction at which that came about.
func (s *Shadow) Where() string { return s.where }

// At returns the marks of n bytes of flat memory, nil where there are none.
func (s *Shadow) At(addr, n uint64) []Mark {
	if s.mem.any(addr, n) == 0 {
		return nil
	}
	out := make([]Mark, n)
	for i := range n {
		out[i] = Mark(s.mem.load(addr+i, 1))
	}
	return out
}

// Queue is the sum of the marks of what was put into a map without addresses.
func (s *Shadow) Queue(index int) Mark { return s.queue[index] }

// Clear takes the marks off n bytes: the kernel was given what the machine has
// there.
func (s *Shadow) Clear(addr, n uint64) { s.mem.fill(addr, n, 0) }

// ClearQueue does so for a map without addresses.
func (s *Shadow) ClearQueue(index int) { delete(s.queue, index) }

// Run follows a recorded run, which must be the machine's last one; err is what
// it ended with.
func (s *Shadow) Run(rec *vm.Recording, err error) {
	st := s.state
	s.why, s.where = 0, ""
	s.r = [11]lanes{1: all(Other), 10: all(Stack)}
	s.mem.fill(st.Buf, vm.Headroom+vm.MaxPacket, 0)
	s.data = st.Buf + vm.Headroom
	s.openFrame(0)
	n := len(rec.Steps)
	if err != nil && n > 0 {
		n-- // the instruction that faulted
	}
	for i := range n {
		s.at = &rec.Steps[i]
		s.step(rec, i)
	}
}

// openFrame makes a fresh stack frame: nobody wrote to it.
func (s *Shadow) openFrame(depth int) {
	s.mem.fill(s.state.FrameTop(depth)-vm.StackSize, vm.StackSize, Unset)
	s.r[10] = all(Stack)
}

// depends notes what the run depends on from here.
func (s *Shadow) depends(m Mark) {
	if m == 0 {
		return
	}
	if s.why == 0 {
		p := s.obj.Programs[s.at.Prog]
		s.where = fmt.Sprintf("program %q: insn %d", p.Name, s.at.PC)
		if l, ok := p.Line(int(s.at.PC)); ok {
			s.where += fmt.Sprintf(" (%v: %s)", l, l.Text)
		}
	}
	s.why |= m
}

// base is the marks of an address without those that say it is one.
func (s *Shadow) base(r uint8) { s.depends(s.r[r].union() &^ pointer) }

func (s *Shadow) step(rec *vm.Recording, i int) {
	st := &rec.Steps[i]
	in := s.obj.Programs[st.Prog].Insns[st.PC]
	if in.Dst > 10 || in.Src > 10 {
		return // a fault
	}
	switch in.Class() {
	case ebpf.ClassALU, ebpf.ClassALU64:
		s.r[in.Dst] = alu(in, s.r[in.Dst], s.r[in.Src])
	case ebpf.ClassLD:
		s.ld(in, st)
	case ebpf.ClassLDX:
		s.base(in.Src)
		s.r[in.Dst] = s.loaded(st.Addr, in.Size())
		if in.Mode() == ebpf.ModeMEMSX {
			s.r[in.Dst] = s.r[in.Dst].extended(in.Size())
		}
	case ebpf.ClassST:
		s.base(in.Dst)
		s.mem.store(st.Addr, in.Size(), 0)
	case ebpf.ClassSTX:
		if in.Mode() == ebpf.ModeATOMIC {
			s.atomic(in, st)
			return
		}
		s.base(in.Dst)
		s.mem.store(st.Addr, in.Size(), s.r[in.Src])
	case ebpf.ClassJMP, ebpf.ClassJMP32:
		s.jump(rec, i, in)
	}
}

func (s *Shadow) ld(in ebpf.Insn, st *vm.Step) {
	if in.Op != ebpf.OpLDDW { // LD_ABS, LD_IND: from the packet into r0
		if in.Mode() == ebpf.ModeIND {
			s.depends(s.r[in.Src].first(4).union())
		}
		s.r[0] = 0
		if st.Addr != ^uint64(0) {
			s.r[0] = all(s.mem.any(s.data+st.Addr, uint64(in.Size())))
		}
		clear(s.r[1:6])
		return
	}
	s.r[in.Dst] = 0
	switch in.Src {
	case ebpf.PseudoMapFD, ebpf.PseudoFunc:
		s.r[in.Dst] = all(Other)
	case ebpf.PseudoMapValue:
		s.r[in.Dst] = all(Value)
	}
}

// loaded is the marks of what a load brings.
func (s *Shadow) loaded(addr uint64, n int) lanes {
	if s.state.IsCtx(addr) {
		switch addr - s.state.CtxPtr() {
		case vm.CtxData, vm.CtxDataEnd, vm.CtxMeta:
			return all(Packet)
		}
		return 0
	}
	return s.mem.load(addr, n)
}

func (s *Shadow) atomic(in ebpf.Insn, st *vm.Step) {
	n := in.Size()
	if in.Imm == ebpf.AtomicLoadAcq {
		s.base(in.Src)
		s.r[in.Dst] = s.loaded(st.Addr, n)
		return
	}
	s.base(in.Dst)
	src, old := s.r[in.Src].first(n), s.mem.load(st.Addr, n)
	switch in.Imm {
	case ebpf.AtomicStRel:
		s.mem.store(st.Addr, n, src)
		return
	case ebpf.AtomicCmpXchg:
		s.depends((old | s.r[0].first(n)).union() &^ pointer)
		s.mem.store(st.Addr, n, src|old)
		s.r[0] = old
		return
	case ebpf.AtomicXchg:
		s.mem.store(st.Addr, n, src)
	case ebpf.AtomicAdd, ebpf.AtomicAdd | ebpf.AtomicFetch:
		s.mem.store(st.Addr, n, (src | old).up())
	default:
		s.mem.store(st.Addr, n, src|old)
	}
	if in.Imm&ebpf.AtomicFetch != 0 {
		s.r[in.Src] = old
	}
}

func (s *Shadow) jump(rec *vm.Recording, i int, in ebpf.Insn) {
	st := &rec.Steps[i]
	switch in.Op {
	case ebpf.OpJA, ebpf.OpJA32, ebpf.OpMayGo:
	case ebpf.OpExit:
		s.exit(st)
	case ebpf.OpCallX:
		if i+1 < len(rec.Steps) && rec.Steps[i+1].Frame > st.Frame {
			s.enter(int(st.Frame)+1, false)
		}
	case ebpf.OpCall:
		switch in.Src {
		case ebpf.CallLocal:
			s.enter(int(st.Frame)+1, false)
		case ebpf.CallHelper:
			s.helper(rec, i, ebpf.HelperByID(in.Imm))
		case ebpf.CallKfunc:
			name := strings.TrimPrefix(s.obj.Programs[st.Prog].Unsupported[int(st.PC)], "kfunc ")
			s.helper(rec, i, ebpf.KfuncByName(name))
		}
	default:
		s.depends(branch(in, s.r[in.Dst], s.r[in.Src]))
	}
}

// enter opens a frame at a depth.
func (s *Shadow) enter(depth int, loop bool) {
	if depth >= vm.MaxFrames {
		return // a fault
	}
	f := &s.frames[depth]
	copy(f.saved[:], s.r[6:10])
	f.loop = loop
	s.openFrame(depth)
}

// exit leaves a frame, or has a callback called again.
func (s *Shadow) exit(st *vm.Step) {
	if st.Frame == 0 {
		s.depends(s.r[0].first(4).union())
		return
	}
	f := &s.frames[st.Frame]
	if f.loop {
		s.depends(s.r[0].union()) // go on or not
		if st.Addr == 1 {
			s.openFrame(int(st.Frame))
			copy(s.r[1:6], f.args[:])
			return
		}
		s.r[0] = 0
	}
	copy(s.r[6:10], f.saved[:])
	s.r[10] = all(Stack)
}

// class says what kind of address a number is.
func (s *Shadow) class(addr uint64) Mark {
	if r := s.state.Mem.Find(addr, 1); r != nil {
		switch r.Kind {
		case mem.KindPacket:
			return Packet
		case mem.KindStack:
			return Stack
		case mem.KindMap, mem.KindOther:
			return Value
		}
	}
	return Other
}

// mapOf is the map of a call; nil without one.
func (s *Shadow) mapOf(c *vm.Call) maps.Map {
	if c.Map < 0 || int(c.Map) >= len(s.state.Maps) {
		return nil
	}
	return s.state.Maps[c.Map]
}

func (s *Shadow) foreign(index int32, key []byte) Presence {
	if s.Foreign == nil {
		return Same
	}
	return s.Foreign(int(index), key)
}

func isQueue(t cilium.MapType) bool { return t == cilium.Queue || t == cilium.Stack }
