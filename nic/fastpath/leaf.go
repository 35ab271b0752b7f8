package fastpath

import (
	"fmt"
	"math"

	"jitnic/host/ebpf"
	"jitnic/host/mem"
	"jitnic/host/vm"
	"jitnic/pathcond/bv"
	"jitnic/trace"
)

// frames maps the trace's stack, of frames a stride apart, into what is free of
// the fast path's.
type frames struct {
	low  [trace.Frames]int64 // the lowest byte in use of each, relative to its top
	top  [trace.Frames]int64 // where its top comes
	save map[int64]int64     // places above a frame's top where calls save registers
	end  int64               // the lowest byte in use of all
}

// frameOf tells a frame and the offset from its top; at or above the top it is a
// place where registers are saved.
func frameOf(at int64) (frame int, off int64) {
	up := at + vm.StackSize
	frame = int(up / trace.FrameStride)
	return frame, up%trace.FrameStride - vm.StackSize
}

// lay gives each frame its place, from base on downward.
func (t *track) lay(base int64) (*frames, error) {
	f := &frames{save: map[int64]int64{}}
	use := func(at int64) error {
		i, off := frameOf(at)
		if i < 0 || i >= trace.Frames {
			return fmt.Errorf("its trace leaves its stack")
		}
		if off >= 0 {
			f.save[at&^7] = 0
			return nil
		}
		f.low[i] = min(f.low[i], off)
		return nil
	}
	for i := range t.steps {
		s := &t.steps[i]
		if s.skip {
			continue
		}
		if s.onStack {
			if err := use(s.at); err != nil {
				return nil, err
			}
		}
		for r := range s.args {
			if s.isArg[r] {
				if err := use(s.args[r]); err != nil {
					return nil, err
				}
			}
		}
		if s.spill {
			if err := use(s.spilled); err != nil {
				return nil, err
			}
		}
	}
	at := base &^ 7
	for i := range f.low {
		f.top[i] = at
		at += f.low[i] &^ 7
	}
	for i := int64(0); i < stackBytes; i += 8 { // in order, for the same code every time
		if _, ok := f.save[i]; ok {
			at -= 8
			f.save[i] = at
		}
	}
	f.end = at
	if at < -vm.StackSize+16 { // two slots stay free for comparisons
		return nil, fmt.Errorf("its trace and its condition need %d bytes of stack, of %d", -at+16, vm.StackSize)
	}
	return f, nil
}

// of is where a byte of the trace's stack comes.
func (f *frames) of(at int64) int16 {
	i, off := frameOf(at)
	if off >= 0 {
		return int16(f.save[at&^7] + at&7)
	}
	return int16(f.top[i] + off)
}

// lookupsOf are the look-ups of a trace as the condition knows them: by their
// order, as long as none went.
func lookupsOf(l *Leaf) func(n int) bv.Term {
	var found []bv.Term
	for i, in := range l.Path.Trace.Code {
		if in.Op == ebpf.OpCall && in.Src == ebpf.CallHelper && in.Imm == ebpf.FnMapLookupElem {
			found = append(found, bv.Term(l.Path.Trace.Meta[i].Found))
		}
	}
	n := 0
	for _, in := range l.Trace.Code {
		if in.Op == ebpf.OpCall && in.Src == ebpf.CallHelper && in.Imm == ebpf.FnMapLookupElem {
			n++
		}
	}
	return func(k int) bv.Term {
		if n != len(found) {
			return 0
		}
		return found[k]
	}
}

// clockSlots are the stack slots of clocks that the condition has read.
func (b *builder) clockSlots(f *flow) map[int32]int16 {
	out := map[int32]int16{}
	for t, s := range f.slots {
		if b.b.Op(t) == bv.OpInput {
			if h, ok := clocks[b.b.K(t)]; ok {
				out[h] = s
			}
		}
	}
	return out
}

// leaf writes a trace.
func (b *builder) leaf(l *Leaf, f *flow) error {
	terms := lookupsOf(l)
	base := int64(slotLow)
	seen := map[int16]bool{}
	t, err := b.follow(l.Trace.Code, func(n int) int16 {
		term := terms(n)
		if term == 0 {
			return noSlot
		}
		s, ok := f.slots[term]
		if !ok {
			if s, ok = b.elementAt(term, f); !ok {
				return noSlot
			}
			seen[s] = true
		}
		base = min(base, int64(s))
		return s
	})
	if err != nil {
		return err
	}
	times := b.clockSlots(f)
	for _, s := range times {
		base = min(base, int64(s))
	}
	after := t.live()
	place, err := t.lay(base)
	if err != nil {
		return err
	}
	w := &writer{builder: b, t: t, place: place, after: after, times: times, seen: seen}
	for term := range f.nonnull {
		if s, ok := f.slots[term]; ok {
			w.seen[s] = true
		}
	}
	if o := t.origins[0]; o.low < 0 {
		return fmt.Errorf("its trace reads before the packet")
	} else if int64(f.length) < o.need {
		b.within(regData, 2, int(o.need), b.miss)
	}
	b.load(8, 1, 10, slotCtx)
	return w.write()
}

// elementAt is the stack slot of an array's element that the condition has looked up.
func (b *builder) elementAt(addr bv.Term, f *flow) (int16, bool) {
	w, err := b.place(addr)
	if err != nil || w.kind != mem.KindMap || w.lookup != 0 || w.direct || w.x != 0 || w.off != 0 {
		return 0, false
	}
	s, ok := f.elems[w.elem]
	return s, ok
}

// writer writes one trace.
type writer struct {
	*builder
	t     *track
	place *frames
	after []ebpf.Regs
	times map[int32]int16
	seen  map[int16]bool // stack slots of pointers that the verifier knows aren't NULL
}

func (w *writer) write() error {
	for i := 0; i < len(w.t.code); i++ {
		in, s := w.t.code[i], &w.t.steps[i]
		if !s.skip {
			if err := w.insn(i, in, s); err != nil {
				return err
			}
		}
		if in.Op == ebpf.OpExit {
			return nil
		}
		if in.IsWide() {
			i++
		}
	}
	return fmt.Errorf("its trace has no end")
}

// other is where to go when a comparison for the verifier's sake fails.
func (w *writer) other(s *step) label {
	if s.effect {
		return w.abort
	}
	return w.miss
}

func (w *writer) insn(i int, in ebpf.Insn, s *step) error {
	switch {
	case s.found != noSlot:
		w.load(8, 0, 10, s.found)
		if w.seen[s.found] {
			return nil
		}
		w.seen[s.found] = true
		return w.shown(i, 0, s)
	case s.isElem:
		return w.element(i, in, s)
	case in.IsWide():
		w.put(in)
		w.put(w.t.code[i+1])
	case s.ctxData == 1:
		w.load(8, in.Dst, 10, slotData)
	case s.ctxData == 2:
		w.load(8, in.Dst, 10, slotEnd)
	case in.Op == ebpf.OpCall:
		if at, ok := w.times[in.Imm]; ok {
			w.load(8, 0, 10, at)
			return nil
		}
		for r := uint8(1); r <= 5; r++ {
			if s.isArg[r] {
				w.address(r, s.args[r])
			}
		}
		w.put(in)
		return w.shown(i, 0, s)
	case s.onStack:
		if s.spill {
			// The register may hold anything: nothing was written for it.
			r, err := w.free(i, in, 1)
			if err != nil {
				return err
			}
			w.address(r[0], s.spilled)
			in.Src = r[0]
		}
		if in.IsLoad() {
			in.Src = 10
		} else {
			in.Dst = 10
		}
		in.Off = w.place.of(s.at)
		w.put(in)
	case s.made >= 0 && (in.Class() == ebpf.ClassALU64):
		return w.added(i, in, s)
	case s.made >= 0: // data, after the packet was moved
		return w.again(i, in, s)
	case s.spill:
		return fmt.Errorf("its trace stores an address of its stack")
	default:
		w.put(in)
	}
	return nil
}

// address leaves a stack address in a register.
func (w *writer) address(r uint8, at int64) {
	w.mov(r, 10)
	w.alu(ebpf.ALUAdd, r, int32(w.place.of(at)))
}

// free gives registers that nothing needs at an instruction.
func (w *writer) free(i int, in ebpf.Insn, n int) ([]uint8, error) {
	busy := w.after[i] | in.Reads() | in.Writes()
	var out []uint8
	for r := uint8(0); r <= 9 && len(out) < n; r++ {
		if !busy.Has(r) {
			out = append(out, r)
		}
	}
	if len(out) < n {
		return nil, fmt.Errorf("its trace leaves no register free for what the verifier must see")
	}
	return out, nil
}

// shown lets the verifier see that a pointer is not NULL, where it is used.
func (w *writer) shown(i int, r uint8, s *step) error {
	if s.made < 0 {
		return nil
	}
	if o := w.t.origins[s.made]; o.null && o.need > 0 {
		w.jump(ebpf.Insn{Op: ebpf.ClassJMP | ebpf.JmpEQ | ebpf.SrcK, Dst: r}, w.other(s))
	}
	return nil
}

// element looks an element of an array up, whose place the trace knew.
func (w *writer) element(i int, in ebpf.Insn, s *step) error {
	keep := w.after[i] &^ (ebpf.Regs(1) << in.Dst)
	if in.Dst != 0 {
		keep |= w.after[i] & 1
	}
	var saved []uint8
	for r := uint8(0); r <= 5; r++ {
		if keep.Has(r) {
			saved = append(saved, r)
		}
	}
	at := w.place.end - 8*int64(len(saved)) - 8
	if at < -vm.StackSize {
		return fmt.Errorf("its trace leaves no stack free")
	}
	for k, r := range saved {
		w.store(8, 10, int16(w.place.end-8*int64(k+1)), r)
	}
	w.storeK(4, 10, int16(at), int32(s.elem.k))
	w.callLookup(s.elem.m, int16(at))
	w.jump(ebpf.Insn{Op: ebpf.ClassJMP | ebpf.JmpEQ | ebpf.SrcK, Dst: 0}, w.other(s))
	if in.Dst != 0 {
		w.mov(in.Dst, 0)
	}
	if off := w.t.code[i+1].Imm % int32(w.stride(s.elem.m)); off != 0 {
		w.alu(ebpf.ALUAdd, in.Dst, off)
	}
	for k, r := range saved {
		w.load(8, r, 10, int16(w.place.end-8*int64(k+1)))
	}
	return nil
}

func (b *builder) stride(m int) int { return int((b.obj.Maps[m].ValueSize + 7) &^ 7) }

// added is a pointer plus a number: the number is small, and what is touched
// behind the pointer is there.
func (w *writer) added(i int, in ebpf.Insn, s *step) error {
	o := w.t.origins[s.made]
	if o.need <= 0 {
		w.put(in)
		return nil
	}
	if o.low < 0 {
		return fmt.Errorf("its trace reads before a pointer that running tells")
	}
	limit := uint64(math.MaxUint16) - uint64(o.need) - uint64(s.ahead)
	if o.size > 0 {
		limit = uint64(o.size - o.need)
	}
	if s.most > limit {
		w.jump(ebpf.Insn{Op: ebpf.ClassJMP | ebpf.JmpGT | ebpf.SrcK, Dst: s.num, Imm: int32(limit)}, w.other(s))
	}
	w.put(in)
	if o.size > 0 {
		return nil
	}
	return w.reaches(i, in, o.need, s)
}

// reaches leaves to the original what has fewer than need bytes behind in.Dst.
func (w *writer) reaches(i int, in ebpf.Insn, need int64, s *step) error {
	r, err := w.free(i, in, 2)
	if err != nil {
		return err
	}
	w.mov(r[0], in.Dst)
	w.alu(ebpf.ALUAdd, r[0], int32(need))
	w.finish(r[1], s)
	w.jump(ebpf.Insn{Op: ebpf.ClassJMP | ebpf.JmpGT | ebpf.SrcX, Dst: r[0], Src: r[1]}, w.other(s))
	return nil
}

// finish leaves where the packet ends in a register.
func (w *writer) finish(r uint8, s *step) {
	if !s.moved {
		w.load(8, r, 10, slotEnd)
		return
	}
	w.load(8, r, 10, slotCtx)
	w.load(4, r, r, ebpf.XDPDataEnd)
}

// again loads data after the packet was moved, and compares what is touched.
func (w *writer) again(i int, in ebpf.Insn, s *step) error {
	w.put(in)
	o := w.t.origins[s.made]
	if o.need <= 0 {
		return nil
	}
	if o.low < 0 {
		return fmt.Errorf("its trace reads before the packet")
	}
	return w.reaches(i, in, o.need, s)
}
