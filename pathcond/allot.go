package pathcond

import (
	"math"

	"jitnic/host/ebpf"
	"jitnic/host/vm"
	"jitnic/trace"
)

// mark finds which nodes the target needs, and how many instructions they are that
// not every way would have run.
func (w *weave) mark() (more int) {
	last := &w.regs[len(w.r.blocks)]
	var need func(v val)
	need = func(v val) {
		if v == 0 || w.nodes[v].needed {
			return
		}
		n := &w.nodes[v]
		n.needed = true
		need(n.a)
		need(n.b)
		need(n.c)
	}
	each(w.g.after(w.r.targets[w.target]), func(r uint8) {
		if last[r] == 0 {
			panic(quit{"a register that nothing has written"})
		}
		need(last[r])
	})
	for v := len(w.nodes) - 1; v > 0; v-- {
		if n := &w.nodes[v]; n.kind == nStore {
			need(val(v))
		}
	}
	for v := range w.nodes {
		n := &w.nodes[v]
		if !n.needed {
			continue
		}
		switch n.kind {
		case nEntry, nNumber, nFrame:
		default:
			if n.kind == nSelect || n.made || n.block < len(w.r.blocks) && !w.always[n.block] {
				more++
			}
		}
	}
	return more
}

// allot writes the nodes as instructions: values get registers as they are needed,
// and slots on the stack where there are none. What is next needed last goes first.
type allot struct {
	w    *weave
	at   []place // by node
	held [10]val // by register: the value in it, 0: none
	uses [][]int // by node: positions at which it is used, ascending
	pos  int
	busy ebpf.Regs // registers of the instruction at hand
}

// place is where a value is kept: in a register, a slot, both or nowhere.
type place struct {
	reg    int8 // -1: none
	slot   int16
	inSlot bool
}

// write writes the region's code.
func (w *weave) write() {
	a := &allot{w: w, at: make([]place, len(w.nodes)), uses: make([][]int, len(w.nodes))}
	for v := range a.at {
		a.at[v].reg = -1
	}
	for v := range w.nodes {
		n := &w.nodes[v]
		if !n.needed {
			continue
		}
		for _, o := range []val{n.a, n.b, n.c} {
			if o != 0 {
				a.uses[o] = append(a.uses[o], v)
			}
		}
	}
	last := &w.regs[len(w.r.blocks)]
	live := w.g.after(w.r.targets[w.target])
	each(live, func(r uint8) { a.uses[last[r]] = append(a.uses[last[r]], math.MaxInt) })
	for v := range w.nodes {
		if n := &w.nodes[v]; n.kind == nEntry && n.needed {
			a.held[n.reg], a.at[v].reg = val(v), int8(n.reg)
		}
	}
	for v := 1; v < len(w.nodes); v++ {
		if n := &w.nodes[v]; n.needed {
			a.pos, a.busy = v, 0
			a.node(val(v), n)
			a.release()
		}
	}
	a.pos, a.busy = math.MaxInt, 0
	a.settle(live, last)
}

// release lets go of what nothing needs any more.
func (a *allot) release() {
	for r, v := range a.held {
		if v != 0 && a.next(v, a.pos+1) < 0 {
			a.drop(uint8(r))
		}
	}
}

// next is the first use of a value from a position on; -1: none.
func (a *allot) next(v val, from int) int {
	for _, u := range a.uses[v] {
		if u >= from {
			return u
		}
	}
	return -1
}

func (a *allot) drop(r uint8) {
	v := a.held[r]
	a.held[r] = 0
	if v != 0 && a.at[v].reg == int8(r) {
		a.at[v].reg = -1
	}
}

// emit writes an instruction of ours.
func (a *allot) emit(in ebpf.Insn) {
	m := made()
	m.Prog = a.w.step.Prog
	a.w.x.out.put(in, m)
}

// move copies a value between a register and a slot.
func (a *allot) move(load bool, r uint8, slot int16) {
	a.w.x.out.move(a.w.x, r, slot, !load)
}

// again says whether a value is made anew where it is needed, and kept nowhere.
func (a *allot) again(v val) bool {
	k := a.w.nodes[v].kind
	return k == nNumber || k == nFrame
}

// take gives a register that is free, or is made so.
func (a *allot) take() uint8 {
	best, far := -1, -2
	for r := 9; r >= 0; r-- {
		if a.busy.Has(uint8(r)) {
			continue
		}
		v := a.held[r]
		if v == 0 {
			best = r
			break
		}
		use := a.next(v, a.pos)
		if use < 0 || a.again(v) {
			use = math.MaxInt
		}
		if use > far {
			best, far = r, use
		}
	}
	if best < 0 {
		panic(quit{"no register is free"})
	}
	a.save(uint8(best))
	return uint8(best)
}

// save empties a register: what it holds and is needed goes to a slot.
func (a *allot) save(r uint8) {
	v := a.held[r]
	if v != 0 && a.at[v].reg == int8(r) && !a.again(v) && a.next(v, a.pos) >= 0 && !a.at[v].inSlot {
		a.at[v].slot, a.at[v].inSlot = a.w.slot(), true
		a.move(false, r, a.at[v].slot)
	}
	a.drop(r)
}

// hold says that a register holds a value now.
func (a *allot) hold(r uint8, v val) {
	a.held[r], a.at[v].reg = v, int8(r)
	a.busy |= 1 << r
}

// reg has a value in a register.
func (a *allot) reg(v val) uint8 {
	if a.isTop(v) {
		return 10
	}
	if r := a.at[v].reg; r >= 0 {
		a.busy |= 1 << uint8(r)
		return uint8(r)
	}
	r := a.take()
	a.make(r, v)
	a.hold(r, v)
	return r
}

// top is the frame's own r10 as an offset from the trace's.
func (a *allot) top() int32 { return int32((len(a.w.x.frames) - 1) * trace.FrameStride) }

// isTop says whether a value is what the trace's own r10 holds.
func (a *allot) isTop(v val) bool {
	n := &a.w.nodes[v]
	return n.kind == nFrame && n.off == 0 && a.top() == 0
}

// make puts a value that is in no register into one.
func (a *allot) make(r uint8, v val) {
	n := &a.w.nodes[v]
	switch {
	case n.kind == nNumber:
		k, _ := a.w.x.b.IsConst(n.term)
		x := a.w.x
		x.step = &vm.Step{Prog: a.w.step.Prog, PC: -1}
		x.out.constant(x, r, k)
	case n.kind == nFrame:
		a.emit(mov(r, 10))
		off := int32(n.off)
		if !n.made { // ours are from the trace's r10
			off += a.top()
		}
		if off != 0 {
			a.emit(ebpf.Insn{Op: ebpf.ClassALU64 | ebpf.ALUAdd, Dst: r, Imm: off})
		}
	case a.at[v].inSlot:
		a.move(true, r, a.at[v].slot)
	default:
		panic(quit{"a value that isn't there"})
	}
}

// context gives a register that holds the context as a segment keeps it
// (emitter.context), for a load through a pointer that came over a cut.
func (a *allot) context() uint8 {
	r := a.take()
	a.move(true, r, contextSlot)
	a.busy |= 1 << r
	return r
}

// over gives a register that holds a value which is about to be overwritten: its own,
// where nothing needs it any more.
func (a *allot) over(v val) uint8 {
	if r := a.at[v].reg; r >= 0 && a.next(v, a.pos+1) < 0 && a.uses1(v) {
		a.busy |= 1 << uint8(r)
		a.drop(uint8(r))
		return uint8(r)
	}
	if a.at[v].reg < 0 && !a.isTop(v) {
		r := a.take()
		a.make(r, v)
		a.busy |= 1 << r
		return r
	}
	from := a.reg(v)
	r := a.take()
	a.emit(mov(r, from))
	a.busy |= 1 << r
	return r
}

// uses1 says whether the node at hand uses a value once.
func (a *allot) uses1(v val) bool {
	n := 0
	for _, u := range a.uses[v] {
		if u == a.pos {
			n++
		}
	}
	return n <= 1
}

// node writes one.
func (a *allot) node(v val, n *node) {
	out := &a.w.x.out
	switch n.kind {
	case nWide:
		r := a.take()
		n.in.Dst = r
		out.put(n.in, n.meta)
		out.put(n.hi, n.meta)
		a.hold(r, v)
	case nALU:
		in := n.in
		if n.b != 0 {
			in.Src = a.reg(n.b)
		}
		switch {
		case n.a != 0:
			in.Dst = a.over(n.a)
		default:
			in.Dst = a.take()
		}
		out.put(in, n.meta)
		a.hold(in.Dst, v)
	case nSelect:
		src, c := a.reg(n.b), a.reg(n.c)
		dst := a.over(n.a)
		a.emit(ebpf.Select(dst, src, c))
		a.hold(dst, v)
	case nLoad:
		in := n.in
		if n.a != 0 {
			in.Src = a.reg(n.a)
		}
		if x := a.w.x; n.meta.Mem == trace.MemCtx && x.from != nil && !out.knows(in.Src) {
			in.Src, in.Off = a.context(), int16(n.meta.Addr-x.s.CtxPtr())
		}
		r := a.take()
		in.Dst = r
		out.put(in, n.meta)
		a.hold(r, v)
	case nStore:
		in := n.in
		if n.a != 0 {
			in.Dst = a.reg(n.a)
		}
		if n.b != 0 {
			in.Src = a.reg(n.b)
			if n.term != 0 { // an atomic that fetches into it
				in.Src = a.over(n.b)
			}
		}
		out.put(in, n.meta)
		if n.term != 0 {
			a.hold(in.Src, v)
		}
	case nCall:
		a.call(v, n)
	}
}

// call writes a call, with its key where it has one.
func (a *allot) call(v val, n *node) {
	x := a.w.x
	for r := uint8(0); r <= 5; r++ {
		a.save(r)
	}
	if n.call.m >= 0 {
		m := made()
		m.Mem, m.Addr = trace.MemStack, x.s.FrameTop(0)+uint64(int64(n.off))
		x.out.put(ebpf.Insn{Op: ebpf.ClassST | ebpf.ModeMEM | ebpf.SizeW, Dst: 10, Off: n.off, Imm: int32(n.key)}, m)
		fd := n.meta
		fd.Reads, fd.Result, fd.Args, fd.Found = nil, false, 0, 0
		x.out.put(ebpf.Insn{Op: ebpf.OpLDDW, Dst: 1, Src: ebpf.PseudoMapFD, Imm: int32(n.call.m)}, fd)
		x.out.put(ebpf.Insn{}, fd)
		a.emit(mov(2, 10))
		a.emit(ebpf.Insn{Op: ebpf.ClassALU64 | ebpf.ALUAdd, Dst: 2, Imm: int32(n.off)})
	}
	x.out.put(n.in, n.meta)
	a.hold(0, v)
}

// settle puts what is live at the target where the program has it.
func (a *allot) settle(live ebpf.Regs, want *[11]val) {
	put := func(r uint8, v val) {
		from := a.at[v].reg
		if from >= 0 {
			a.emit(mov(r, uint8(from)))
		} else {
			a.make(r, v)
		}
		a.drop(r)
		a.hold(r, v)
	}
	for left := live & allRegs; left != 0; {
		stuck := uint8(10)
		before := left
		each(left, func(r uint8) {
			switch h := a.held[r]; {
			case h == want[r]:
				left &^= 1 << r
			case h != 0 && a.at[h].reg == int8(r) && a.wanted(h, left, want) && !a.again(h) && !a.at[h].inSlot:
				stuck = r // something else is to get what it holds
			default:
				put(r, want[r])
				left &^= 1 << r
			}
		})
		if left == before { // a ring of moves: one goes by the stack
			h := a.held[stuck]
			a.at[h].slot, a.at[h].inSlot = a.w.slot(), true
			a.move(false, stuck, a.at[h].slot)
		}
	}
}

// wanted says whether a register is still to get the value.
func (a *allot) wanted(v val, left ebpf.Regs, want *[11]val) bool {
	found := false
	each(left, func(n uint8) { found = found || want[n] == v })
	return found
}

const allRegs = ebpf.Regs(0x3ff) // r10 is nobody's to write
