package native

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"unsafe"

	"jitnic/host/ebpf"
	"jitnic/host/maps"
	"jitnic/host/points"
	"jitnic/host/vm"
	"jitnic/nic"
	"jitnic/nic/native/asm"
	"jitnic/nic/native/code"
	"jitnic/pathcond/bv"
	"jitnic/trace"
)

// pkt is where the packet stands for a trace and for the guard tree: in the
// buffer, or, of a batch, where it was read to. A trace that needs the frame's
// address in this register finds the packet in the buffer always.
const pkt = asm.R10

// A trace is straight-line code, so more is known of it than of a program:
// the stack and, until a helper moves it, the packet stand at fixed addresses.
// Registers that only point there are never made; what nothing reads is left
// out.

// Machine is what native code of one State shares: the memory for code, the
// context, and where the traces in trace memory begin. Not safe for concurrent
// use.
type Machine struct {
	S   *vm.State
	Mem *code.Memory
	ctx *context
	places
	work  work
	wrong error // of a guard tree's code that was read back: traces then don't run either
}

// NewMachine makes a machine whose code lies in mem.
func NewMachine(s *vm.State, mem *code.Memory) *Machine {
	m := &Machine{S: s, Mem: mem, ctx: new(context)}
	m.ctx.forget()
	return m
}

// ReadBack says on how many sets of numbers traces are read back when they are
// bound; 0: on one.
func (m *Machine) ReadBack(sets int) { m.work.sets = sets }

// forget makes all results of look-ups unknown.
func (c *context) forget() {
	for i := range c.found {
		c.found[i] = unknown
	}
}

// Traces is a nic.Engine of machine code.
type Traces struct {
	m    *Machine
	tree *Matcher   // nil: every trace makes its own look-ups
	slow nic.Holder // for traces that find no room, and for the first runs
	lazy bool       // a trace is compiled when it is hot, not at once
}

// NewTraces makes an engine for traces on the machine's State, which take
// look-ups over from tree (nil: none). slow takes those for which there is no
// room. With [Auto] it also runs a trace until that is hot; a result is the same.
func NewTraces(m *Machine, tree *Matcher, slow nic.Holder, c Choice) *Traces {
	return &Traces{m, tree, slow, c == Auto}
}

// Bind compiles a trace, or has it ready to be compiled when it is hot. It
// refuses what is no straight-line code, with the slot and the cause.
func (e *Traces) Bind(p nic.Path, t *trace.Trace) (nic.Code, error) { return e.BindHeld(p, t, nil) }

// BindHeld is nic.Holder's.
func (e *Traces) BindHeld(p nic.Path, t *trace.Trace, h *nic.Held) (nic.Code, error) {
	if e.lazy {
		slow, err := e.slow.BindHeld(p, t, h)
		if err != nil {
			return nil, err
		}
		l := &later{e: e, path: p, trace: t, held: h, slow: slow}
		if e.m.host.u != nil {
			if e.m.cold == nil {
				e.m.cold = map[nic.Path]*later{}
			}
			e.m.cold[p] = l
		}
		return l, nil
	}
	x, err := e.compile(p, t, h)
	if errors.Is(err, code.ErrFull) {
		return e.slow.BindHeld(p, t, h)
	}
	if err != nil {
		return nil, err
	}
	return x, nil
}

// compile makes machine code of a trace, which batches run too from then on.
func (e *Traces) compile(p nic.Path, t *trace.Trace, h *nic.Held) (*Trace, error) {
	if e.m.wrong != nil {
		return nil, e.m.wrong
	}
	var have []bv.Term
	if e.tree != nil {
		have = e.tree.Lookups(p)
	}
	x, err := bind(e.m, p, t, have, h)
	if err != nil {
		return nil, err
	}
	e.m.put(p, x)
	return x, nil
}

// Trace is a trace as machine code.
type Trace struct {
	m      *Machine
	block  *code.Block
	code   []ebpf.Insn
	place  []int32 // by slot
	path   nic.Path
	enter  int32   // where code loads all registers
	start  uintptr // for the packet that has begun on the State
	batch  uintptr // for one of a batch
	counts uintptr // where that comes to, its fields and bytes made ready; within the code
	ready  uintptr // where what makes them ready ends; likewise
	ret    uintptr // where it goes on at its end, to come back to Go
	uses   fields
	byPkt  bool
	copies int  // how many bytes of a batch's packet it copies at most
	taken  int  // look-ups taken over
	alone  bool // but it has to make them
	held   *nic.Held
	stores []heldStore // that are held back, in order
	moves  []headMove
	extra  int // work beside that of its code, in bytes of it: loops of look-ups
}

func bind(m *Machine, p nic.Path, t *trace.Trace, have []bv.Term, h *nic.Held) (*Trace, error) {
	x, text, err := compileTrace(&m.work, m.S, p, t, have, h != nil)
	if err != nil {
		return nil, err
	}
	x.m, x.held = m, h
	if x.block, err = m.Mem.Put(text); err != nil {
		return nil, err
	}
	if err := x.block.Name("path " + strconv.Itoa(int(p))); err != nil {
		x.block.Free()
		return nil, err
	}
	x.start += x.block.Addr()
	x.batch += x.block.Addr()
	x.ret += x.block.Addr()
	return x, nil
}

// Free gives the code's memory back; the trace can't run any more.
func (t *Trace) Free() {
	t.m.take(t)
	t.block.Free()
}

// Run executes the trace on the packet that has begun on the State, whose
// condition holds. An error is a fault of jitnic's own.
func (t *Trace) Run() (uint64, error) {
	m := t.m
	s, x := m.S, m.ctx
	s.Depth = vm.MaxFrames - 1 // inlined calls use the frames above
	if t.uses != 0 {
		x.load(s)
	}
	if t.alone {
		x.forget()
	}
	x.pc, x.next, x.counted = done, t.ret, t.ret
	held := t.hold()
	code.Enter(t.start, unsafe.Pointer(x), uintptr(unsafe.Pointer(&s.Mem.B[0])))
	return t.finish(held)
}

// finish runs what code has left to Go, and what comes after it. held is where
// stores that are held back are described.
func (t *Trace) finish(held []nic.Overwritten) (uint64, error) {
	s, x := t.m.S, t.m.ctx
	base := uintptr(unsafe.Pointer(&s.Mem.B[0]))
	moved := 0
	for x.pc != done {
		moved = t.begins(moved, int(x.pc))
		if err := t.leave(int(x.pc), held); err != nil {
			return 0, fmt.Errorf("native trace: insn %d: %w", x.pc, err)
		}
		x.resume = t.block.Addr() + uintptr(t.place[x.pc+1])
		x.pc = done
		x.load(s)
		if t.byPkt {
			x.r[pkt] = uint64(base) + s.Buf + vm.Headroom
		}
		code.Enter(t.block.Addr()+uintptr(t.enter), unsafe.Pointer(x), base)
	}
	t.begins(moved, len(t.code))
	return x.r[0], nil
}

// leave runs the one instruction that code has left to Go: a helper, or an
// access to what it could not place.
func (t *Trace) leave(pc int, held []nic.Overwritten) error {
	s, r := t.m.S, &t.m.ctx.r
	in := t.code[pc]
	r[10] = s.FrameTop(0)
	if in.Op == ebpf.OpCall {
		if f := vm.Helper(in.Imm)(s, r); f != nil {
			return f
		}
		return nil
	}
	n := in.Size()
	load := in.IsLoad() || in.IsAtomic() && in.Imm == ebpf.AtomicLoadAcq
	a := r[in.Dst]
	if load {
		a = r[in.Src]
	}
	a += uint64(int64(in.Off))
	if !s.Reach(a, uint64(n), !load) || in.IsAtomic() && !s.Reach(a, uint64(n), false) {
		if v, ok := s.CtxLoad(a, n); ok && load && in.Mode() == ebpf.ModeMEM {
			r[in.Dst] = v
			return nil
		}
		return fmt.Errorf("access of %d bytes at %#x", n, a)
	}
	if !load {
		t.overwrites(pc, held, a)
	}
	switch {
	case in.IsAtomic():
		stored, write, to, back := vm.Atomic(in, n, s.Load(a, n), r[in.Src], r[0])
		if write {
			s.Store(a, n, stored)
		}
		if to >= 0 {
			r[to] = back
		}
	case load:
		v := s.Load(a, n)
		if in.Mode() == ebpf.ModeMEMSX {
			v = vm.SignExtend(v, n)
		}
		r[in.Dst] = v
	case in.Class() == ebpf.ClassST:
		s.Store(a, n, uint64(int64(in.Imm)))
	default:
		s.Store(a, n, r[in.Src])
	}
	return nil
}

// line is what the compiler knows of a trace beside what it knows of programs.
type line struct {
	t     *trace.Trace
	info  []lineInfo
	moved bool  // a helper of Go's has moved the packet
	at    int32 // else, where it begins, in bytes from where it began at first
	low   int32 // the least that was
	moves []headMove
	dirty []bool    // by map: the trace has changed it so far
	all   bool      // a helper may have changed any map
	byPkt bool      // the packet's bytes are reached by pkt
	have  []bv.Term // look-ups that stand in context.found
	taken int       // of these, how many the trace takes over
	held  bool      // what it stores is held back
	store []heldStore
	words []stored // see stored
}

// lineInfo is what is decided of one slot before code is written.
type lineInfo struct {
	skip      bool      // nothing reads its result
	live      ebpf.Regs // what is read behind it
	res       uint64
	resFixed  bool // its result is res
	src       uint64
	srcFixed  bool         // its source register holds src
	baseFixed bool         // its address is fixed and in bounds
	there     bool         // behind it, it isn't NULL
	key       key          // of a look-up in an array
	after     points.Value // what is known of its result, where it does nothing but write one register
}

// fixedValue is what a value is, if every run of the trace has it the same.
func (c *compiler) fixedValue(v *points.Value) (uint64, bool) {
	if c.line == nil && (c.nested || v.Kind != points.Stack) {
		return 0, false
	}
	s := c.a.s
	switch v.Kind {
	case points.Scalar:
		return v.Known, v.IsConst()
	case points.Ctx:
		return s.Ctx + uint64(v.Off), true
	case points.Stack:
		return s.FrameTop(0) + uint64(v.Off), true
	case points.Packet:
		if v.Base == 0 && !c.line.moved {
			return s.Buf + vm.Headroom + uint64(int64(c.line.at)) + uint64(v.Off), true
		}
	case points.Map:
		return vm.MapPtr(int(v.Map)), true
	}
	return 0, false
}

// fixed is the place base + off in flat memory, if every run of the trace has it
// the same.
func (c *compiler) fixed(base *points.Value, off int16) (asm.Mem, bool) {
	if base.Kind != points.Stack && base.Kind != points.Packet {
		return asm.Mem{}, false
	}
	v, ok := c.fixedValue(base)
	v += uint64(int64(off))
	if !ok || v > math.MaxInt32 {
		return asm.Mem{}, false
	}
	if base.Kind == points.Packet && c.line.byPkt {
		return asm.At(pkt, c.line.at+int32(base.Off)+int32(off)), true
	}
	return asm.At(asm.Base, int32(v)), true
}

// compileTrace makes a Trace without a block, and its code. have are the
// look-ups that the guard tree makes before it. The code is good until w is used
// again.
func compileTrace(w *work, s *vm.State, p nic.Path, t *trace.Trace, have []bv.Term, held bool) (*Trace, []byte, error) {
	if p > math.MaxInt32/8 {
		return nil, nil, fmt.Errorf("trace: path %d: its number is too high", p)
	}
	if err := straight(t.Code); err != nil {
		return nil, nil, err
	}
	c, err := w.compiler(s, t.Code)
	if err != nil {
		return nil, nil, err
	}
	c.f.line(t.Code)
	c.a.begin(t.Code, true)
	w.line = line{t: t, info: cleared(w.line.info, len(t.Code)), dirty: cleared(w.line.dirty, len(s.Maps)), have: have, held: held, store: w.line.store[:0], words: w.line.words[:0]}
	c.line = &w.line
	start := &w.k[0]
	frameOnly(start)
	for r := range start.R[:10] {
		start.R[r] = points.Constant(0)
	}
	start.R[1] = points.Value{Kind: points.Ctx}
	start.Data = min(int64(t.MinLen), most)

	c.decide(w)
	need := c.needs()
	c.line.byPkt = !need.Has(10)
	x := &Trace{code: t.Code, path: p, start: uintptr(c.Len()), byPkt: c.line.byPkt, place: make([]int32, len(t.Code)+1)}
	begin := c.NewLabel()
	if x.byPkt {
		c.Lea(pkt, inBuffer(s))
	}
	c.Jmp(begin)
	batch := c.NewLabel()
	x.batch, x.counts = uintptr(c.Len()), uintptr(c.Len())
	c.Bind(batch)
	c.Load(8, asm.T1, asm.At(asm.Ctx, offHits))
	c.AddMem(asm.At(asm.T1, 8*p), 1)
	c.Bind(begin)
	for r := uint8(0); r <= 10; r++ {
		if need.Has(r) {
			v, _ := c.fixedValue(&start.R[r])
			c.Imm(reg(r), v)
		}
	}
	if err := c.lineBody(w, x.place); err != nil {
		return nil, nil, err
	}
	x.enter = int32(c.entry())
	c.tail()
	x.ret = uintptr(c.Len())
	c.Store(8, asm.R0, asm.At(asm.Ctx, offR))
	c.Ret()
	x.uses = c.uses
	switch {
	case c.copies && c.reach > copied:
		x.copies = wholePacket
	case c.copies || !x.byPkt:
		x.copies = copied
	}
	if x.copies > 0 || c.uses != 0 {
		x.batch = uintptr(c.Len())
		packetFields(c.Backend, s, c.uses)
		copyIn(c.Backend, s, x.copies, vm.MaxLinear)
		if x.copies > 0 && x.byPkt {
			c.Lea(pkt, inBuffer(s))
		}
		x.ready = uintptr(c.Len())
		c.Jmp(batch)
	}
	text, err := c.Code()
	if err != nil {
		return nil, nil, err
	}
	x.stores = slices.Clone(c.line.store)
	x.taken, x.moves, x.extra = c.line.taken, c.line.moves, c.extra
	if err := w.readBack(c, w.sets, func(b *reader, seed uint64) error { return b.trace(c, x, text, have, seed) }); err != nil {
		return nil, nil, err
	}
	if err := w.between(w.back.m, s).prelude(x, text); err != nil {
		return nil, nil, fmt.Errorf("%w: trace: what makes a batch's packet ready: %w", ErrReadBack, err)
	}
	return x, text, nil
}

// straight refuses what is no straight-line code that ends in exit.
func straight(code []ebpf.Insn) error {
	for pc := 0; pc < len(code); pc++ {
		in := code[pc]
		switch {
		case in.Dst > 10 || in.Src > 10 && !in.IsWide():
			return fmt.Errorf("trace: insn %d: register out of range", pc)
		case in.IsWide():
			if pc+1 >= len(code) || code[pc+1].Op != 0 {
				return fmt.Errorf("trace: insn %d: opcode %#x: not straight-line code", pc, in.Op)
			}
			pc++
		case in.Op == ebpf.OpExit:
			if pc != len(code)-1 {
				return fmt.Errorf("trace: insn %d: an exit before the end", pc)
			}
			return nil
		case in.Class() == ebpf.ClassLD, !vm.Valid(in) && !in.IsSelect():
			return fmt.Errorf("trace: insn %d: opcode %#x: not one a trace can have", pc, in.Op)
		case in.Op == ebpf.OpCall && in.Src == ebpf.CallHelper:
			if vm.Helper(in.Imm) == nil {
				return fmt.Errorf("trace: insn %d: helper %d: not one a trace can call", pc, in.Imm)
			}
		case in.Class() == ebpf.ClassJMP || in.Class() == ebpf.ClassJMP32:
			return fmt.Errorf("trace: insn %d: opcode %#x: a jump in a trace", pc, in.Op)
		}
		if in.Writes().Has(10) {
			return fmt.Errorf("trace: insn %d: register 10 is written", pc)
		}
	}
	return fmt.Errorf("trace: does not end in exit")
}

// next is step, with what only traces keep.
func (c *compiler) next(k *known, pc int) (there bool) {
	in := c.code[pc]
	if in.Op == ebpf.OpCall {
		return c.nextCall(k, pc, in)
	}
	return c.a.step(k, pc)
}

func (c *compiler) nextCall(k *known, pc int, in ebpf.Insn) (there bool) {
	l := c.line
	at, shifts := c.shift(k, in)
	if h := in.Called(); h != nil {
		if !shifts && h.Moves() {
			l.moved = true
		}
		if h.ID != ebpf.FnMapLookupElem && h.Writes&(ebpf.MapKeys|ebpf.AnyMemory) != 0 {
			if m := k.R[1]; m.Kind == points.Map {
				l.dirty[m.Map] = true
			} else {
				l.all = true
			}
		}
	}
	there = c.a.step(k, pc)
	if shifts {
		c.shifted(k, at)
	}
	if l.info[pc].key.there {
		k.NotNull(0)
	}
	return there
}

// decide looks ahead: which values are the same in every run.
func (c *compiler) decide(w *work) {
	k := &w.k[1]
	*k = w.k[0]
	c.a.begin(c.code, true)
	for pc := 0; pc < len(c.code); pc = c.f.after(pc) {
		in := c.code[pc]
		i := &c.line.info[pc]
		switch in.Class() {
		case ebpf.ClassALU, ebpf.ClassALU64:
			if in.Op&ebpf.SrcX != 0 && in.ALUOp() != ebpf.ALUEnd {
				i.src, i.srcFixed = c.fixedValue(&k.R[in.Src])
			}
		case ebpf.ClassLDX:
			_, i.baseFixed = c.fixed(&k.R[in.Src], in.Off)
			i.baseFixed = i.baseFixed && c.a.inBounds(k, in.Src, in.Off, in.Size(), false) || k.R[in.Src].Kind == points.Ctx
		case ebpf.ClassST, ebpf.ClassSTX:
			if !in.IsAtomic() {
				_, i.baseFixed = c.fixed(&k.R[in.Dst], in.Off)
				i.baseFixed = i.baseFixed && c.a.inBounds(k, in.Dst, in.Off, in.Size(), true)
				if in.Class() == ebpf.ClassSTX && i.baseFixed {
					i.src, i.srcFixed = c.fixedValue(&k.R[in.Src])
					i.srcFixed = i.srcFixed && fits(i.src, in.Size())
				}
			}
		default:
			if _, ok := latchedAt[in.Imm]; ok && in.Op == ebpf.OpCall {
				i.baseFixed = true // it reads no register
			}
			if _, ok := c.looksUp(k, in); ok {
				_, i.baseFixed = c.fixed(&k.R[2], 0)
			}
			if _, ok := c.shift(k, in); ok {
				i.baseFixed = true
			}
			i.key = c.keyOf(k, in)
		}
		c.remember(k, in, i)
		i.there = c.next(k, pc)
		if writesOne(in) {
			i.after = k.R[in.Dst]
			i.res, i.resFixed = c.fixedValue(&i.after)
		}
	}
	c.line.moved, c.line.all, c.line.at, c.line.low = false, false, 0, 0
	clear(c.line.dirty)
}

// fits says whether a store of n bytes of v can take it as a constant of 32
// bits, sign-extended.
func fits(v uint64, n int) bool { return n <= 4 || v == uint64(int64(int32(v))) }

// looksUp says whether an instruction is a look-up that is made here: the map is known
// and the key is certain to be readable.
func (c *compiler) looksUp(k *known, in ebpf.Insn) (f maps.Flat, ok bool) {
	if in.Op != ebpf.OpCall || in.Src != ebpf.CallHelper || in.Imm != ebpf.FnMapLookupElem {
		return f, false
	}
	f, ok = c.a.flatMap(&k.R[1])
	return f, ok && canLookUp(&f) && c.a.inBounds(k, 2, 0, int(f.KeySize), false)
}

// needs goes backward and marks what nothing reads. It returns the registers
// that must have their values at the start.
func (c *compiler) needs() ebpf.Regs {
	var need ebpf.Regs
	for pc := len(c.code) - 1; pc >= 0; pc-- {
		if c.f.second[pc] {
			continue
		}
		in := c.code[pc]
		i := &c.line.info[pc]
		i.live = need
		dst, src := ebpf.Regs(1)<<in.Dst, ebpf.Regs(1)<<in.Src
		switch in.Class() {
		case ebpf.ClassALU, ebpf.ClassALU64, ebpf.ClassLD, ebpf.ClassLDX:
			if i.skip = need&dst == 0; i.skip {
				continue
			}
			need &^= dst
			switch {
			case i.resFixed || in.Class() == ebpf.ClassLD:
			case in.Class() == ebpf.ClassLDX:
				if !i.baseFixed {
					need |= src
				}
			default:
				reads := in.Reads()
				if i.srcFixed && in.Dst != in.Src && c.asConst(in, i) {
					reads &^= src // this one doesn't; what comes later may
				}
				need |= reads
			}
		case ebpf.ClassST, ebpf.ClassSTX:
			if in.IsAtomic() {
				need = need&^in.Writes() | in.Reads()
				continue
			}
			if !i.baseFixed {
				need |= dst
			}
			if in.Class() == ebpf.ClassSTX && !i.srcFixed {
				need |= src
			}
		default:
			if in.Op == ebpf.OpExit {
				need = 1
				continue
			}
			need &^= 1
			if !i.baseFixed {
				need |= 0x3e
			}
		}
	}
	return need
}

// asConst says whether the source register of an operation can be a constant
// instead.
func (c *compiler) asConst(in ebpf.Insn, i *lineInfo) bool {
	if _, ok := ops[in.ALUOp()]; !ok || !i.srcFixed {
		return false
	}
	return in.Class() == ebpf.ClassALU || i.src == uint64(int64(int32(i.src)))
}

// lineBody writes the trace, and notes where its slots begin.
func (c *compiler) lineBody(w *work, place []int32) error {
	k := &w.k[1]
	*k = w.k[0]
	c.a.begin(c.code, true)
	for pc := 0; pc < len(c.code); pc = c.f.after(pc) {
		here := int32(c.Len())
		place[pc] = here
		if c.f.second[pc+1] {
			place[pc+1] = here
		}
		in := c.code[pc]
		i := &c.line.info[pc]
		switch {
		case i.skip:
		case i.resFixed && in.Class() != ebpf.ClassST && in.Class() != ebpf.ClassSTX:
			c.Imm(reg(in.Dst), i.res)
		default:
			if i.srcFixed && in.Class() == ebpf.ClassSTX {
				in.Op = in.Op&^7 | ebpf.ClassST
				in.Imm = int32(i.src)
			} else if i.srcFixed && c.asConst(in, i) && in.Dst != in.Src {
				in.Op &^= ebpf.SrcX
				in.Imm = int32(i.src)
			}
			if err := c.lineInsn(k, pc, in); err != nil {
				return err
			}
		}
		if i.there {
			c.a.accessed(k, &in)
		}
		switch { // what is on the stack, decide has asked for
		case writesOne(in):
			k.R[in.Dst] = i.after
		case !in.IsStore() || in.IsAtomic():
			c.next(k, pc)
		}
	}
	place[len(c.code)] = int32(c.Len())
	return nil
}

// writesOne says whether an instruction of a trace does nothing but write one register.
func writesOne(in ebpf.Insn) bool {
	return in.Class() == ebpf.ClassALU || in.Class() == ebpf.ClassALU64 || in.Class() == ebpf.ClassLDX || in.Class() == ebpf.ClassLD
}

func (c *compiler) lineInsn(k *known, pc int, in ebpf.Insn) error {
	switch {
	case in.Op == ebpf.OpExit:
		next := offNext
		if v := k.R[0]; v.IsConst() && uint64(uint32(v.Known)) < uint64(len(nic.Verdicts{})) {
			c.AddMem(asm.At(asm.Ctx, offVerdicts+8*int32(v.Known)), 1)
			next = offCounted
		}
		c.JmpMem(asm.At(asm.Ctx, next))
	case in.Op == ebpf.OpCall:
		if f, ok := c.looksUp(k, in); ok {
			c.lineLookup(k, pc, &f)
			return nil
		}
		if at, ok := c.shift(k, in); ok {
			c.moveHead(pc, at)
		} else if !c.latched(in) && !c.csumDiff(k, pc, in) && !c.redirect(k, pc, in) && !c.drops(k, pc, in) {
			c.leave(pc)
		}
	case in.IsLoad() && k.R[in.Src].Kind == points.Ctx:
		off := k.R[in.Src].Off + int64(in.Off)
		if _, ok := ctxField[off]; !ok && off != vm.CtxEgress || in.Size() != 4 || in.Mode() != ebpf.ModeMEM {
			return fmt.Errorf("trace: insn %d: no field of %d bytes at %d of the context", pc, in.Size(), off)
		}
		if at := c.line.at; off == vm.CtxMeta && at != 0 && !c.line.moved { // the context has the first place
			c.Imm(reg(in.Dst), uint64(int64(c.buffer())+int64(at)))
			return nil
		}
		c.insn(k, pc, in)
	default:
		c.insn(k, pc, in)
	}
	return nil
}

// lineLookup is a look-up in a trace: taken over from the guard tree where the
// tree has made it and the trace hasn't changed the map since.
func (c *compiler) lineLookup(k *known, pc int, f *maps.Flat) {
	m := k.R[1].Map
	l := c.line
	if f.Kind == maps.FlatArray {
		if !c.element(f, l.info[pc].key) {
			c.mapLookup(k, pc, c.code[pc])
		}
		return
	}
	keep := c.keeps(pc) & changedBy(f)
	look := func() {
		if v, ok := c.fixedValue(&k.R[2]); ok {
			c.Imm(asm.R2, v)
		}
		c.ofCPU(f)
		c.extra += loops(f)
		c.callLookup(m, keep)
	}
	_, ok := c.fixed(&k.R[2], 0)
	c.touch(&k.R[2], 0, int(f.KeySize), ok)
	c.copies = c.copies || k.R[2].Kind == points.Packet
	n := -1
	if l.t.Meta != nil && l.t.Meta[pc].Found != 0 {
		n = slices.Index(l.have, bv.Term(l.t.Meta[pc].Found))
	}
	if n < 0 || l.dirty[m] || l.all {
		look()
		return
	}
	l.taken++ // so what it takes is of the walk, not of the trace
	c.ofCPU(f)
	self, back := c.NewLabel(), c.NewLabel()
	c.Load(8, asm.R0, asm.At(asm.Ctx, offFound+8*int32(n)))
	c.BrK(asm.EQ, true, asm.R0, -1, self)
	if f.Ref != nil {
		c.BrK(asm.EQ, true, asm.R0, 0, back)
		c.Load(8, asm.T0, asm.At(asm.Ctx, offElem+8*int32(n)))
		setRef(c.Backend, f)
	}
	c.Bind(back)
	at, ok := c.fixedValue(&k.R[2]) // here and now: the packet may move later
	c.later(func() {
		c.Bind(self)
		if ok {
			c.Imm(asm.R2, at)
		}
		c.callLookup(m, keep)
		c.Jmp(back)
	})
}
