package fastpath

import (
	"fmt"
	"math"

	"jitnic/host/ebpf"
	"jitnic/host/maps"
	"jitnic/host/points"
	"jitnic/host/vm"
	"jitnic/trace"
)

// A trace is one straight line, so what each register points to is certain
// (host/points follows it). Here is noted which bytes of which pointers are touched;
// the code is written with that.

// origin is a pointer that accesses are counted from.
type origin struct {
	need int64 // bytes behind it that are touched
	low  int64 // the lowest offset touched
	size int64 // of a value: what there is
	null bool  // it may be NULL when it is made
}

// from says which origin a pointer counts from. Of the packet, before it was moved, it is
// the zero value: data.
type from struct {
	value      bool // a map's or a record, not the packet
	base, site int32
	m          int32
}

func fromOf(v points.Value) from {
	return from{v.Kind != points.Packet, v.Base, v.Site, v.Map}
}

// stackBytes is how far the trace's frames reach: from -512 up.
const stackBytes = trace.Frames * trace.FrameStride

// step is what is known of an instruction.
type step struct {
	skip bool
	// made is the origin that the instruction makes, -1: none. Of pointer plus
	// number, num is the register of the number.
	made  int
	num   uint8
	most  uint64 // of that number
	ahead int64  // how far the pointer stood behind what it counts from
	// of an access of the stack: where, relative to the frame's top.
	onStack bool
	at      int64
	args    [6]int64 // of a call: what stack addresses the arguments hold
	isArg   [6]bool
	reads   [6]int64 // bytes read there
	spill   bool     // a stack address is stored: where it points
	spilled int64
	ptr     bool // dst is left a stack address: nothing is written for it
	ctxData int  // 1: dst = data, 2: dst = data_end; before the packet moved
	moved   bool // the packet has been moved before
	found   int16
	effect  bool // something was written before that others see
	elem    element
	isElem  bool
}

// track follows a trace.
type track struct {
	points.Flow
	b       *builder
	code    []ebpf.Insn
	ids     map[from]int
	origins []origin
	steps   []step
	moved   bool
	effect  bool
}

const noSlot = math.MinInt16

// follow runs over the trace; found gives, for each of its look-ups, the stack
// slot with the result, or noSlot.
func (b *builder) follow(code []ebpf.Insn, found func(n int) int16) (*track, error) {
	t := &track{b: b, code: code, ids: map[from]int{{}: 0}, steps: make([]step, len(code)), origins: make([]origin, 1)}
	t.Enter(b.obj.Maps)
	lookups := 0
	for i := 0; i < len(code); i++ {
		in := points.InsnAt(code, i)
		s := &t.steps[i]
		s.made, s.found, s.moved, s.effect = -1, noSlot, t.moved, t.effect
		if in.Op == ebpf.OpExit {
			return t, nil
		}
		if in.Op == ebpf.OpCall && in.Src == ebpf.CallHelper && in.Imm == ebpf.FnMapLookupElem {
			s.found = found(lookups)
			lookups++
		}
		if err := t.insn(&in, s); err != nil {
			return nil, err
		}
		if in.IsWide() {
			i++
		}
	}
	return t, nil
}

// insn notes what an instruction touches, and follows it.
func (t *track) insn(in *points.Insn, s *step) error {
	var err error
	before := t.R
	switch in.Class() {
	case ebpf.ClassALU64, ebpf.ClassALU:
		t.Step(in, points.Hint{})
		err = t.added(in, s, &before)
	case ebpf.ClassLD:
		t.Step(in, points.Hint{})
		err = t.wide(in, s)
	case ebpf.ClassLDX:
		t.Step(in, points.Hint{})
		err = t.load(in, s, before[in.Src])
	case ebpf.ClassST, ebpf.ClassSTX:
		if err = t.store(in, s); err == nil {
			t.Step(in, points.Hint{})
		}
	default:
		if in.Op != ebpf.OpCall || in.Src != ebpf.CallHelper {
			return fmt.Errorf("its trace has a jump")
		}
		if err = t.call(in, s); err == nil {
			t.Step(in, points.Hint{})
			t.result(s)
		}
	}
	t.Acc = t.Acc[:0] // nothing is moved here, so nobody asks
	return err
}

// origin names what the pointer v counts from.
func (t *track) origin(v points.Value, o origin) int {
	t.origins = append(t.origins, o)
	t.ids[fromOf(v)] = len(t.origins) - 1
	return len(t.origins) - 1
}

// counted says whether accesses through v are counted.
func counted(v points.Value) bool {
	return v.Kind == points.Packet || v.Kind == points.MapValue || v.Kind == points.Record
}

// touch notes an access through a pointer.
func (t *track) touch(v points.Value, off int64, n int64) error {
	if !counted(v) {
		if v.Kind == points.Scalar || v.Kind == points.Anything || v.Kind == points.Unreadable {
			return fmt.Errorf("its trace uses a number as an address")
		}
		return nil
	}
	id, ok := t.ids[fromOf(v)]
	if !ok {
		return fmt.Errorf("its trace uses an address that running tells")
	}
	o := &t.origins[id]
	o.need = max(o.need, v.Off+off+n)
	o.low = min(o.low, v.Off+off)
	if o.size > 0 && v.Off+off+n > o.size {
		return fmt.Errorf("its trace reads past a value")
	}
	return nil
}

// onStack is where v points to in the trace's stack; ok is false where it doesn't.
func onStack(v points.Value) (at int64, ok bool) {
	return v.Off, v.Kind == points.Stack && v.Base == 0
}

// added notes the sum of a pointer and a number that running tells: accesses through it
// are counted from there.
func (t *track) added(in *points.Insn, s *step, before *[11]points.Value) error {
	out := &t.R[in.Dst]
	if out.Kind == points.Stack {
		if s.ptr = out.Base == 0; !s.ptr {
			return fmt.Errorf("its trace uses a place of its stack that running tells")
		}
	}
	switch op := in.ALUOp(); op { // of these the verifier keeps no bounds
	case ebpf.ALUDiv, ebpf.ALUMod:
		*out = points.Top()
	case ebpf.ALUEnd:
		*out = points.AtMost(math.MaxUint64 >> (64 - in.Imm))
	}
	if in.Op&ebpf.SrcX == 0 || in.ALUOp() == ebpf.ALUMov || !counted(*out) {
		return nil
	}
	p, n := before[in.Dst], before[in.Src]
	s.num = in.Src
	if n.IsPointer() {
		p, n, s.num = n, p, in.Dst
	}
	switch {
	case n.IsConst():
		return nil
	case in.ALUOp() == ebpf.ALUSub:
		*out = points.Top() // reaches down, nobody knows how far
		return nil
	}
	o := origin{}
	if id, ok := t.ids[fromOf(p)]; ok && p.Kind != points.Packet {
		o.size = t.origins[id].size - p.Off
	}
	s.made, s.most, s.ahead = t.origin(*out, o), math.MaxUint64, max(p.Off, 0)
	if n.Kind == points.Scalar {
		s.most = n.Max
	}
	return nil
}

func (t *track) wide(in *points.Insn, s *step) error {
	if !in.IsWide() {
		return fmt.Errorf("its trace reads a socket buffer")
	}
	switch v := &t.R[in.Dst]; in.Src {
	case ebpf.PseudoMapFD, ebpf.PseudoNone:
	case ebpf.PseudoMapValue:
		m := t.b.obj.Maps[in.Imm]
		if isData(m) { // nothing needs to be compared
			if _, ok := t.ids[fromOf(*v)]; !ok {
				t.origin(*v, origin{size: int64(m.ValueSize)})
			}
			return nil
		}
		// It is looked up, and named as what a look-up finds.
		stride := int64(maps.ValueStride(m))
		s.isElem, s.elem = true, element{m: int(in.Imm), k: uint64(v.Off / stride)}
		v.Site, v.Off = in.At, v.Off%stride
		s.made = t.origin(*v, origin{size: int64(m.ValueSize), null: true})
	default:
		return fmt.Errorf("its trace names a function or a kernel's variable")
	}
	return nil
}

func (t *track) load(in *points.Insn, s *step, base points.Value) error {
	out := &t.R[in.Dst]
	if base.Kind == points.Ctx {
		switch base.Off + int64(in.Off) {
		case ebpf.XDPData:
			if s.ctxData = 1; t.moved { // from another place than before
				s.ctxData, out.Base = 0, in.At+1
				s.made = t.origin(*out, origin{})
			}
		case ebpf.XDPDataEnd:
			if !t.moved {
				s.ctxData = 2
			}
		case ebpf.XDPDataMeta:
			return fmt.Errorf("its trace reads the packet's metadata")
		}
		return nil
	}
	if at, ok := onStack(base); ok {
		s.onStack, s.at = true, at+int64(in.Off)
		_, s.ptr = onStack(*out)
		return nil
	}
	return t.touch(base, int64(in.Off), int64(in.Bytes))
}

func (t *track) store(in *points.Insn, s *step) error {
	if in.IsAtomic() && in.Imm == ebpf.AtomicLoadAcq {
		return fmt.Errorf("its trace has a load with acquire semantics")
	}
	if in.Class() == ebpf.ClassSTX && !in.IsAtomic() {
		s.spilled, s.spill = onStack(t.R[in.Src])
	}
	base := t.R[in.Dst]
	if at, ok := onStack(base); ok {
		s.onStack, s.at = true, at+int64(in.Off)
		return nil
	}
	t.effect = true
	return t.touch(base, int64(in.Off), int64(in.Bytes))
}

func (t *track) call(in *points.Insn, s *step) error {
	h := in.Called()
	if h == nil || h.Flow != ebpf.Returns {
		return fmt.Errorf("its trace calls %s", ebpf.HelperName(in.Imm))
	}
	if s.found != noSlot { // in place of the call stands the condition's result
		return nil
	}
	for r := 1; r <= 5 && h.Args[r-1].Kind != ebpf.NoArg; r++ {
		if err := t.argument(h, uint8(r), s); err != nil {
			return err
		}
	}
	t.moved = t.moved || h.Moves()
	t.effect = t.effect || h.Writes != 0 || h.OnFail != 0
	return nil
}

// argument notes what a call touches through an argument.
func (t *track) argument(h *ebpf.Helper, r uint8, s *step) error {
	a, v := h.Args[r-1], t.R[r]
	size := int64(a.Size)
	if n := h.SizeArg(r); n > 0 && t.R[n].IsConst() {
		size = int64(t.R[n].Known)
	} else if a.OfMap() {
		of := t.mapOf(h)
		if of == nil {
			return fmt.Errorf("its trace asks a map that running tells")
		}
		size = int64(a.Bytes(of.KeySize, of.ValueSize))
	}
	if at, ok := onStack(v); ok {
		s.isArg[r], s.args[r], s.reads[r] = true, at, size
	} else if counted(v) && a.IsMemory() {
		return t.touch(v, 0, size)
	}
	return nil
}

// mapOf is the map that a call is for; nil: which one, running tells.
func (t *track) mapOf(h *ebpf.Helper) *maps.Spec {
	if m := &t.R[max(h.MapArg(), 1)]; m.Kind == points.Map && m.Map >= 0 {
		return t.b.obj.Maps[m.Map]
	}
	return nil
}

// result names what a call leaves in r0.
func (t *track) result(s *step) {
	switch v := t.R[0]; v.Kind {
	case points.MapValue:
		if v.Map >= 0 {
			s.made = t.origin(v, origin{size: int64(t.b.obj.Maps[v.Map].ValueSize), null: true})
		}
	case points.Record:
		s.made = t.origin(v, origin{size: v.Range, null: true})
	}
}

// live finds the registers that are read after each instruction, and marks what
// nothing reads as skipped.
func (t *track) live() []ebpf.Regs {
	after := make([]ebpf.Regs, len(t.code))
	var live ebpf.Regs
	bytes := ebpf.MakeBytes(stackBytes + vm.StackSize)
	place := func(at int64) int { return int(at + vm.StackSize) }
	// top is how many bytes there are from a place to its frame's top.
	top := func(at int64) int64 {
		up := (at + trace.FrameStride*int64(trace.Frames)) % trace.FrameStride
		if up >= trace.FrameStride-vm.StackSize {
			return trace.FrameStride - up
		}
		return 8
	}
	second := make([]bool, len(t.code))
	for i := 0; i < len(t.code); i++ {
		if t.code[i].IsWide() && i+1 < len(t.code) {
			second[i+1] = true
			i++
		}
	}
	for i := len(t.code) - 1; i >= 0; i-- {
		if second[i] {
			continue
		}
		in, s := t.code[i], &t.steps[i]
		after[i] = live
		reads, writes := in.Reads(), in.Writes()
		switch {
		case in.Op == ebpf.OpExit:
			live = reads
			continue
		case s.found != noSlot:
			s.skip = !live.Has(0)
			reads, writes = 0, 1
		case in.Op == ebpf.OpCall:
			for r := 1; r <= 5; r++ {
				if !s.isArg[r] {
					continue
				}
				n := s.reads[r]
				if n == 0 {
					n = top(s.args[r])
				}
				bytes.Use(place(s.args[r]), int(n))
				reads &^= 1 << r // the address is made anew
			}
		case in.IsStore():
			if s.spill {
				reads &^= 1 << in.Src
			}
			if s.onStack {
				reads &^= 1 << in.Dst
				if in.IsAtomic() {
					bytes.Use(place(s.at), in.Size())
				} else {
					s.skip = !bytes.Kill(place(s.at), in.Size())
				}
			}
		default:
			s.skip = writes&live == 0
			if s.ptr {
				s.skip, reads = true, 0
			}
			if s.ctxData > 0 {
				reads = 0
			}
			if in.IsLoad() && s.onStack {
				reads = 0
				if !s.skip {
					bytes.Use(place(s.at), in.Size())
				}
			}
			if s.isElem {
				writes = ebpf.Regs(1) << in.Dst
			}
		}
		if s.skip {
			continue
		}
		live = live.Before(reads, writes)
	}
	return after
}
