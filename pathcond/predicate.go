package pathcond

import (
	"encoding/binary"

	"jitnic/host/ebpf"
	"jitnic/host/maps"
	"jitnic/host/vm"
	"jitnic/pathcond/bv"
	"jitnic/trace"
)

// Predication. Where a branch would become part of the condition, and its sides
// come together again within few instructions, the trace runs both, and selects:
// what the branch decides is data then, and no path parts from another by it.
//
// Both sides are executed from the program, not from the recording, so it makes
// no difference which one the packet at hand takes, and every path that comes to
// the branch in the same way does the same with it: conditions stay disjoint.
// Terms hold what the registers of the trace hold, whichever side is the one
// that counts; a value that differs is ite(predicate, one, other) where the
// sides join.
//
// The side that doesn't count runs all the same, so nothing in it may fault or
// be seen. A load stands at an address that is good either way, or goes to a
// scratch slot instead; a store does so always, by a select of its address, and
// is never done by writing back what was there, but on the stack, which is the
// trace's own. What calls, other than look-ups of array elements, or leaves the
// function, stays a branch.

// guard is one branch that code is inside of: it counts where register (or
// slot) c is not 0, or where it is 0.
type guard struct {
	c    place
	want bool // counts where c isn't 0
	pred bv.Term
}

// place is where a value is kept: a register, or a slot of the stack of ours.
type place struct {
	reg  uint8
	slot int16 // offset from r10
	mem  bool
}

// quit leaves a region: it stays a branch.
type quit struct{ why string }

// both is one branch being made data.
type both struct {
	x     *exec
	g     *graph
	prog  int32
	frame int
	left  int    // program instructions that may still be executed
	f0    *Facts // what holds whichever side counts
	// wild are terms that registers hold only where their side counts: loaded
	// through a pointer that goes to the scratch slot elsewhere, or with what
	// only that side knows of earlier stores.
	wild    map[bv.Term]bool
	slots   int16 // next slot of ours
	guard   []guard
	stopped int // the slot that the last side came to

	// Registers that may be lent for one instruction, and those that are.
	lend ebpf.Regs
	lent []lent
}

// lent is a register that is used for something else meanwhile.
type lent struct {
	reg  uint8
	at   place
	term bv.Term
}

// borrow says which registers may be lent until giveBack.
func (d *both) borrow(from ebpf.Regs) { d.lend, d.lent = from, d.lent[:0] }

// giveBack gives registers that were lent their values again.
func (d *both) giveBack() {
	for i := len(d.lent) - 1; i >= 0; i-- {
		l := &d.lent[i]
		d.get(l.reg, l.at)
		d.x.r[l.reg] = l.term
		d.slots = min(d.slots, l.at.slot-d.ours(0))
	}
	d.lent, d.lend = d.lent[:0], 0
}

// Regions counts the branches that predication looked at.
type Regions struct {
	Joined int            // made data
	Left   map[string]int // left branches, by reason
}

// together makes a branch data if it can: it then says true, and execution goes
// on where the sides join.
func (x *exec) together(in ebpf.Insn, p bv.Term) bool {
	c := x.c
	if c.Predicate <= 0 || x.quiet != nil {
		return false
	}
	if _, ok := x.f.Known(p); ok || x.b.Opaque(p) || in.Op == ebpf.OpMayGo {
		return false
	}
	g := c.graphOf(x.step.Prog)
	r := g.region(int(x.step.PC))
	if r.join == nowhere {
		return false
	}
	if len(x.frames) >= trace.Frames {
		return false
	}
	d := &both{x: x, g: g, prog: x.step.Prog, frame: len(x.frames) - 1, left: c.Predicate, f0: x.f, wild: map[bv.Term]bool{}, slots: firstSlot}
	if why := d.try(int(x.step.PC), p); why != "" {
		c.Regions.left(why)
		return false
	}
	c.Regions.Joined++
	x.path.Predicated++
	x.resume = r.join
	return true
}

func (r *Regions) left(why string) {
	if r.Left == nil {
		r.Left = map[string]int{}
	}
	r.Left[why]++
}

// try executes the branch at pc, or leaves everything as it was.
func (d *both) try(pc int, p bv.Term) (why string) {
	x := d.x
	undo := x.mark()
	step, facts := x.step, x.f
	x.quiet = d
	defer func() {
		x.quiet = nil
		x.step, x.f, x.active = step, facts, 0
		if e := recover(); e != nil {
			q, ok := e.(quit)
			if !ok {
				panic(e)
			}
			why = q.why
			undo()
		}
	}()
	d.diamond(pc, p, 0, 0)
	return ""
}

// mark remembers the state of an execution; what it returns goes back to it.
func (x *exec) mark() (undo func()) {
	r, stack := x.r, append([]byteRef(nil), x.stack...)
	packet := len(x.packet.stores)
	logs := map[int]int{}
	for i, m := range x.maps {
		logs[i] = len(m.log.stores)
	}
	code, opaque := len(x.out.code), x.opaque
	return func() {
		x.r, x.opaque = r, opaque
		copy(x.stack, stack)
		x.packet.stores = x.packet.stores[:packet]
		for i, m := range x.maps {
			m.log.stores = m.log.stores[:logs[i]]
		}
		x.out.code, x.out.meta = x.out.code[:code], x.out.meta[:code]
		x.selected = false
	}
}

const allRegs = ebpf.Regs(0x3ff) // r10 is nobody's to write

// Slots of ours stand in the frame above, which isn't in use: offsets from the
// top of the frame that is.
const (
	scratch   = int16(trace.FrameStride - trace.FrameSize) // where accesses of the side that doesn't count go
	firstSlot = scratch + 8
	lastSlot  = int16(trace.FrameStride - 8)
)

// diamond executes both sides of the branch at pc, whose predicate is p, up to
// where they join. keep are registers that code around still needs; claimed are
// those that hold values of ours.
func (d *both) diamond(pc int, p bv.Term, keep, claimed ebpf.Regs) {
	x, g := d.x, d.g
	in := g.code[pc]
	r := g.region(pc)
	if r.join == nowhere {
		panic(quit{"its sides don't come together nearby"})
	}
	s := g.sides(pc)
	live := [2]ebpf.Regs{g.live[s[0]], g.live[s[1]]}
	after := g.after(r.join)
	free := allRegs &^ (r.used | live[0] | live[1] | after | keep | claimed)
	slots, outer := d.slots, x.f
	take := func() place {
		for n := uint8(0); n < 10; n++ {
			if free.Has(n) {
				free &^= 1 << n
				claimed |= 1 << n
				return place{reg: n}
			}
		}
		return d.slot()
	}
	d.at(pc)
	all := free
	free &^= in.Reads() // the condition is worked out from them
	c := take()
	free = all &^ claimed
	d.borrow(allRegs &^ (claimed | in.Reads()))
	first := d.condition(in, c, allRegs&^(live[0]|live[1]|keep|claimed|in.Reads()))
	d.giveBack()
	side := func(n int) bv.Term { // the predicate under which side n counts
		if n == 1 {
			return p
		}
		return x.b.Not(p)
	}
	second := 1 - first
	run := func(n int, others ebpf.Regs) {
		x.f = outer.clone()
		x.f.learn(side(n))
		d.guard = append(d.guard, guard{c, n == first, side(n)})
		active := x.active
		if active == 0 {
			x.active = side(n)
		} else {
			x.active = x.b.AndB(active, side(n))
		}
		d.run(s[n], r.join, keep|others, claimed)
		x.active = active
		d.guard = d.guard[:len(d.guard)-1]
		x.f = outer
	}
	before := x.r
	var saved, result [10]place
	restore := r.writes[first] & live[second]
	each(restore, func(n uint8) { saved[n] = take(); d.put(saved[n], n) })
	run(first, live[second])
	one := x.r
	differ := (r.writes[0] | r.writes[1]) & after
	if g.stops(s[second], r.join) { // nothing on that side: what was there before is what it gives
		each(differ, func(n uint8) {
			if one[n] != before[n] || d.strays(one[n]) {
				d.borrow(allRegs &^ (claimed | 1<<n))
				d.selectOld(n, saved[n], c, allRegs&^(after|keep|claimed))
				d.giveBack()
				x.r[n] = x.b.Ite(side(first), one[n], before[n])
			}
		})
		d.slots = slots
		return
	}
	each(differ, func(n uint8) { result[n] = take(); d.put(result[n], n) })
	each(restore, func(n uint8) { d.get(n, saved[n]); x.r[n] = before[n] })
	run(second, 0)
	each(differ, func(n uint8) {
		if x.r[n] != one[n] || d.strays(one[n]) {
			spare := allRegs &^ (after | keep | claimed)
			d.borrow(allRegs &^ (claimed | 1<<n))
			from := d.load(result[n], &spare)
			d.emit(ebpf.Select(n, from, d.load(c, &spare)))
			d.giveBack()
			x.r[n] = x.b.Ite(side(first), one[n], x.r[n])
		}
	})
	d.slots = slots
}

func each(s ebpf.Regs, f func(n uint8)) {
	for n := uint8(0); n < 10; n++ {
		if s.Has(n) {
			f(n)
		}
	}
}

// selectOld gives register n what it held before where c is 0.
func (d *both) selectOld(n uint8, old, c place, spare ebpf.Regs) {
	t := old.reg
	if old.mem {
		t = d.load(old, &spare)
	}
	d.emit(ebpf.Select(t, n, d.load(c, &spare)))
	d.emit(mov(n, t))
}

func mov(dst, src uint8) ebpf.Insn {
	return ebpf.Insn{Op: ebpf.ClassALU64 | ebpf.ALUMov | ebpf.SrcX, Dst: dst, Src: src}
}

func alu(op, dst, src uint8) ebpf.Insn {
	return ebpf.Insn{Op: ebpf.ClassALU64 | op | ebpf.SrcX, Dst: dst, Src: src}
}

func aluK(op, dst uint8, k int32) ebpf.Insn {
	return ebpf.Insn{Op: ebpf.ClassALU64 | op, Dst: dst, Imm: k}
}

// emit writes an instruction of ours.
func (d *both) emit(in ebpf.Insn) {
	m := made()
	m.Prog = d.prog
	d.x.out.put(in, m)
}

// at makes pc the instruction at hand.
func (d *both) at(pc int) {
	d.x.step = &vm.Step{Prog: d.prog, PC: int32(pc), Frame: int32(d.frame)}
	d.x.code = d.g.code
}

// slot is a fresh slot on the stack.
func (d *both) slot() place {
	if d.slots > lastSlot {
		panic(quit{"no room for values"})
	}
	p := place{mem: true, slot: d.ours(d.slots)}
	d.slots += 8
	return p
}

// ours is a slot's offset from r10.
func (d *both) ours(at int16) int16 { return int16(d.frame*trace.FrameStride) + at }

// access writes a load or store of a slot of ours.
func (d *both) access(op, dst, src uint8, off int16, imm int32) {
	m := made()
	m.Mem, m.Addr = trace.MemStack, d.x.s.FrameTop(0)+uint64(int64(off))
	d.x.out.put(ebpf.Insn{Op: op, Dst: dst, Src: src, Off: off, Imm: imm}, m)
}

func (d *both) put(p place, n uint8) {
	if p.mem {
		d.access(ebpf.ClassSTX|ebpf.ModeMEM|ebpf.SizeDW, 10, n, p.slot, 0)
		return
	}
	d.emit(mov(p.reg, n))
}

func (d *both) get(n uint8, p place) {
	if p.mem {
		d.access(ebpf.ClassLDX|ebpf.ModeMEM|ebpf.SizeDW, n, 10, p.slot, 0)
		return
	}
	d.emit(mov(n, p.reg))
}

// load has a kept value in a register: its own, or a spare one.
func (d *both) load(p place, spare *ebpf.Regs) uint8 {
	if !p.mem {
		return p.reg
	}
	n := d.spare(spare)
	d.get(n, p)
	return n
}

// spare takes a register that nothing needs, or lends one.
func (d *both) spare(s *ebpf.Regs) uint8 {
	for n := uint8(0); n < 10; n++ {
		if s.Has(n) {
			*s &^= 1 << n
			d.lend &^= 1 << n
			return n
		}
	}
	for n := uint8(0); n < 10; n++ {
		if d.lend.Has(n) {
			d.lend &^= 1 << n
			l := lent{n, d.slot(), d.x.r[n]}
			d.put(l.at, n)
			d.lent = append(d.lent, l)
			return n
		}
	}
	panic(quit{"no register is free"})
}

// condition computes a number that is not 0 where the branch goes to side first.
func (d *both) condition(in ebpf.Insn, c place, spare ebpf.Regs) (first int) {
	t := c.reg
	if c.mem {
		t = d.spare(&spare)
	}
	narrow := in.Class() == ebpf.ClassJMP32
	operand := func(to uint8, signed bool) { // the second operand
		switch {
		case in.Op&ebpf.SrcX == 0 && narrow && !signed:
			d.emit(ebpf.Insn{Op: ebpf.ClassALU | ebpf.ALUMov, Dst: to, Imm: in.Imm})
		case in.Op&ebpf.SrcX == 0:
			d.emit(aluK(ebpf.ALUMov, to, in.Imm))
		default:
			d.emit(d.widen(to, in.Src, narrow, signed))
		}
	}
	with := func(op uint8, signed bool) { // t = t op the second operand
		wide := !narrow || signed
		if in.Op&ebpf.SrcX == 0 && (wide || op != ebpf.ALUSub || in.Imm >= 0) {
			if op == ebpf.ALUSub && in.Imm == -1<<31 {
				panic(quit{"a comparison with the least number"})
			}
			i := aluK(op, t, in.Imm)
			if !wide && op != ebpf.ALUSub {
				i.Op = i.Op&^7 | ebpf.ClassALU
			}
			d.emit(i)
			return
		}
		if in.Op&ebpf.SrcX != 0 && !narrow {
			d.emit(alu(op, t, in.Src))
			return
		}
		u := d.spare(&spare)
		operand(u, signed)
		d.emit(alu(op, t, u))
	}
	// less is 1 where the first operand is below the second, or above it: the
	// sign of their difference, where both are far from the ends.
	less := func(swapped, signed bool) {
		if !narrow && !d.near(in) {
			if signed {
				panic(quit{"a signed comparison of large numbers"})
			}
			d.below(t, in, swapped, operand, &spare)
			return
		}
		if swapped {
			operand(t, signed)
			if !narrow {
				d.emit(alu(ebpf.ALUSub, t, in.Dst))
			} else {
				u := d.spare(&spare)
				d.emit(d.widen(u, in.Dst, narrow, signed))
				d.emit(alu(ebpf.ALUSub, t, u))
			}
		} else {
			d.emit(d.widen(t, in.Dst, narrow, signed))
			with(ebpf.ALUSub, signed)
		}
		d.emit(aluK(ebpf.ALURsh, t, 63))
	}
	first = 1
	switch in.JmpOp() {
	case ebpf.JmpNE, ebpf.JmpEQ:
		d.emit(d.widen(t, in.Dst, narrow, false))
		if in.Op&ebpf.SrcX != 0 || in.Imm != 0 {
			with(ebpf.ALUXor, false)
		}
		if in.JmpOp() == ebpf.JmpEQ {
			first = 0
		}
	case ebpf.JmpSET:
		d.emit(d.widen(t, in.Dst, narrow, false))
		with(ebpf.ALUAnd, false)
	case ebpf.JmpLT, ebpf.JmpSLT:
		less(false, in.JmpOp() == ebpf.JmpSLT)
	case ebpf.JmpGT, ebpf.JmpSGT:
		less(true, in.JmpOp() == ebpf.JmpSGT)
	case ebpf.JmpGE, ebpf.JmpSGE:
		less(false, in.JmpOp() == ebpf.JmpSGE)
		first = 0
	case ebpf.JmpLE, ebpf.JmpSLE:
		less(true, in.JmpOp() == ebpf.JmpSLE)
		first = 0
	default:
		panic(quit{"a jump of another kind"})
	}
	if c.mem {
		d.put(c, t)
	}
	return first
}

// widen copies a register, the low half of it where the comparison is of 32
// bits.
func (d *both) widen(to, from uint8, narrow, signed bool) ebpf.Insn {
	in := mov(to, from)
	switch {
	case narrow && signed:
		in.Off = 32
	case narrow:
		in.Op = in.Op&^7 | ebpf.ClassALU
	}
	return in
}

// near says whether 64-bit operands are far from both ends of the numbers, so
// that the sign of their difference is their order.
func (d *both) near(in ebpf.Insn) bool {
	x := d.x
	const far = 1 << 62
	small := func(r uint8) bool {
		_, hi := d.f0.Bounds(x.r[r])
		return hi < far && !d.strays(x.r[r])
	}
	if in.Op&ebpf.SrcX != 0 {
		return small(in.Dst) && small(in.Src)
	}
	return small(in.Dst) && in.Imm >= 0
}

// below computes in t whether one 64-bit number is below another, the operands of
// a jump: the borrow of their difference, (^a & b | ^(a ^ b) & (a - b)) >> 63.
func (d *both) below(t uint8, in ebpf.Insn, swapped bool, operand func(to uint8, signed bool), spare *ebpf.Regs) {
	b, u, v := in.Src, d.spare(spare), d.spare(spare)
	if in.Op&ebpf.SrcX == 0 {
		b = d.spare(spare)
		operand(b, true)
	}
	a := in.Dst
	if swapped {
		a, b = b, a
	}
	d.emit(mov(u, a))
	d.emit(alu(ebpf.ALUXor, u, b))
	d.emit(aluK(ebpf.ALUXor, u, -1))
	d.emit(mov(v, a))
	d.emit(alu(ebpf.ALUSub, v, b))
	d.emit(alu(ebpf.ALUAnd, u, v))
	d.emit(mov(t, a))
	d.emit(aluK(ebpf.ALUXor, t, -1))
	d.emit(alu(ebpf.ALUAnd, t, b))
	d.emit(alu(ebpf.ALUOr, t, u))
	d.emit(aluK(ebpf.ALURsh, t, 63))
}

// run executes one side from pc until stop.
func (d *both) run(pc, stop int, keep, claimed ebpf.Regs) {
	x := d.x
	for !d.g.stops(pc, stop) {
		if d.left--; d.left < 0 {
			panic(quit{"more instructions than --predicate allows"})
		}
		d.at(pc)
		in := d.g.code[pc]
		next := pc + 1
		spare := func() ebpf.Regs {
			return allRegs &^ (d.g.live[pc] | d.g.live[next] | in.Reads() | in.Writes() | keep | claimed)
		}
		switch in.Class() {
		case ebpf.ClassALU, ebpf.ClassALU64:
			x.one(in)
		case ebpf.ClassLD:
			next = pc + 2
			d.wide(in, d.g.code[pc+1])
		case ebpf.ClassLDX:
			d.borrow(allRegs &^ (claimed | in.Reads() | in.Writes()))
			d.loadInsn(in, spare())
			d.giveBack()
		case ebpf.ClassST, ebpf.ClassSTX:
			d.borrow(allRegs &^ (claimed | in.Reads() | in.Writes()))
			d.storeInsn(in, spare())
			d.giveBack()
		default:
			switch {
			case in.Op == ebpf.OpJA:
				next = pc + 1 + int(in.Off)
			case in.Op == ebpf.OpJA32:
				next = pc + 1 + int(in.Imm)
			case in.Op == ebpf.OpCall && in.Src == ebpf.CallHelper:
				d.call(in)
			case in.IsCondJump() && in.Op != ebpf.OpMayGo:
				next = d.branch(pc, in, keep, claimed)
			default:
				panic(quit{"a call, or the end, on one side"})
			}
		}
		pc = next
	}
	d.stopped = pc
}

// branch goes on behind a branch inside a side.
func (d *both) branch(pc int, in ebpf.Insn, keep, claimed ebpf.Regs) int {
	x := d.x
	p, ok := Branch(x.b, in, x.r[in.Dst], x.r[in.Src%11])
	if !ok || x.b.Opaque(p) {
		panic(quit{"a branch on what can't be known before the run"})
	}
	if v, ok := x.f.Known(p); ok {
		return d.g.sides(pc)[bv.Bit(v)]
	}
	d.diamond(pc, p, keep, claimed)
	if join := d.g.region(pc).join; join != ends {
		return join
	}
	return d.stopped
}

// wide executes a load of a constant.
func (d *both) wide(lo, hi ebpf.Insn) {
	x := d.x
	var v uint64
	switch lo.Src {
	case ebpf.PseudoNone:
		v = ebpf.Const64(lo, hi)
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
	x.r[lo.Dst] = x.b.Const(v, 64)
	x.out.wide(x, lo, hi)
}

// concrete is the address in the recorded run.
func (d *both) concrete(addr bv.Term) uint64 {
	x := d.x
	base, off := x.split(addr)
	if base == 0 {
		return off
	}
	if at, ok := x.bases[base]; ok {
		return at + off
	}
	// Where the condition says already that a look-up finds something, every run
	// that comes here has found it.
	if null, ok := d.f0.Known(x.b.Bin(bv.OpEq, base, x.u64(0))); ok && !null {
		if at, ok := x.found[base]; ok {
			return at + off
		}
	}
	panic(quit{"an address that the path hasn't come to before"})
}

// loadInsn executes a load.
func (d *both) loadInsn(in ebpf.Insn, spare ebpf.Regs) {
	x := d.x
	addr := x.b.Bin(bv.OpAdd, x.r[in.Src], x.u64(uint64(int64(in.Off))))
	at := d.concrete(addr)
	x.step.Addr = at
	_, constant := x.b.IsConst(addr)
	if x.s.IsCtx(at) {
		if !constant {
			panic(quit{"a load at an address that the sides make"})
		}
		x.load(in)
		return
	}
	kind, owner := x.place(at, in.Size())
	// What a side knows may settle which store it reads.
	stray := kind == trace.MemPacket && len(x.packet.stores) > 0 || kind == trace.MemMap && len(x.mapState(owner).log.stores) > 0
	switch {
	case constant && kind != trace.MemOther && kind != trace.MemPacket:
	case kind == trace.MemStack || kind == trace.MemOther || kind == trace.MemNone:
		panic(quit{"a load at an address that the sides make"})
	case kind == trace.MemPacket:
		if d.strays(addr) || !d.inside(addr, in.Size()) {
			panic(quit{"a load that only one side has checked"})
		}
	default:
		base, _ := d.x.b.SplitAdd(addr)
		if null, ok := d.f0.Known(x.b.Bin(bv.OpEq, base, x.u64(0))); !ok || null || !x.valueBase(base) || d.strays(addr) {
			in.Src = d.redirect(in.Src, in.Off, &spare)
			stray, x.selected = true, true
		}
	}
	x.load(in)
	x.selected = false
	if stray {
		d.wild[x.r[in.Dst]] = true
	}
}

// strays says whether a register may hold something else than the term where
// the side at hand doesn't count.
func (d *both) strays(t bv.Term) bool {
	if len(d.wild) == 0 {
		return false
	}
	found := false
	d.x.b.Walk(t, map[bv.Term]bool{}, func(t bv.Term) bool {
		found = found || d.wild[t]
		return !found
	})
	return found
}

// inside says whether a packet access is good whichever side counts.
func (d *both) inside(addr bv.Term, n int) bool {
	x := d.x
	end := x.b.Bin(bv.OpAdd, addr, x.u64(uint64(n)))
	over, ok := d.f0.Known(x.b.Bin(bv.OpULt, x.dataEnd, end))
	under, ok2 := d.f0.Known(x.b.Bin(bv.OpULt, addr, x.meta))
	return ok && ok2 && !over && !under && x.frags == 0
}

// storeInsn executes a store or an atomic.
func (d *both) storeInsn(in ebpf.Insn, spare ebpf.Regs) {
	x := d.x
	base := in.Dst
	acquire := in.IsAtomic() && in.Imm == ebpf.AtomicLoadAcq
	if acquire {
		panic(quit{"a load_acquire on one side"})
	}
	addr := x.b.Bin(bv.OpAdd, x.r[base], x.u64(uint64(int64(in.Off))))
	at := d.concrete(addr)
	x.step.Addr = at
	kind, _ := x.place(at, in.Size())
	switch kind {
	case trace.MemStack:
		if _, ok := x.b.IsConst(addr); !ok || in.IsAtomic() {
			panic(quit{"a store at an address that the sides make"})
		}
		d.storeStack(in, at, spare)
		return
	case trace.MemPacket, trace.MemMap:
	default:
		panic(quit{"a store to other memory on one side"})
	}
	if in.Class() == ebpf.ClassSTX && in.Src == 10 {
		panic(quit{"a stack address stored on one side"})
	}
	in.Dst = d.redirect(base, in.Off, &spare)
	x.selected = len(d.guard) > 0
	if in.IsAtomic() {
		x.atomic(in)
		each(in.Writes(), func(n uint8) { d.wild[x.r[n]] = true })
	} else {
		x.storeInsn(in)
	}
	x.selected = false
}

// redirect gives a register that holds what base does where all branches around
// count, and points to our scratch slot elsewhere, less off.
func (d *both) redirect(base uint8, off int16, spare *ebpf.Regs) uint8 {
	n := d.counts(base, spare, func(n uint8) {
		d.emit(mov(n, 10))
		d.emit(aluK(ebpf.ALUAdd, n, int32(d.ours(scratch))-int32(off)))
	})
	d.x.r[n] = d.x.r[base]
	return n
}

// counts gives a register that holds what v does where all branches around
// count, and what other puts into a register elsewhere.
func (d *both) counts(v uint8, spare *ebpf.Regs, other func(n uint8)) uint8 {
	mine := false // v is a register of ours
	for i := len(d.guard) - 1; i >= 0; i-- {
		g := d.guard[i]
		rest := *spare
		n := d.spare(&rest)
		if g.want {
			other(n)
			d.emit(ebpf.Select(n, v, d.load(g.c, &rest)))
			*spare &^= 1 << n
			if mine {
				*spare |= 1 << v
			}
			v, mine = n, true
			continue
		}
		if !mine {
			d.emit(mov(n, v))
			v, mine = n, true
			*spare &^= 1 << n
			rest = *spare
			n = d.spare(&rest)
		}
		other(n)
		d.emit(ebpf.Select(v, n, d.load(g.c, &rest)))
	}
	return v
}

// storeStack executes a store to the stack: what was there is written back where
// this side doesn't count.
func (d *both) storeStack(in ebpf.Insn, at uint64, spare ebpf.Regs) {
	x := d.x
	n := in.Size()
	o := at - x.s.Stack
	off := int16(int64(at) - int64(x.s.FrameTop(0)))
	var val bv.Term
	v := in.Src
	if in.Class() == ebpf.ClassST {
		val = x.u64(uint64(int64(in.Imm)))
		v = d.spare(&spare)
		d.emit(aluK(ebpf.ALUMov, v, in.Imm))
	} else {
		val = x.r[in.Src]
		if in.Src == 10 {
			panic(quit{"a stack address stored on one side"})
		}
	}
	fresh := 0
	for i := uint64(0); i < uint64(n); i++ {
		if x.stack[o+i].term == 0 {
			fresh++
		}
	}
	if fresh > 0 && fresh < n { // a fresh frame is zero, the trace's isn't
		for i := uint64(0); i < uint64(n); i++ {
			if x.stack[o+i].term == 0 {
				d.access(ebpf.ClassST|ebpf.ModeMEM|ebpf.SizeB, 10, 0, off+int16(i), 0)
				x.stack[o+i] = byteRef{x.b.Const(0, 8), 0}
			}
		}
	}
	r := d.counts(v, &spare, func(to uint8) {
		if fresh == n {
			d.emit(aluK(ebpf.ALUMov, to, 0))
			return
		}
		d.access(ebpf.ClassLDX|ebpf.ModeMEM|in.Op&0x18, to, 10, off, 0)
	})
	d.access(ebpf.ClassSTX|ebpf.ModeMEM|in.Op&0x18, 10, r, off, 0)
	old := x.joinBytes(x.stack[o : o+uint64(n)])
	t := x.b.Ite(x.active, x.b.Extract(val, 0, 8*n), old)
	for i := uint64(0); i < uint64(n); i++ {
		x.stack[o+i] = byteRef{t, uint8(i)}
	}
}

// pure are helpers that may be called on a side that doesn't count.
var pure = map[int32]bool{
	ebpf.FnKtimeGetNs: true, ebpf.FnKtimeGetBootNs: true, ebpf.FnKtimeGetTaiNs: true, ebpf.FnKtimeGetCoarseNs: true, ebpf.FnJiffies64: true,
	ebpf.FnGetSmpProcessorId: true, ebpf.FnGetNumaNodeId: true,
}

// call executes a call: of a function of latched inputs, or a look-up of an
// array's element whose number is a constant.
func (d *both) call(in ebpf.Insn) {
	x := d.x
	c := &call{in: in, rec: &vm.Call{Helper: in.Imm, Map: -1}, m: -1, meta: x.here()}
	switch {
	case pure[in.Imm]:
		r0 := symHelpers[in.Imm](x, c)
		x.out.call(x, c, r0)
		d.result(r0)
	case in.Imm == ebpf.FnMapLookupElem:
		d.result(d.lookup(c))
	default:
		panic(quit{"a call with an effect on one side"})
	}
}

func (d *both) result(r0 bv.Term) {
	x := d.x
	x.r[0] = r0
	for i := 1; i <= 5; i++ {
		x.r[i] = x.unknown(64)
	}
}

// lookup looks up an array's element. The number stands in a slot of ours, so
// that the look-up is the same whichever side counts.
func (d *both) lookup(c *call) bv.Term {
	x := d.x
	ptr, ok := x.b.IsConst(x.r[1])
	i, isMap := vm.MapOf(ptr)
	if !ok || !isMap || i >= len(x.s.Maps) {
		panic(quit{"a look-up in a map that no constant names"})
	}
	spec := x.s.Maps[i].Spec()
	if _, of := x.s.Maps[i].(maps.OfMaps); of || !isArray(spec.Type) || spec.KeySize != 4 || x.mapState(i).poisoned || x.c.Specialise && x.readMostly(i) {
		panic(quit{"a look-up with an effect, or of a key, on one side"})
	}
	at, ok := x.b.IsConst(x.r[2])
	if !ok || at-x.s.Stack+4 > uint64(len(x.stack)) {
		panic(quit{"a key that isn't on the stack"})
	}
	o := at - x.s.Stack
	key := x.f.fixed(x.joinBytes(x.stack[o : o+4]))
	k, ok := x.b.IsConst(key)
	if !ok || k >= uint64(spec.Max) {
		panic(quit{"a look-up of a key that varies on one side"})
	}
	slot := d.slot().slot
	d.access(ebpf.ClassST|ebpf.ModeMEM|ebpf.SizeW, 10, 0, slot, int32(k))
	d.emit(mov(2, 10))
	d.emit(aluK(ebpf.ALUAdd, 2, int32(slot)))
	c.m = i
	c.meta.Map, c.meta.Args, c.meta.Result = int32(i), 2, true
	c.meta.Reads = append(c.meta.Reads, trace.Span{Addr: x.s.FrameTop(0) + uint64(int64(slot)), N: 4})
	r0 := x.initialLookup(i, []bv.Term{key})
	var b [4]byte
	binary.LittleEndian.PutUint32(b[:], uint32(k))
	if _, ok := x.b.IsConst(r0); !ok {
		x.bases[r0] = x.s.Maps[i].Peek(b[:], x.s.CPU)
		// Elements of an array are there.
		there := x.b.Bin(bv.OpEq, r0, x.u64(0))
		x.f.Learn(there, false)
		d.f0.Learn(there, false)
	}
	x.out.call(x, c, r0)
	return r0
}
