package pathcond

import (
	"encoding/binary"

	"jitnic/host/ebpf"
	"jitnic/host/maps"
	"jitnic/host/vm"
	"jitnic/pathcond/bv"
	"jitnic/trace"
)

// node is one value that the code of a region makes, or one of its effects, in the
// order in which they are run.
type node struct {
	kind    nodeKind
	reg     uint8     // of an entry
	in, hi  ebpf.Insn // what is run; hi of a wide one
	a, b, c val       // operands: a is dst's, b src's, c a select's condition
	off     int16     // of what stands on the stack: from r10
	meta    trace.Meta
	call    *call
	key     uint32
	term    bv.Term
	wild    bool // where its block isn't on the way it may be something else than the term
	block   int
	made    bool // to steer, not the program's own
	needed  bool
}

type nodeKind uint8

const (
	nNone   nodeKind = iota
	nEntry           // what a register held before
	nFrame           // r10, or a constant more (off)
	nNumber          // a constant
	nWide            // a wide instruction's
	nALU             // a operation b
	nSelect          // b where c isn't 0, else a
	nLoad            // of address a + in.Off
	nStore           // of b at address a + in.Off; of an atomic that fetches: what was there
	nCall            // a look-up with key in a slot of ours, or a call without arguments
)

func (w *weave) add(n node) val {
	n.block = w.at
	w.nodes = append(w.nodes, n)
	return val(len(w.nodes) - 1)
}

// constant is a number.
func (w *weave) constant(k uint64) val {
	return w.add(node{kind: nNumber, term: w.x.u64(k)})
}

// Slots of ours stand in the frame above, which isn't in use: offsets from the
// top of the frame that is.
const (
	scratch   = int16(trace.FrameStride - trace.FrameSize) // where accesses of the ways that don't count go
	firstSlot = scratch + 8
	lastSlot  = int16(trace.FrameStride - 8)
)

// ours is a slot's offset from r10.
func (w *weave) ours(at int16) int16 {
	return int16((len(w.x.frames)-1)*trace.FrameStride) + at
}

// slot is a fresh slot on the stack: its offset from r10.
func (w *weave) slot() int16 {
	if w.slots > lastSlot {
		panic(quit{"no room for values"})
	}
	w.slots += 8
	return w.ours(w.slots - 8)
}

// block executes block i.
func (w *weave) block(b *block, i int) {
	x := w.x
	x.code = w.g.code
	regs := &w.regs[i]
	for pc := b.pc; pc <= b.last; pc += width(w.g.code[pc]) {
		in := w.g.code[pc]
		w.now = vm.Step{Prog: w.step.Prog, PC: int32(pc), Frame: w.step.Frame}
		x.step = &w.now
		if in.Src < 11 && in.Dst < 11 {
			if in.Op != ebpf.OpCall {
				each(in.Reads(), func(n uint8) {
					if n < 10 && regs[n] == 0 {
						panic(quit{"a register that nothing has written"})
					}
				})
			}
		}
		switch in.Class() {
		case ebpf.ClassALU, ebpf.ClassALU64:
			regs[in.Dst] = w.alu(in, regs[in.Dst], regs[in.Src%11])
		case ebpf.ClassLD:
			regs[in.Dst] = w.wide(in, w.g.code[pc+1])
		case ebpf.ClassLDX:
			regs[in.Dst] = w.load(in, regs[in.Src])
		case ebpf.ClassST, ebpf.ClassSTX:
			w.store(in, regs)
		default:
			switch {
			case in.Op == ebpf.OpCall:
				regs[0] = w.call(in, regs)
				for n := 1; n <= 5; n++ {
					regs[n] = 0
				}
			case in.IsCondJump():
				w.branch(i, in, regs)
			}
		}
	}
}

// branch ends a block.
func (w *weave) branch(i int, in ebpf.Insn, regs *[11]val) {
	x := w.x
	if !w.r.parts(i) {
		return
	}
	dst, src := regs[in.Dst], regs[in.Src%11]
	var s bv.Term
	if src != 0 {
		s = w.nodes[src].term
	}
	p, ok := Branch(x.b, in, w.nodes[dst].term, s)
	if !ok || x.b.Opaque(p) {
		panic(quit{"a branch on what can't be known before the run"})
	}
	w.pred[i] = p
	if v, ok := x.f.Known(p); ok && i > 0 {
		w.known[i] = int(bv.Bit(v))
	}
}

// alu executes arithmetic.
func (w *weave) alu(in ebpf.Insn, dst, src val) val {
	x := w.x
	var s bv.Term
	if in.Op&ebpf.SrcX != 0 && in.ALUOp() != ebpf.ALUEnd {
		s = w.nodes[src].term
		if in.Class() == ebpf.ClassALU64 && in.ALUOp() == ebpf.ALUMov && in.Off == 0 {
			return src
		}
		if w.nodes[src].kind == nFrame {
			panic(quit{"a stack address in arithmetic"})
		}
	} else {
		src = 0
	}
	d := x.u64(0)
	if in.ALUOp() == ebpf.ALUMov {
		dst = 0
	} else {
		d = w.nodes[dst].term
	}
	t, ok := ALU(x.b, in, d, s)
	if !ok {
		panic(quit{"unknown arithmetic"})
	}
	if dst != 0 && w.nodes[dst].kind == nFrame {
		k := int64(w.nodes[dst].off) + int64(in.Imm)
		if in.Class() != ebpf.ClassALU64 || in.ALUOp() != ebpf.ALUAdd || src != 0 || k != int64(int16(k)) {
			panic(quit{"a stack address in arithmetic"})
		}
		return w.add(node{kind: nFrame, off: int16(k), term: t})
	}
	if k, ok := x.b.IsConst(t); ok && x.out.plain(k) {
		return w.constant(k)
	}
	m := x.here()
	return w.add(node{kind: nALU, in: in, a: dst, b: src, term: t, meta: m, wild: dst != 0 && w.nodes[dst].wild || src != 0 && w.nodes[src].wild})
}

// wide executes a load of a constant.
func (w *weave) wide(lo, hi ebpf.Insn) val {
	x := w.x
	var v uint64
	switch lo.Src {
	case ebpf.PseudoNone:
		v = ebpf.Const64(lo, hi)
		if x.out.plain(v) {
			return w.constant(v)
		}
	case ebpf.PseudoMapFD:
		v = vm.MapPtr(int(lo.Imm))
	case ebpf.PseudoMapValue:
		at, ok := x.s.ValuePtr(int(lo.Imm), uint32(hi.Imm))
		if !ok {
			panic(quit{"a constant of another kind"})
		}
		v = at
	default:
		panic(quit{"a constant of another kind"})
	}
	return w.add(node{kind: nWide, in: lo, hi: hi, term: x.u64(v), meta: x.here()})
}

// fromTop is a stack address as an offset from r10.
func (w *weave) fromTop(at uint64) int16 { return int16(int64(at) - int64(w.x.s.FrameTop(0))) }

// find says what memory an access is to, and where in the recorded run. Of the
// packet's it must be known that it is inside, or it need be of the recorded run.
func (w *weave) find(addr bv.Term, n int) (kind trace.MemKind, owner int, at uint64) {
	x := w.x
	base, off := x.split(addr)
	switch {
	case base == 0:
		at = off
	case x.come(base):
		at = x.bases[base] + off
	case x.valueBase(base) && w.not0(w.facts[0], base) && x.found[base] != 0:
		// It was known before the branch, so every run has found it.
		at = x.found[base] + off
	case x.valueBase(base) && w.not0(x.f, base):
		_, owner = FunParts(x.b.K(base))
		return trace.MemMap, owner, off // wherever: not every run has found it
	case w.inside(addr, n):
		at, _ = x.f.Bounds(addr)
		return trace.MemPacket, -1, at
	default:
		panic(quit{"an address that the path hasn't come to before"})
	}
	if x.s.IsCtx(at) {
		return trace.MemCtx, -1, at
	}
	kind, owner = x.place(at, n)
	return kind, owner, at
}

// not0 says whether a look-up is known to find something.
func (w *weave) not0(f *Facts, base bv.Term) bool {
	null, ok := f.Known(w.x.b.Bin(bv.OpEq, base, w.x.u64(0)))
	return ok && !null
}

// inside says whether a packet access is good where its block is on the way.
func (w *weave) inside(addr bv.Term, n int) bool { return within(w.x, w.x.f, addr, n) }

func within(x *exec, f *Facts, addr bv.Term, n int) bool {
	end := x.b.Bin(bv.OpAdd, addr, x.u64(uint64(n)))
	over, ok := f.Known(x.b.Bin(bv.OpULt, x.dataEnd, end))
	under, ok2 := f.Known(x.b.Bin(bv.OpULt, addr, x.meta))
	return ok && ok2 && !over && !under && x.frags == 0
}

// anyway says whether an access at an address is good whatever the way.
func (w *weave) anyway(base val, addr bv.Term, kind trace.MemKind, n int) bool {
	if w.always[w.at] {
		return true
	}
	if w.nodes[base].wild {
		return false
	}
	x := w.x
	f := w.firm()
	switch kind {
	case trace.MemCtx, trace.MemStack:
		return true
	case trace.MemPacket:
		return within(x, f, addr, n)
	}
	if _, ok := x.b.IsConst(addr); ok {
		return true
	}
	b, _ := x.b.SplitAdd(addr)
	null, ok := f.Known(x.b.Bin(bv.OpEq, b, x.u64(0)))
	return ok && !null && x.valueBase(b)
}

// firm is what is known on all ways to here: at the nearest block that is on all of them.
func (w *weave) firm() *Facts {
	i := w.at
	for !w.always[i] {
		i = w.over[i]
	}
	return w.facts[i]
}

// load executes a load.
func (w *weave) load(in ebpf.Insn, base val) val {
	x := w.x
	n := in.Size()
	addr := x.b.Bin(bv.OpAdd, w.nodes[base].term, x.u64(uint64(int64(in.Off))))
	kind, owner, at := w.find(addr, n)
	_, constant := x.b.IsConst(addr)
	w.varies = w.varies || kind == trace.MemPacket && len(x.packet.stores) > 0 || kind == trace.MemMap && !x.untouched(owner)
	m := x.here()
	m.Mem, m.Map, m.Addr = kind, int32(owner), at
	nd := node{kind: nLoad, in: in, a: base, meta: m}
	var t bv.Term
	switch kind {
	case trace.MemCtx:
		if !constant {
			panic(quit{"a load at an address that the ways make"})
		}
		t = x.ctxField(at - x.s.Ctx)
	case trace.MemStack:
		if !constant {
			panic(quit{"a load at an address that the ways make"})
		}
		t = x.readMem(addr, at, n)
		nd.a, nd.in.Src, nd.in.Off = 0, 10, w.fromTop(at)
	case trace.MemPacket:
		if !w.inside(addr, n) {
			panic(quit{"a load that no way has checked"})
		}
		t = x.readMem(addr, at, n)
		nd.wild = len(x.packet.stores) > 0
	case trace.MemMap:
		t = x.readMem(addr, at, n)
		nd.wild = len(x.mapState(owner).log.stores) > 0
	default:
		panic(quit{"a load from other memory"})
	}
	if in.Mode() == ebpf.ModeMEMSX {
		t = x.b.SExt(t, 64)
	} else {
		t = x.b.ZExt(t, 64)
	}
	if k, ok := x.b.IsConst(t); ok && x.out.plain(k) {
		return w.constant(k)
	}
	nd.term = t
	if !w.anyway(base, addr, kind, n) {
		nd.a, nd.wild, nd.meta.Selected = w.redirect(base, in.Off), true, true
	}
	nd.wild = nd.wild && !w.always[w.at]
	return w.add(nd)
}

// redirect is the address that base is where the block counts, and of our scratch
// slot, less off, elsewhere.
func (w *weave) redirect(base val, off int16) val {
	c := w.counts(w.at)
	if c.v == 0 {
		return base
	}
	away := w.add(node{kind: nFrame, off: w.ours(scratch) - off, term: w.nodes[base].term, made: true})
	yes, no := base, away
	if !c.want {
		yes, no = no, yes
	}
	v := w.selected(c.v, yes, no, w.nodes[base].term)
	w.nodes[v].made = true
	return v
}

// store executes a store or an atomic.
func (w *weave) store(in ebpf.Insn, regs *[11]val) {
	x := w.x
	n := in.Size()
	base := regs[in.Dst]
	if in.IsAtomic() && (in.Imm == ebpf.AtomicLoadAcq || in.Imm == ebpf.AtomicCmpXchg || in.Imm == ebpf.AtomicXchg) {
		panic(quit{"an atomic of another kind"})
	}
	addr := x.b.Bin(bv.OpAdd, w.nodes[base].term, x.u64(uint64(int64(in.Off))))
	if b, _ := x.split(addr); b != 0 && !x.come(b) && !(x.found[b] != 0 && w.not0(w.facts[0], b)) {
		panic(quit{"a store at an address that the path hasn't come to before"})
	}
	kind, owner, at := w.find(addr, n)
	var src val
	v := x.b.Const(uint64(int64(in.Imm)), 8*n)
	if in.Class() == ebpf.ClassSTX {
		src = regs[in.Src]
		if w.nodes[src].kind == nFrame {
			panic(quit{"a stack address stored"})
		}
		v = x.b.Extract(w.nodes[src].term, 0, 8*n)
	}
	m := x.here()
	m.Mem, m.Map, m.Addr = kind, int32(owner), at
	switch kind {
	case trace.MemStack:
		if _, ok := x.b.IsConst(addr); !ok || in.IsAtomic() {
			panic(quit{"a store at an address that the ways make"})
		}
		w.storeStack(in, src, v, at, m)
		return
	case trace.MemPacket:
		if !w.inside(addr, n) {
			panic(quit{"a store that no way has checked"})
		}
		w.varies = true
	case trace.MemMap:
		w.varies = true
	default:
		panic(quit{"a store to other memory"})
	}
	nd := node{kind: nStore, in: in, a: base, b: src, meta: m}
	if !w.always[w.at] {
		nd.a, nd.meta.Selected = w.redirect(base, in.Off), true
	}
	if in.IsAtomic() && in.Imm != ebpf.AtomicStRel {
		old := x.readMem(addr, at, n)
		now, ok := Atomic(x.b, in.Imm, old, v)
		if !ok {
			panic(quit{"unknown atomic"})
		}
		v = now
		if in.Imm&ebpf.AtomicFetch != 0 {
			nd.term, nd.wild = x.b.ZExt(old, 64), !w.always[w.at]
		}
	}
	x.writeMem(addr, at, n, v)
	id := w.add(nd)
	if nd.term != 0 {
		regs[in.Src] = id
	}
}

// storeStack executes a store to the stack: what was there is written back where
// the block doesn't count.
func (w *weave) storeStack(in ebpf.Insn, src val, v bv.Term, at uint64, m trace.Meta) {
	x := w.x
	n := in.Size()
	o := at - x.s.Stack
	off := w.fromTop(at)
	c := w.counts(w.at)
	in.Dst, in.Off = 10, off
	nd := node{kind: nStore, in: in, b: src, meta: m}
	was := append([]byteRef(nil), x.stack[o:o+uint64(n)]...)
	if c.v != 0 {
		fresh := 0
		for i := range was {
			if was[i].term == 0 {
				fresh++
			}
		}
		for i := range was { // a fresh frame is zero, the trace's isn't
			if was[i].term == 0 && fresh < n {
				b := made()
				b.Mem, b.Addr = trace.MemStack, at+uint64(i)
				w.add(node{kind: nStore, in: ebpf.Insn{Op: ebpf.ClassST | ebpf.ModeMEM | ebpf.SizeB, Dst: 10, Off: off + int16(i)}, meta: b})
				was[i] = byteRef{x.b.Const(0, 8), 0}
			}
		}
		old := w.constant(0)
		if fresh < n {
			l := node{kind: nLoad, in: ebpf.Insn{Op: ebpf.ClassLDX | ebpf.ModeMEM | in.Op&0x18, Src: 10, Off: off}, meta: m, made: true}
			l.meta.PC = -1
			l.term = x.b.ZExt(x.joinBytes(was), 64)
			old = w.add(l)
		}
		if src == 0 {
			src = w.constant(uint64(int64(in.Imm)))
		}
		yes, no := src, old
		if !c.want {
			yes, no = no, yes
		}
		nd.b = w.selected(c.v, yes, no, x.b.Ite(c.term, w.nodes[src].term, w.nodes[old].term))
		nd.in.Op, nd.in.Imm = ebpf.ClassSTX|ebpf.ModeMEM|in.Op&0x18, 0
		v = x.b.Ite(c.term, v, x.joinBytes(was))
	}
	w.add(nd)
	for i := range was {
		x.setByte(o+uint64(i), byteRef{v, uint8(i)})
	}
}

// pure are helpers that may be called on behalf of another way.
var pure = map[int32]bool{
	ebpf.FnKtimeGetNs: true, ebpf.FnKtimeGetBootNs: true, ebpf.FnKtimeGetTaiNs: true, ebpf.FnKtimeGetCoarseNs: true, ebpf.FnJiffies64: true,
	ebpf.FnGetSmpProcessorId: true, ebpf.FnGetNumaNodeId: true,
}

// call executes a call: of a function of latched inputs, or a look-up of an
// array's element whose number is a constant.
func (w *weave) call(in ebpf.Insn, regs *[11]val) val {
	x := w.x
	w.varies = true
	c := &call{in: in, rec: &vm.Call{Helper: in.Imm, Map: -1}, m: -1, meta: x.here()}
	if pure[in.Imm] {
		t := symHelpers[in.Imm](x, c)
		if k, ok := x.b.IsConst(t); ok && x.out.plain(k) {
			return w.constant(k)
		}
		return w.add(node{kind: nCall, in: in, call: c, meta: c.meta, term: t})
	}
	return w.lookup(c, regs)
}

// lookup looks up an array's element. The number stands in a slot of ours, so
// that the look-up is the same whichever way counts.
func (w *weave) lookup(c *call, regs *[11]val) val {
	x := w.x
	if regs[1] == 0 || regs[2] == 0 {
		panic(quit{"a look-up in a map that no constant names"})
	}
	ptr, ok := x.b.IsConst(w.nodes[regs[1]].term)
	i, isMap := vm.MapOf(ptr)
	if !ok || !isMap || i >= len(x.s.Maps) {
		panic(quit{"a look-up in a map that no constant names"})
	}
	spec := x.s.Maps[i].Spec()
	if _, of := x.s.Maps[i].(maps.OfMaps); of || !isArray(spec.Type) || spec.KeySize != 4 || x.mapState(i).poisoned || x.c.Specialise && x.readMostly(i) {
		panic(quit{"a look-up with an effect, or of a key"})
	}
	at, ok := x.b.IsConst(w.nodes[regs[2]].term)
	if !ok || at-x.s.Stack+4 > uint64(len(x.stack)) {
		panic(quit{"a key that isn't on the stack"})
	}
	o := at - x.s.Stack
	key := x.f.fixed(x.joinBytes(x.stack[o : o+4]))
	k, ok := x.b.IsConst(key)
	if !ok || k >= uint64(spec.Max) {
		panic(quit{"a look-up of a key that varies"})
	}
	r0 := x.initialLookup(i, []bv.Term{key})
	if v, ok := x.b.IsConst(r0); ok && spec.Type == ebpfArray { // it stands where it always stood
		if first, ok := x.s.ValuePtr(i, 0); ok && v >= first && v-first < 1<<31 {
			m := x.here()
			m.Map = int32(i)
			return w.add(node{kind: nWide, in: ebpf.Insn{Op: ebpf.OpLDDW, Src: ebpf.PseudoMapValue, Imm: int32(i)}, hi: ebpf.Insn{Imm: int32(v - first)}, term: r0, meta: m})
		}
	}
	slot := w.slot()
	c.m = i
	c.meta.Map, c.meta.Args, c.meta.Result = int32(i), 2, true
	c.meta.Reads = append(c.meta.Reads, trace.Span{Addr: x.s.FrameTop(0) + uint64(int64(slot)), N: 4})
	var b [4]byte
	binary.LittleEndian.PutUint32(b[:], uint32(k))
	if _, ok := x.b.IsConst(r0); !ok {
		x.bases[r0] = x.s.Maps[i].Peek(b[:], x.s.CPU)
		// Elements of an array are there.
		w.there(x.b.Bin(bv.OpEq, r0, x.u64(0)))
		if id, _ := FunParts(x.b.K(r0)); id == FunLookup {
			c.meta.Found = uint32(r0)
		}
	}
	return w.add(node{kind: nCall, in: c.in, call: c, meta: c.meta, off: slot, key: uint32(k), term: r0})
}

// there notes that a look-up finds something, whatever the way.
func (w *weave) there(null bv.Term) {
	root := w.x.f
	for root.over != nil {
		root = root.over
	}
	root.Learn(null, false)
}

// cond is a number that isn't 0 where the branch that ends block i jumps (or where it
// doesn't: want false).
func (w *weave) cond(i int) guard {
	if g := w.conds[i]; g.term != 0 {
		return g
	}
	b := &w.r.blocks[i]
	in := w.g.code[b.last]
	v, first := w.compare(in, w.regs[i][in.Dst], w.regs[i][in.Src%11], w.factsOf(i))
	g := guard{v, first == 1, w.pred[i]}
	w.conds[i] = g
	return g
}

func (w *weave) factsOf(i int) *Facts {
	if f := w.facts[i]; f != nil {
		return f
	}
	return w.x.f
}

// compare computes a number that is not 0 where a branch goes to side first.
func (w *weave) compare(in ebpf.Insn, dst, src val, f *Facts) (v val, first int) {
	narrow := in.Class() == ebpf.ClassJMP32
	byReg := in.Op&ebpf.SrcX != 0
	if w.nodes[dst].kind == nFrame || byReg && w.nodes[src].kind == nFrame {
		panic(quit{"a branch on a stack address"})
	}
	operand := func(signed bool) val { // the second one, as a register has it
		if !byReg {
			k := uint64(int64(in.Imm))
			if narrow && !signed {
				k = uint64(uint32(in.Imm))
			}
			return w.constant(k)
		}
		return w.widen(src, narrow, signed)
	}
	less := func(swapped, signed bool) val {
		a, b := w.widen(dst, narrow, signed), operand(signed)
		small := func(v val) bool {
			_, hi := f.Bounds(w.nodes[v].term)
			return hi < 1<<62
		}
		near := narrow || small(a) && small(b)
		if swapped {
			a, b = b, a
		}
		if near {
			return w.opK(ebpf.ALURsh, w.op(ebpf.ALUSub, a, b), 63)
		}
		if signed {
			top := w.constant(1 << 63)
			a, b = w.op(ebpf.ALUXor, a, top), w.op(ebpf.ALUXor, b, top)
		}
		// The borrow of their difference: (^a & b | ^(a ^ b) & (a - b)) >> 63.
		u := w.op(ebpf.ALUAnd, w.opK(ebpf.ALUXor, w.op(ebpf.ALUXor, a, b), -1), w.op(ebpf.ALUSub, a, b))
		t := w.op(ebpf.ALUAnd, w.opK(ebpf.ALUXor, a, -1), b)
		return w.opK(ebpf.ALURsh, w.op(ebpf.ALUOr, t, u), 63)
	}
	first = 1
	switch in.JmpOp() {
	case ebpf.JmpNE, ebpf.JmpEQ:
		v = w.widen(dst, narrow, false)
		if byReg || in.Imm != 0 {
			v = w.op(ebpf.ALUXor, v, operand(false))
		}
		if in.JmpOp() == ebpf.JmpEQ {
			first = 0
		}
	case ebpf.JmpSET:
		v = w.op(ebpf.ALUAnd, w.widen(dst, narrow, false), operand(false))
	case ebpf.JmpLT, ebpf.JmpSLT:
		v = less(false, in.JmpOp() == ebpf.JmpSLT)
	case ebpf.JmpGT, ebpf.JmpSGT:
		v = less(true, in.JmpOp() == ebpf.JmpSGT)
	case ebpf.JmpGE, ebpf.JmpSGE:
		v = less(false, in.JmpOp() == ebpf.JmpSGE)
		first = 0
	case ebpf.JmpLE, ebpf.JmpSLE:
		v = less(true, in.JmpOp() == ebpf.JmpSLE)
		first = 0
	default:
		panic(quit{"a jump of another kind"})
	}
	return v, first
}

// widen is a value as a comparison takes it: the low half of it where that is of 32
// bits.
func (w *weave) widen(v val, narrow, signed bool) val {
	if !narrow {
		return v
	}
	in := ebpf.Insn{Op: ebpf.ClassALU | ebpf.ALUMov | ebpf.SrcX}
	if signed {
		in = ebpf.Insn{Op: ebpf.ClassALU64 | ebpf.ALUMov | ebpf.SrcX, Off: 32}
	} else if _, hi := w.x.b.Bounds(w.nodes[v].term); hi < 1<<32 && !w.nodes[v].wild {
		return v
	}
	return w.made2(in, 0, v)
}

// op is arithmetic of ours: a operation b.
func (w *weave) op(op uint8, a, b val) val {
	if k, ok := w.x.b.IsConst(w.nodes[b].term); ok && w.nodes[b].kind == nNumber && int64(k) == int64(int32(k)) {
		return w.opK(op, a, int32(k))
	}
	return w.made2(ebpf.Insn{Op: ebpf.ClassALU64 | op | ebpf.SrcX}, a, b)
}

func (w *weave) opK(op uint8, a val, k int32) val {
	return w.made2(ebpf.Insn{Op: ebpf.ClassALU64 | op, Imm: k}, a, 0)
}

func (w *weave) made2(in ebpf.Insn, a, b val) val {
	var s, d bv.Term
	d = w.x.u64(0)
	wild := false
	if a != 0 {
		d, wild = w.nodes[a].term, w.nodes[a].wild
	}
	if b != 0 {
		s, wild = w.nodes[b].term, wild || w.nodes[b].wild
	}
	t, ok := ALU(w.x.b, in, d, s)
	if !ok {
		panic(quit{"unknown arithmetic"})
	}
	m := made()
	m.Prog = w.step.Prog
	return w.add(node{kind: nALU, in: in, a: a, b: b, term: t, meta: m, wild: wild, made: true})
}
