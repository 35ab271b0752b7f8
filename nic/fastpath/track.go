package fastpath

import (
	"fmt"
	"math"

	"jitnic/host/ebpf"
	"jitnic/host/maps"
	"jitnic/host/vm"
	"jitnic/trace"
)

// A trace is one straight line, so what each register points to is certain. It
// is followed once, to know which bytes of which pointers are touched; the code
// is written with that.

// kind is what a register or stack slot holds.
type kind uint8

const (
	number  kind = iota
	context      // the context + off
	packet       // origin id + off
	finish       // where the packet ends
	stack        // the top of the trace's frame + off
	theMap       // map m
	value        // memory of origin id + off, size bytes
)

// val is one value.
type val struct {
	kind  kind
	id    int // of packet and value: which pointer it comes from
	off   int64
	m     int
	known bool   // of a number: it is most
	most  uint64 // of a number
}

func numberUpTo(n uint64) val { return val{kind: number, most: n} }

// origin is a pointer that accesses are counted from.
type origin struct {
	need int64 // bytes behind it that are touched
	low  int64 // the lowest offset touched
	size int64 // of a value: what there is
	null bool  // it may be NULL when it is made
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
	b       *builder
	code    []ebpf.Insn
	r       [11]val
	slot    map[int64]val // of the stack, by 8 bytes
	origins []origin
	steps   []step
	moved   bool
	effect  bool
}

const noSlot = math.MinInt16

// follow runs over the trace; found gives, for each of its look-ups, the stack
// slot with the result, or noSlot.
func (b *builder) follow(code []ebpf.Insn, found func(n int) int16) (*track, error) {
	t := &track{b: b, code: code, slot: map[int64]val{}, steps: make([]step, len(code)), origins: make([]origin, 1)}
	t.r[1] = val{kind: context}
	t.r[10] = val{kind: stack}
	lookups := 0
	for i := 0; i < len(code); i++ {
		in := code[i]
		s := &t.steps[i]
		s.made, s.found, s.moved, s.effect = -1, noSlot, t.moved, t.effect
		var err error
		switch in.Class() {
		case ebpf.ClassALU64, ebpf.ClassALU:
			t.alu(in, s)
		case ebpf.ClassLD:
			if err = t.wide(in, code, i, s); err == nil {
				i++
			}
		case ebpf.ClassLDX:
			err = t.load(in, s)
		case ebpf.ClassST, ebpf.ClassSTX:
			err = t.store(in, s)
		default:
			switch {
			case in.Op == ebpf.OpExit:
				return t, nil
			case in.Op != ebpf.OpCall || in.Src != ebpf.CallHelper:
				err = fmt.Errorf("its trace has a jump")
			default:
				if in.Imm == ebpf.FnMapLookupElem {
					s.found = found(lookups)
					lookups++
				}
				err = t.call(in, s)
			}
		}
		if err != nil {
			return nil, err
		}
	}
	return t, nil
}

func (t *track) origin(o origin) int {
	t.origins = append(t.origins, o)
	return len(t.origins) - 1
}

// touch notes an access through a pointer.
func (t *track) touch(v val, off int64, n int64) error {
	switch v.kind {
	case packet, value:
		o := &t.origins[v.id]
		o.need = max(o.need, v.off+off+n)
		o.low = min(o.low, v.off+off)
		if o.size > 0 && (v.off+off+n > o.size) {
			return fmt.Errorf("its trace reads past a value")
		}
	case number:
		return fmt.Errorf("its trace uses a number as an address")
	}
	return nil
}

func (t *track) alu(in ebpf.Insn, s *step) {
	d, k := t.r[in.Dst], val{known: true, most: uint64(int64(in.Imm))}
	if in.Op&ebpf.SrcX != 0 && in.ALUOp() != ebpf.ALUEnd {
		k = t.r[in.Src]
	}
	wide := in.Class() == ebpf.ClassALU64
	out := val{most: math.MaxUint64}
	if !wide {
		out.most = math.MaxUint32
	}
	pointer := func(v val) bool { return v.kind != number }
	switch op := in.ALUOp(); {
	case op == ebpf.ALUMov && in.Off == 0 && wide:
		out = k
		s.ptr = out.kind == stack
	case op == ebpf.ALUMov && in.Off == 0 && k.kind == number:
		out = k
		if out.known {
			out.most = uint64(uint32(out.most))
		}
		out.most = min(out.most, math.MaxUint32)
	case wide && (op == ebpf.ALUAdd || op == ebpf.ALUSub) && pointer(d) && !pointer(k) && k.known:
		out = d
		if op == ebpf.ALUAdd {
			out.off += int64(k.most)
		} else {
			out.off -= int64(k.most)
		}
		s.ptr = out.kind == stack
	case wide && op == ebpf.ALUAdd && pointer(d) != pointer(k):
		p, n := d, k
		s.num = in.Src
		if pointer(k) {
			p, n = k, d
			s.num = in.Dst
		}
		if p.kind != packet && p.kind != value {
			break
		}
		o := origin{low: 0}
		if p.kind == value {
			o.size = t.origins[p.id].size - p.off
		}
		s.made, s.most, s.ahead = t.origin(o), n.most, max(p.off, 0)
		out = val{kind: p.kind, id: s.made, m: p.m} // counts from here
	case op == ebpf.ALUEnd:
		out.most = map[int32]uint64{16: math.MaxUint16, 32: math.MaxUint32}[in.Imm]
		if out.most == 0 {
			out.most = math.MaxUint64
		}
	case !pointer(d) && !pointer(k) && in.Off == 0:
		out = bounded(op, d, k, out.most)
	}
	t.r[in.Dst] = out
}

// bounded is what arithmetic leaves of bounds that the verifier keeps, too.
func bounded(op uint8, d, k val, all uint64) val {
	if d.known && k.known {
		switch op {
		case ebpf.ALUAdd:
			return val{known: true, most: (d.most + k.most) & all}
		case ebpf.ALUSub:
			return val{known: true, most: (d.most - k.most) & all}
		case ebpf.ALULsh:
			if k.most < 64 {
				return val{known: true, most: d.most << k.most & all}
			}
		}
	}
	x, y := min(d.most, all), min(k.most, all)
	switch op {
	case ebpf.ALUAnd:
		return numberUpTo(min(x, y))
	case ebpf.ALUAdd:
		if x < 1<<31 && y < 1<<31 {
			return numberUpTo(x + y)
		}
	case ebpf.ALULsh:
		if k.known && k.most < 32 && x < 1<<31 {
			return numberUpTo(x << k.most)
		}
	case ebpf.ALURsh:
		if k.known && k.most < 64 {
			return numberUpTo(x >> k.most)
		}
	}
	return numberUpTo(all)
}

func (t *track) wide(in ebpf.Insn, code []ebpf.Insn, i int, s *step) error {
	if !in.IsWide() || i+1 >= len(code) {
		return fmt.Errorf("its trace reads a socket buffer")
	}
	hi := code[i+1]
	switch in.Src {
	case ebpf.PseudoMapFD:
		t.r[in.Dst] = val{kind: theMap, m: int(in.Imm)}
	case ebpf.PseudoMapValue:
		m := t.b.obj.Maps[in.Imm]
		if isData(m) {
			s.made = t.origin(origin{size: int64(m.ValueSize)})
			t.r[in.Dst] = val{kind: value, id: s.made, off: int64(hi.Imm)}
			s.made = -1 // nothing needs to be compared
			return nil
		}
		stride := int64(maps.ValueStride(m))
		s.isElem, s.elem = true, element{m: int(in.Imm), k: uint64(int64(hi.Imm) / stride)}
		s.made = t.origin(origin{size: int64(m.ValueSize), null: true})
		t.r[in.Dst] = val{kind: value, id: s.made, off: int64(hi.Imm) % stride}
	case ebpf.PseudoNone:
		t.r[in.Dst] = val{known: true, most: ebpf.Const64(in, hi)}
	default:
		return fmt.Errorf("its trace names a function or a kernel's variable")
	}
	return nil
}

func (t *track) load(in ebpf.Insn, s *step) error {
	base := t.r[in.Src]
	n := in.Size()
	most := uint64(math.MaxUint64)
	if n < 8 && in.Mode() == ebpf.ModeMEM {
		most = 1<<(8*n) - 1
	}
	out := numberUpTo(most)
	switch base.kind {
	case context:
		switch base.off + int64(in.Off) {
		case ebpf.XDPData:
			if out = (val{kind: packet}); t.moved {
				s.made = t.origin(origin{})
				out.id = s.made
			} else {
				s.ctxData = 1
			}
		case ebpf.XDPDataEnd:
			out = val{kind: finish}
			if !t.moved {
				s.ctxData = 2
			}
		case ebpf.XDPDataMeta:
			return fmt.Errorf("its trace reads the packet's metadata")
		}
	case stack:
		s.onStack, s.at = true, base.off+int64(in.Off)
		if v, ok := t.slot[s.at]; ok && n == 8 {
			out = v
			s.ptr = v.kind == stack
		}
	default:
		if err := t.touch(base, int64(in.Off), int64(n)); err != nil {
			return err
		}
	}
	t.r[in.Dst] = out
	return nil
}

func (t *track) store(in ebpf.Insn, s *step) error {
	n := int64(in.Size())
	base := t.r[in.Dst]
	at := int64(in.Off)
	if in.IsAtomic() && in.Imm == ebpf.AtomicLoadAcq {
		return fmt.Errorf("its trace has a load with acquire semantics")
	}
	v := val{known: true, most: uint64(int64(in.Imm))}
	if in.Class() == ebpf.ClassSTX {
		v = t.r[in.Src]
		if v.kind == stack && !in.IsAtomic() {
			s.spill, s.spilled = true, v.off
		}
	}
	switch base.kind {
	case stack:
		s.onStack, s.at = true, base.off+at
		for b := s.at &^ 7; b < s.at+n; b += 8 {
			delete(t.slot, b)
		}
		if n == 8 && s.at&7 == 0 && !in.IsAtomic() {
			t.slot[s.at] = v
		}
	default:
		if err := t.touch(base, at, n); err != nil {
			return err
		}
		t.effect = true
	}
	if in.IsAtomic() {
		switch {
		case in.Imm == ebpf.AtomicCmpXchg:
			t.r[0] = numberUpTo(math.MaxUint64)
		case in.Imm&ebpf.AtomicFetch != 0:
			t.r[in.Src] = numberUpTo(math.MaxUint64)
		}
	}
	return nil
}

func (t *track) call(in ebpf.Insn, s *step) error {
	h := in.Called()
	if h == nil || h.Flow != ebpf.Returns {
		return fmt.Errorf("its trace calls %s", ebpf.HelperName(in.Imm))
	}
	m := t.r[1]
	if s.found != noSlot { // in place of the call stands the condition's result
		t.result(in, m, s)
		return nil
	}
	for r := 1; r <= 5 && h.Args[r-1].Kind != ebpf.NoArg; r++ {
		if err := t.argument(h, uint8(r), m, s); err != nil {
			return err
		}
	}
	if h.Moves() {
		t.moved = true
		drop := func(v val) bool { return v.kind == packet || v.kind == finish }
		for r := range t.r {
			if drop(t.r[r]) {
				t.r[r] = numberUpTo(math.MaxUint64)
			}
		}
		for k, v := range t.slot {
			if drop(v) {
				delete(t.slot, k)
			}
		}
	}
	if h.Writes != 0 || h.OnFail != 0 {
		t.effect = true
	}
	t.result(in, m, s)
	return nil
}

// argument notes what a call touches through an argument.
func (t *track) argument(h *ebpf.Helper, r uint8, m val, s *step) error {
	a, v := h.Args[r-1], t.r[r]
	size := int64(a.Size)
	if n := h.SizeArg(r); n > 0 && t.r[n].known {
		size = int64(t.r[n].most)
	} else if a.OfMap() {
		of := t.b.obj.Maps[m.m]
		size = int64(a.Bytes(of.KeySize, of.ValueSize))
	}
	switch v.kind {
	case stack:
		s.isArg[r], s.args[r], s.reads[r] = true, v.off, size
		if a.Writes {
			for b := v.off &^ 7; b < v.off+max(size, 1); b += 8 {
				delete(t.slot, b)
			}
		}
	case packet, value:
		if a.IsMemory() {
			return t.touch(v, 0, size)
		}
	}
	return nil
}

// result is what a call leaves in r0; in r1 to r5 it leaves nothing.
func (t *track) result(in ebpf.Insn, m val, s *step) {
	h := in.Called()
	if s.found == noSlot {
		for r := 1; r <= 5; r++ {
			t.r[r] = numberUpTo(math.MaxUint64)
		}
	}
	out := numberUpTo(math.MaxUint64)
	switch h.Ret {
	case ebpf.RetMapValue:
		spec := t.b.obj.Maps[m.m]
		if !maps.IsOfMaps(spec.Type) {
			s.made = t.origin(origin{size: int64(spec.ValueSize), null: true})
			out = val{kind: value, id: s.made}
		}
	case ebpf.RetMem:
		if n := t.r[2]; in.Imm == ebpf.FnRingbufReserve && n.known {
			s.made = t.origin(origin{size: int64(n.most), null: true})
			out = val{kind: value, id: s.made}
		}
	}
	t.r[0] = out
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
