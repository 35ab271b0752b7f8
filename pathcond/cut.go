package pathcond

import (
	"fmt"
	"slices"

	"jitnic/host/ebpf"
	"jitnic/host/maps"
	"jitnic/host/mem"
	"jitnic/host/points"
	"jitnic/host/vm"
	"jitnic/pathcond/bv"
	"jitnic/trace"
)

// A Cut is a place where paths are cut into segments: a slot of the entry
// program that paths come to outside of any call, and at most once. What the
// rest of a path depends on beside packet, context, latched inputs and maps are
// the registers that are live there and the stack; a segment that ends at the
// cut leaves both in stack memory, and the condition of one that begins there
// reads them from it. Where the program's code alone says what a register holds
// (the context, the packet's start or end, a place on the stack, a constant), it
// isn't handed over but named.
type Cut struct {
	PC   int
	live ebpf.Regs
	at   points.State
}

// cutBase is where registers are handed over at a cut, relative to r10: in the
// gap above the frame, behind what calls save there.
const cutBase = 64

func cutSlot(r uint8) int16 { return cutBase + 8*int16(r) }

// HandedAt says which register is handed over at an address where paths are cut.
func (c *Compiler) HandedAt(addr uint64) (reg int, ok bool) {
	off := addr - c.S.FrameTop(0) - cutBase
	return int(off / 8), off < 8*10 && off%8 == 0
}

// index is that of a program of the object.
func (c *Compiler) index(name string) (int32, bool) {
	for i, p := range c.Obj.Programs {
		if p.Name == name {
			return int32(i), true
		}
	}
	return 0, false
}

// Candidates are the slots of a program at which it may be cut: where a block
// begins that is no part of a loop and not the program's first.
func (c *Compiler) Candidates(program string) []int {
	i, ok := c.index(program)
	if !ok {
		return nil
	}
	insns := c.Obj.Programs[i].Insns
	if ebpf.Validate(insns) != nil {
		return nil
	}
	blocks := ebpf.Blocks(insns)
	at := map[int]int{}
	for b := range blocks {
		at[blocks[b].Start] = b
	}
	main, seen := make([]int, len(blocks)), make([]int, len(blocks)) // who has come there without a call, and 1 more
	var work []int
	reach := func(from int, seen []int) {
		work = append(work[:0], from)
		for len(work) > 0 {
			b := work[len(work)-1]
			work = work[:len(work)-1]
			for _, s := range blocks[b].Succ {
				if seen[s] != from+1 {
					seen[s] = from + 1
					work = append(work, s)
				}
			}
		}
	}
	reach(0, main)
	var out []int
	for b := range blocks {
		if b == 0 || main[b] == 0 {
			continue
		}
		if reach(b, seen); seen[b] != b+1 {
			out = append(out, blocks[b].Start)
		}
	}
	return out
}

// SetCuts has Segments cut paths of the program at these of its Candidates.
func (c *Compiler) SetCuts(program string, pcs []int) error {
	i, ok := c.index(program)
	if !ok {
		return fmt.Errorf("program %q: not in the object", program)
	}
	specs := make([]*maps.Spec, len(c.S.Maps))
	for k, m := range c.S.Maps {
		specs[k] = m.Spec()
	}
	before, wild := points.Before(c.Obj.Programs[i].Insns, specs)
	c.cuts, c.cutProg, c.cutAt = nil, i, map[int32]int{}
	g := c.graphOf(i)
	g.cuts, g.regions = map[int]bool{}, map[wanted]*region{}
	clear(c.weighed) // they were regions of other cuts
	for _, pc := range pcs {
		st, ok := before[pc]
		if !ok || !st.Reached {
			return fmt.Errorf("program %q: insn %d: no block that can be reached begins here", program, pc)
		}
		if wild {
			st.Spill = [len(st.Spill)]points.Value{}
		}
		c.cuts = append(c.cuts, Cut{PC: pc, live: g.live[pc] &^ (1 << 10), at: st})
		c.cutAt[int32(pc)] = len(c.cuts)
		g.cuts[pc] = true
	}
	return nil
}

// Tables is the number of tables that segments stand in: one for the program's
// start, and one for each cut.
func (c *Compiler) Tables() int { return len(c.cuts) + 1 }

// CutAt is the slot of the entry program at which segments of a table begin.
func (c *Compiler) CutAt(table int) int {
	if table == 0 {
		return 0
	}
	return c.cuts[table-1].PC
}

// Handed is what the program's code says of the 8 bytes of stack memory at an address
// as a segment of a table finds them: of a register that is handed over there, or of
// the stack.
func (c *Compiler) Handed(table int, addr uint64) points.Value {
	at := &c.cuts[table-1].at
	if off := addr - c.S.Stack; off/8 < uint64(len(at.Spill)) {
		return at.Spill[off/8]
	}
	for r := range at.R[:10] {
		if addr == c.S.FrameTop(0)+uint64(cutSlot(uint8(r))) {
			return at.R[r]
		}
	}
	return points.Value{}
}

// Segments is Compile with the path cut: a path for each segment, in order. Each
// but the last ends at the cut that its Next names. The last may have Abort set;
// what would have come after it isn't there.
func (c *Compiler) Segments(rec *vm.Recording, length int, fault error) []*Path {
	var out []*Path
	for from, table := 0, 0; ; {
		p, to := c.compile(rec, length, fault, from, table, true)
		out = append(out, p)
		if p.Abort != nil || p.Next == 0 {
			return out
		}
		from, table = to, p.Next
	}
}

// Held is how many steps of a recording come before the first one whose effect
// can't be held back: behind it no path is cut. All of them are of the entry program.
func (c *Compiler) Held(rec *vm.Recording) int {
	tail := false
	for i := range rec.Steps {
		st := &rec.Steps[i]
		in := c.Obj.Programs[st.Prog].Insns[st.PC]
		tail = tail || st.Prog != rec.Steps[0].Prog
		if tail || in.Op == ebpf.OpMayGo || in.Op == ebpf.OpCall && in.Src == ebpf.CallKfunc ||
			in.Op == ebpf.OpCall && in.Src == ebpf.CallHelper && !holdable(c.S, &rec.Calls[st.Addr]) {
			return i
		}
	}
	return len(rec.Steps)
}

// holdable says whether what a helper's call does can be taken back, so that the
// path may still be cut behind it: it changes nothing but registers and the stack.
func holdable(s *vm.State, rc *vm.Call) bool {
	switch rc.Helper {
	case ebpf.FnLoop, ebpf.FnForEachMapElem: // what the callbacks do is looked at by itself
		return true
	}
	h := ebpf.HelperByID(rc.Helper)
	if h == nil || h.Flow != ebpf.Returns || h.Latch == ebpf.LatchRandom {
		return false
	}
	switch h.Ret {
	case ebpf.RetSocket, ebpf.RetObject, ebpf.RetMem:
		return false
	}
	w := h.Writes | h.OnFail
	if rc.Map >= 0 && int(rc.Map) < len(s.Maps) && !maps.Ordered(s.Maps[rc.Map].Spec().Type) {
		w &^= ebpf.MapOrder
	}
	if w != 0 {
		return false
	}
	for i, a := range h.Args {
		switch a.Kind {
		case ebpf.SpinLock, ebpf.Timer, ebpf.Dynptr, ebpf.Record, ebpf.Socket, ebpf.Object, ebpf.KernelPtr:
			return false
		}
		if at := rc.Args[i]; a.Ends || a.Writes && at != 0 && at-s.Stack >= vm.MaxFrames*vm.StackStride {
			return false
		}
	}
	return true
}

// known is the value a register or stack slot has at a cut on every way to it, by
// the code alone; 0: the code doesn't say.
func (x *exec) known(v points.Value) bv.Term {
	if v.IsConst() {
		return x.u64(v.Known)
	}
	if v.Base != 0 || v.Null {
		return 0
	}
	switch off := uint64(v.Off); v.Kind {
	case points.Ctx:
		return x.u64(x.s.CtxPtr() + off)
	case points.Stack:
		return x.u64(x.s.FrameTop(0) + off)
	case points.Packet:
		return x.u64(x.s.Buf + vm.Headroom + off)
	case points.PacketEnd:
		return x.b.Bin(bv.OpAdd, x.dataEnd, x.u64(off))
	case points.Map:
		if v.Map >= 0 && v.Off == 0 {
			return x.u64(vm.MapPtr(int(v.Map)))
		}
	case points.MapValue:
		if v.Map >= 0 && v.Site == points.Direct {
			if at, ok := x.s.ValuePtr(int(v.Map), uint32(v.Off)); ok {
				return x.u64(at)
			}
		}
	}
	return 0
}

// symbol is what stands at a place of the stack at a cut, of which the code says
// only the kind.
func (x *exec) symbol(addr uint64, v points.Value) bv.Term {
	t := x.b.Fun(FunLoad, 64, bv.Fact{}, x.u64(addr))
	if v.IsPointer() && v.Kind != points.Map {
		x.kinds[t] = v
		keep(&x.f.iv, t, interval{0, 1 << 40}) // flat memory is smaller than this
	}
	return t
}

// resumeAt makes the state of a segment that begins at a cut, and the code that
// takes over what was handed over there.
func (x *exec) resumeAt(cut *Cut) {
	x.kinds = map[bv.Term]points.Value{}
	for k, v := range cut.at.Spill {
		x.unspill(uint64(8*k), v)
	}
	for r := range x.r[:10] {
		x.r[r] = x.u64(0)
	}
	x.out.move(x, 1, contextSlot, true)
	// Register 1, from which the context is reached, comes last.
	for _, r := range []uint8{0, 2, 3, 4, 5, 6, 7, 8, 9, 1} {
		if !cut.live.Has(r) {
			continue
		}
		v := cut.at.R[r]
		if x.r[r] = x.known(v); x.r[r] != 0 {
			x.out.name(x, r, v)
			continue
		}
		x.r[r] = x.symbol(x.s.FrameTop(0)+uint64(cutSlot(r)), v)
		x.out.saved(x, r, false)
	}
}

// unspill makes the 8 stack bytes at offset o of the frame a symbol or a name.
func (x *exec) unspill(o uint64, v points.Value) {
	t := x.known(v)
	if t == 0 {
		t = x.symbol(x.s.Stack+o, v)
	}
	for k := range uint64(8) {
		x.setByte(o+k, byteRef{t, uint8(k)})
	}
}

// leave ends a segment at a cut: it hands over the live registers that the code
// doesn't name there, and says which table goes on.
func (x *exec) leave(table int) {
	cut := &x.c.cuts[table-1]
	for r := range uint8(10) {
		if cut.live.Has(r) && x.known(cut.at.R[r]) == 0 {
			x.out.saved(x, r, true)
		}
	}
	x.out.constant(x, 0, uint64(table))
	x.out.exit(x)
	x.path.Next = table
	x.left = []trace.Span{{Addr: x.s.Stack, N: trace.FrameSize}}
}

// contextSlot is where a segment keeps the context for when a pointer to it turns
// up that was handed over as a number: who reads a trace has to know which loads
// are of the context.
const contextSlot = cutBase + 8*10

// context puts into a register what it holds: the context, or off bytes behind it.
func (e *emitter) context(x *exec, r uint8, off uint64) {
	if x.from == nil || e.knows(r) {
		return
	}
	e.move(x, r, contextSlot, false)
	if off != 0 {
		e.put(ebpf.Insn{Op: ebpf.ClassALU64 | ebpf.ALUAdd | ebpf.SrcK, Dst: r, Imm: int32(off)}, made())
	}
}

// knows says whether the code alone shows that a register holds the context.
func (e *emitter) knows(r uint8) bool {
	var f points.Flow
	f.Enter(nil)
	for i := 0; i < len(e.code); i++ {
		in := points.InsnAt(e.code, i)
		if in.IsWide() {
			i++
		}
		f.Step(&in, points.Hint{})
		f.Acc = f.Acc[:0]
	}
	return f.R[r].Kind == points.Ctx
}

// saved moves a register to or from where it is handed over at a cut.
func (e *emitter) saved(x *exec, r uint8, store bool) {
	e.move(x, r, cutSlot(r), store)
	e.meta[len(e.meta)-1].Keep = store
}

// name puts into a register what the code says it holds at a cut.
func (e *emitter) name(x *exec, r uint8, v points.Value) {
	m := made()
	from := func(src uint8) {
		if r != src {
			e.put(mov(r, src), m)
		}
	}
	field := func(off int16) {
		f := m
		f.Mem, f.Addr = trace.MemCtx, x.s.CtxPtr()+uint64(off)
		e.put(ebpf.Insn{Op: ebpf.ClassLDX | ebpf.ModeMEM | ebpf.SizeW, Dst: r, Src: 1, Off: off}, f)
	}
	wide := func(src uint8, hi int64) {
		w := m
		w.Map = v.Map
		e.put(ebpf.Insn{Op: ebpf.OpLDDW, Dst: r, Src: src, Imm: v.Map}, w)
		e.put(ebpf.Insn{Imm: int32(hi)}, w)
	}
	if v.IsConst() {
		e.constant(x, r, v.Known)
		return
	}
	switch v.Kind {
	case points.Ctx:
		from(1)
	case points.Stack:
		from(10)
	case points.Packet:
		field(ebpf.XDPData)
	case points.PacketEnd:
		field(ebpf.XDPDataEnd)
	case points.Map:
		wide(ebpf.PseudoMapFD, 0)
		return
	case points.MapValue:
		wide(ebpf.PseudoMapValue, v.Off)
		return
	}
	if v.Off != 0 {
		e.put(ebpf.Insn{Op: ebpf.ClassALU64 | ebpf.ALUAdd | ebpf.SrcK, Dst: r, Imm: int32(v.Off)}, m)
	}
}

// of is the kind of pointer that an address is made of, where it is one that was
// handed over at a cut.
func (x *exec) of(addr bv.Term) (sym bv.Term, v points.Value, ok bool) {
	if len(x.kinds) == 0 {
		return 0, v, false
	}
	if v, ok := x.kinds[addr]; ok {
		return addr, v, true
	}
	switch x.b.Op(addr) {
	case bv.OpAdd, bv.OpSub:
		for _, a := range x.b.Args(addr) {
			if s, v, ok := x.of(a); ok {
				return s, v, true
			}
		}
	}
	return 0, v, false
}

// region has the condition say in which region an address is that came over a cut,
// where the code before the cut doesn't: by halves, so that every packet that comes to
// this access is asked the same and no two segments hold for one.
func (x *exec) region(addr bv.Term, concrete uint64) {
	if x.from == nil {
		return
	}
	base, _ := x.split(addr)
	if base == 0 {
		return
	}
	_, v, ok := x.of(base)
	if ok && (v.Kind != points.MapValue || v.Map >= 0) || !ok && !x.loaded(base) {
		return
	}
	all := x.s.Mem.Regions()
	if ok {
		all = slices.DeleteFunc(slices.Clone(all), func(r mem.Region) bool { return r.Kind != mem.KindMap })
	}
	for len(all) > 1 {
		half := len(all) / 2
		below := concrete < all[half].Addr
		x.decide(x.b.Bin(bv.OpULt, addr, x.u64(all[half].Addr)), below, WhyBounds)
		if below {
			all = all[:half]
		} else {
			all = all[half:]
		}
	}
}

// inMap makes sure that an address that came over a cut is one in a value of the
// map. The accesses a verified program makes are within one value.
func (x *exec) inMap(i int, addr bv.Term, concrete uint64, n int) {
	if x.from == nil {
		return
	}
	base, _ := x.split(addr)
	if base == 0 {
		return
	}
	sym, v, ok := x.of(base)
	switch {
	case ok && v.Kind == points.MapValue && int(v.Map) == i:
		if sym == base { // a verified program has checked for NULL, here or before
			x.decide(x.b.Bin(bv.OpEq, base, x.u64(0)), false, WhyBounds)
		}
	case ok || x.loaded(base):
		r := x.s.Mem.Find(concrete, uint64(n))
		x.decide(x.b.Bin(bv.OpULt, x.b.Bin(bv.OpSub, addr, x.u64(r.Addr)), x.u64(r.Size-uint64(n)+1)), true, WhyBounds)
	}
}

// loaded says whether an address is made of what the stack held at the cut.
func (x *exec) loaded(t bv.Term) bool {
	switch x.b.Op(t) {
	case bv.OpFun:
		if x.b.K(t) != FunLoad {
			return false
		}
		at, ok := x.b.IsConst(x.b.Args(t)[0])
		return ok && at-x.s.Stack < vm.MaxFrames*vm.StackStride
	case bv.OpAdd, bv.OpSub:
		for _, a := range x.b.Args(t) {
			if x.loaded(a) {
				return true
			}
		}
	}
	return false
}
