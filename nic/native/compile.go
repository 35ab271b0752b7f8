package native

import (
	"fmt"
	"runtime"

	"jitnic/host/ebpf"
	"jitnic/host/loader"
	"jitnic/host/maps"
	"jitnic/host/points"
	"jitnic/host/vm"
	"jitnic/nic/native/asm"
)

// compiler turns the instructions of one program into machine code. Every
// instruction has its own place in it, where all registers stand in their
// homes, so that the interpreter can be left to and come back from anywhere.
type compiler struct {
	asm.Backend
	a    *analysis
	f    *flow
	code []ebpf.Insn
	skip map[int]string // slots that could not be linked
	note bool           // stores to map values are noted: the interpreter does them

	first   asm.Label   // that of slot 0; those of the other slots follow it
	bails   []asm.Label // by slot, or unwritten
	beyond  map[int]asm.Label
	order   []int       // slots of bails, as they were asked for
	exit    asm.Label   // back to Go
	lookup  []asm.Label // by map, or unwritten
	wanted  []int32     // whose look-ups stand one after the other, up to subsEnd
	subsEnd int
	always  []bool      // by slot: always left to the interpreter
	far     []func()    // what stands out of the way, to be written behind the rest
	uses    fields      // what code reads of the context
	reach   int         // of the packet, code touches no byte from here on
	copies  bool        // the packet has to stand in the buffer: code writes to it, or finds it there
	line    *line       // of a trace
	extra   int         // see Trace.extra
	given   []given     // of a program: what of its registers code relies on
	dead    []bool      // by slot: a block that control never comes to begins here
	low     int64       // of a program: see unit.low
	live    []ebpf.Regs // by slot of a program: see alive
	nested  bool        // frames may stand above one another
	sends   bool        // code may redirect the packet
	inPlace bool        // of a program: pkt holds the packet's place, not the frame's
}

// unwritten is no label.
const unwritten = asm.Label(-1)

// work is what compilations share: memory that the next one takes over. The zero
// value is ready.
type work struct {
	b     asm.Backend
	c     compiler
	a     analysis
	f     flow
	line  line
	k     [2]known
	back  *reader
	trees *treeReader
	gaps  *between
	sets  int // of numbers that code is read back on; 0: one
}

// compiler is a compiler of code on s, with a backend of this machine.
func (w *work) compiler(s *vm.State, code []ebpf.Insn) (*compiler, error) {
	if w.b == nil {
		b, err := asm.New(runtime.GOARCH)
		if err != nil {
			return nil, err
		}
		w.b = b
	}
	w.b.Reset()
	if w.a.s != s {
		w.a = *newAnalysis(s, code)
	}
	w.a.begin(code, false)
	n := len(code) + 1
	c := &w.c
	*c = compiler{Backend: w.b, a: &w.a, f: &w.f, code: code, note: s.Opt.Track,
		bails: labels(c.bails, n), lookup: labels(c.lookup, len(s.Maps)), always: cleared(c.always, n),
		order: c.order[:0], wanted: c.wanted[:0], far: c.far[:0], given: c.given[:0], dead: cleared(c.dead, n), live: c.live}
	c.exit = c.NewLabel()
	return c, nil
}

// cleared is n zero values, in the memory of s where there is room.
func cleared[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n, n+n/2)
	}
	s = s[:n]
	clear(s)
	return s
}

// labels is n times unwritten, likewise.
func labels(s []asm.Label, n int) []asm.Label {
	s = cleared(s, n)
	for i := range s {
		s[i] = unwritten
	}
	return s
}

// at is the label of a slot.
func (c *compiler) at(pc int) asm.Label { return c.first + asm.Label(pc) }

// places are where slots begin in the code.
func (c *compiler) places() []int32 {
	out := make([]int32, len(c.code)+1)
	for i := range out {
		out[i] = int32(c.Offset(c.at(i)))
	}
	return out
}

// unit is a program as machine code.
type unit struct {
	code   []byte
	place  []int32 // by slot: where it begins in code
	enter  int     // where code loads all registers and goes on at context.resume
	low    int64   // what it may look at of the frame begins there, from its top
	uses   fields
	f      *flow
	always []bool
	packetPlaces
}

// packetPlaces are where packets begin and end: within the code, until that has an
// address.
type packetPlaces struct {
	start   uintptr // one that has begun on the State (Engine.Start)
	ret     uintptr // the program is over: back to Go
	batch   uintptr // one of a batch, its vm.Input at hand
	next    uintptr // the program is over: on to the batch's next
	head    uintptr // the batch's first
	inPlace bool    // pkt holds the packet's place
	copies  int     // how many bytes of a batch's packet are copied at most
	work    int     // bounds the code that a packet runs through, in bytes, once through each loop
	loops   bool    // there are some
}

// moves adds to all of them.
func (p *packetPlaces) moves(by uintptr) {
	for _, at := range []*uintptr{&p.start, &p.ret, &p.batch, &p.next, &p.head} {
		*at += by
	}
}

// compileProgram makes a unit of a program, which runs on s. withCtx says that register 1
// holds the context at slot 0, nested that a program beside it may call functions. The
// compiler, which is w's, has the places of what it wrote.
func compileProgram(w *work, s *vm.State, p *loader.Program, withCtx, nested bool) (*unit, *compiler, error) {
	code := p.Insns
	for pc, in := range code {
		if vm.Valid(in) && in.Writes().Has(10) {
			return nil, nil, fmt.Errorf("insn %d: register 10 is written", pc)
		}
	}
	c, err := w.compiler(s, code)
	if err != nil {
		return nil, nil, err
	}
	c.skip, c.nested = p.Unsupported, nested
	c.first = c.NewLabels(len(code) + 1)
	c.f.find(code)
	c.alive(nested)
	c.inPlace = !nested && frameOnlyAsBase(code)
	start := frameOnly(&w.k[0])
	if withCtx {
		start.R[1] = points.Value{Kind: points.Ctx}
	}
	var in []ebpf.Place[known]
	if len(code) <= maxAnalysed {
		in = c.a.solve(c.f, start)
	} else {
		in = make([]ebpf.Place[known], len(code))
		for pc, l := range c.f.leader[:len(code)] {
			if l {
				in[pc].State = frameOnly(new(known))
			}
		}
	}
	u := &unit{f: c.f, always: c.always}
	u.enter = c.entry()
	c.body(in)
	c.tail()
	u.low, u.uses = c.low, c.uses
	c.packets(u)
	if u.code, err = c.Code(); err != nil {
		return nil, nil, err
	}
	u.place = c.places()
	if err := w.readBack(c, 1, func(b *reader, _ uint64) error { return w.between(b.m, s).program(c, u) }); err != nil {
		return nil, nil, err
	}
	if err := w.readBack(c, programSets, func(b *reader, seed uint64) error { return b.program(c, u, seed) }); err != nil {
		return nil, nil, err
	}
	return u, c, nil
}

// programSets is how many sets of numbers a program is read back on: once, so more
// than a trace.
const programSets = 3

// relies notes what a program's code takes a register to hold.
func (c *compiler) relies(pc int, reg uint8, v uint64) {
	if c.line == nil {
		c.given = append(c.given, given{pc, reg, v})
	}
}

// reliesOn notes what an access that isn't checked takes its base to hold: a place in
// the frame, or one in the packet, which may be any there.
func (c *compiler) reliesOn(k *known, pc int, base uint8) {
	switch v := k.R[base]; {
	case v.Kind == points.Packet && c.inPlace:
		c.relies(pc, base, uint64(c.buffer())+uint64(max(v.Off, 0)))
	case v.Kind == points.Stack && !c.nested:
		c.relies(pc, base, c.a.s.FrameTop(0)+uint64(v.Off))
	}
}

// entry loads all registers and goes on where the context says.
func (c *compiler) entry() int {
	at := c.Len()
	for r := asm.R0; r <= asm.R10; r++ {
		c.Load(8, r, asm.At(asm.Ctx, offR+8*int32(r)))
	}
	c.JmpMem(asm.At(asm.Ctx, offResume))
	return at
}

// body writes the instructions in their order.
func (c *compiler) body(in []ebpf.Place[known]) {
	var k known
	dead := true
	for pc := 0; pc < len(c.code); pc++ {
		c.Bind(c.at(pc))
		if c.f.leader[pc] {
			dead = in[pc].State == nil
			c.dead[pc] = dead
			if !dead {
				k = *in[pc].State
				if c.f.counts[pc] {
					c.BrSub(asm.At(asm.Ctx, offLeft), c.f.rest[pc], c.bail(pc))
				}
			}
		}
		ins := c.code[pc]
		if !dead && vm.Valid(ins) {
			c.looksAt(&k, ins)
		}
		switch {
		case dead || !vm.Valid(ins):
			// Control never comes here, though a register may hold its number; or
			// it ends here in a fault.
			dead = true
			c.leave(pc)
		case ins.Jumps():
			c.insn(&k, pc, ins)
		default:
			c.insn(&k, pc, ins)
			c.a.step(&k, pc)
		}
		if c.f.second[pc+1] {
			pc++
			c.later(func() {
				c.Bind(c.at(pc))
				c.leave(pc)
			})
		}
	}
	c.Bind(c.at(len(c.code)))
	c.leave(len(c.code))
}

// later puts code out of the way of what runs most.
func (c *compiler) later(f func()) { c.far = append(c.far, f) }

// bail is a place from which control is left to the interpreter before the
// instruction at slot pc, which may lie outside the program.
func (c *compiler) bail(pc int) asm.Label {
	if uint(pc) < uint(len(c.bails)) {
		if c.bails[pc] == unwritten {
			c.bails[pc] = c.NewLabel()
			c.order = append(c.order, pc)
		}
		return c.bails[pc]
	}
	l, ok := c.beyond[pc]
	if !ok {
		if c.beyond == nil {
			c.beyond = map[int]asm.Label{}
		}
		l = c.NewLabel()
		c.beyond[pc] = l
		c.order = append(c.order, pc)
	}
	return l
}

// leave leaves to the interpreter.
func (c *compiler) leave(pc int) {
	c.always[min(pc, len(c.code))] = true
	c.Jmp(c.bail(pc))
}

// tail writes what stands behind the instructions.
func (c *compiler) tail() {
	for _, f := range c.far {
		f()
	}
	for i := 0; i < len(c.order); i++ {
		pc := c.order[i]
		c.Bind(c.bail(pc))
		c.StoreK(8, int32(pc), asm.At(asm.Ctx, offPC))
		c.Jmp(c.exit)
	}
	c.Bind(c.exit)
	for r := asm.R0; r <= asm.R9; r++ {
		c.Store(8, r, asm.At(asm.Ctx, offR+8*int32(r)))
	}
	c.Ret()
	for _, m := range c.wanted {
		c.Bind(c.lookup[m])
		c.Raw(c.a.lookup(c.Name(), m))
	}
	c.subsEnd = c.Len()
}

func reg(r uint8) asm.Reg { return asm.Reg(r) }

// to is the label of a jump's target.
func (c *compiler) to(pc int) asm.Label {
	if pc < 0 || pc > len(c.code) {
		return c.bail(pc)
	}
	return c.at(pc)
}

// insn writes one instruction.
func (c *compiler) insn(k *known, pc int, in ebpf.Insn) {
	if c.line == nil { // a trace has none of these (straight)
		if _, ok := c.skip[pc]; ok || !vm.Valid(in) {
			c.leave(pc)
			return
		}
	}
	switch in.Class() {
	case ebpf.ClassALU, ebpf.ClassALU64:
		if c.inPlace && in == moveFrame(in.Dst) {
			c.Imm(reg(in.Dst), c.a.s.FrameTop(0))
			return
		}
		arith(c.Backend, in)
	case ebpf.ClassLD:
		c.wide(pc, in)
	case ebpf.ClassLDX:
		c.load(k, pc, in)
	case ebpf.ClassST:
		c.store(k, pc, in)
	case ebpf.ClassSTX:
		if in.IsAtomic() {
			c.atomic(k, pc, in)
			return
		}
		c.store(k, pc, in)
	default:
		c.control(k, pc, in)
	}
}

func (c *compiler) wide(pc int, in ebpf.Insn) {
	if !in.IsWide() || !(pc+1 < len(c.code) && c.f.second[pc+1]) {
		c.leave(pc)
		return
	}
	hi := c.code[pc+1]
	s := c.a.s
	switch in.Src {
	case ebpf.PseudoNone:
		c.Imm(reg(in.Dst), ebpf.Const64(in, hi))
		return
	case ebpf.PseudoMapFD:
		if in.Imm >= 0 && int(in.Imm) < len(s.Maps) {
			c.Imm(reg(in.Dst), vm.MapPtr(int(in.Imm)))
			return
		}
	case ebpf.PseudoMapValue:
		if in.Imm >= 0 && int(in.Imm) < len(s.Maps) {
			if v, ok := s.ValuePtr(int(in.Imm), uint32(hi.Imm)); ok {
				c.Imm(reg(in.Dst), v)
				return
			}
		}
	}
	c.leave(pc)
}

// access gives the address of an access of n bytes that is in bounds: by what
// is known, or by a check that leaves to the interpreter if it fails.
func (c *compiler) access(k *known, pc int, base uint8, off int16, n int, write bool) asm.Mem {
	if c.a.inBounds(k, base, off, n, write) {
		m, ok := c.fixed(&k.R[base], off)
		c.touch(&k.R[base], off, n, ok)
		c.reliesOn(k, pc, base)
		c.copies = c.copies || write && k.R[base].Kind == points.Packet
		switch {
		case ok:
			return m
		case k.R[base].Kind == points.Packet && c.byPkt():
			return asm.Mem{Base: pkt, Index: reg(base), Disp: int32(off) - c.buffer()}
		}
		return asm.Mem{Base: asm.Base, Index: reg(base), Disp: int32(off)}
	}
	if c.a.there(k, base, off, n, write) {
		c.BrK(asm.EQ, true, reg(base), 0, c.bail(pc))
		return asm.Mem{Base: asm.Base, Index: reg(base), Disp: int32(off)}
	}
	if l := c.line; l != nil && l.at != 0 && !l.moved {
		// The limits in the context are of where the packet began at first: Go's.
		c.leave(pc)
		return asm.At(asm.Ctx, offSave)
	}
	read := c.byPkt() && !write
	c.reach, c.copies = wholePacket, c.copies || !read
	c.Mov(true, asm.T0, reg(base))
	if off != 0 {
		c.OpK(asm.Add, true, asm.T0, int32(off))
	}
	c.uses |= useLimits | useFixed
	ok, frame := c.NewLabel(), c.NewLabel()
	c.Load(8, asm.T1, asm.At(asm.Ctx, offNegMeta))
	c.Op(asm.Add, true, asm.T1, asm.T0)
	c.BrMem(asm.GE, asm.T1, asm.At(asm.Ctx, offLimit4+8*log2(n)), frame)
	if read {
		c.Lea(asm.T0, asm.Mem{Base: pkt, Index: asm.T0, Disp: -c.buffer()})
	}
	c.Bind(ok)
	c.later(func() {
		c.Bind(frame)
		c.Load(8, asm.T1, asm.At(asm.Ctx, offNegFrame))
		c.Op(asm.Add, true, asm.T1, asm.T0)
		if read {
			c.Op(asm.Add, true, asm.T0, asm.Base)
		}
		c.BrK(asm.LE, true, asm.T1, int32(vm.StackSize-n), ok)
		c.Jmp(c.bail(pc))
	})
	if read {
		return asm.At(asm.T0, 0)
	}
	return asm.Mem{Base: asm.Base, Index: asm.T0}
}

// byPkt says whether the packet is reached by pkt.
func (c *compiler) byPkt() bool { return c.inPlace || c.line != nil && c.line.byPkt }

// buffer is the address that stands for the packet's first byte at first.
func (c *compiler) buffer() int32 { return int32(c.a.s.Buf) + vm.Headroom }

// wholePacket is the reach of code that may touch any byte.
const wholePacket = vm.MaxLinear

// touch notes an access of n bytes: at the same place in every run (fixed), or
// anywhere in the region.
func (c *compiler) touch(base *points.Value, off int16, n int, fixed bool) {
	switch {
	case base.Kind != points.Packet:
	case fixed:
		c.reach = max(c.reach, int(c.line.at)+int(base.Off)+int(off)+n)
	case c.line == nil && base.Base == 0: // where the packet was moved, Go has all of it in the buffer
		c.reach = max(c.reach, int(base.Off)+int(off)+n)
	default:
		c.reach, c.copies = wholePacket, c.copies || !c.byPkt()
	}
}

func log2(n int) int32 {
	switch n {
	case 1:
		return 0
	case 2:
		return 1
	case 4:
		return 2
	}
	return 3
}

func (c *compiler) load(k *known, pc int, in ebpf.Insn) {
	d, n := reg(in.Dst), in.Size()
	if v := k.R[in.Src]; v.Kind == points.Ctx {
		off := v.Off + int64(in.Off)
		c.relies(pc, in.Src, c.a.s.Ctx+uint64(v.Off))
		if f, ok := ctxField[off]; ok && n == 4 && in.Mode() == ebpf.ModeMEM {
			c.uses |= fieldUse[off]
			c.Load(8, d, asm.At(asm.Ctx, f))
		} else if off == vm.CtxEgress && n == 4 && in.Mode() == ebpf.ModeMEM {
			c.Imm(d, 0)
		} else {
			c.leave(pc)
		}
		return
	}
	m := c.access(k, pc, in.Src, in.Off, n, false)
	if in.Mode() == ebpf.ModeMEMSX {
		c.LoadS(n, d, m)
		return
	}
	c.Load(n, d, m)
}

func (c *compiler) store(k *known, pc int, in ebpf.Insn) {
	n := in.Size()
	held := c.holds(k, pc, in.Dst, n)
	if c.noted(k, in.Dst) {
		c.leave(pc)
		return
	}
	m := c.access(k, pc, in.Dst, in.Off, n, true)
	if held {
		m = c.hold(n, m)
	}
	if in.Class() == ebpf.ClassST {
		c.StoreK(n, in.Imm, m)
		return
	}
	c.Store(n, reg(in.Src), m)
}

// noted says whether a store through base has to be noted.
func (c *compiler) noted(k *known, base uint8) bool {
	return c.note && k.R[base].Kind == points.MapValue
}

// control writes jumps, calls and exits.
func (c *compiler) control(k *known, pc int, in ebpf.Insn) {
	switch {
	case in.IsGoto():
		c.Jmp(c.to(target(in, pc)))
	case in.Op == ebpf.OpExit:
		if c.nested {
			c.Load(8, asm.T0, asm.At(asm.Ctx, offDepth))
			c.BrK(asm.NE, true, asm.T0, 0, c.bail(pc))
		}
		c.JmpMem(asm.At(asm.Ctx, offNext))
	case in.Op == ebpf.OpCall:
		if !c.latched(in) && !c.mapLookup(k, pc, in) && !c.csumDiff(k, pc, in) && !c.redirect(k, pc, in) {
			c.leave(pc)
		}
	case in.IsCondJump() && in.Op != ebpf.OpMayGo:
		c.branch(in, c.away(pc, c.to(target(in, pc))))
	default:
		c.leave(pc)
	}
}

// away is where a conditional jump of a program leads: to l, having given back the
// steps that were counted of what it leaves out.
func (c *compiler) away(pc int, l asm.Label) asm.Label {
	ahead := c.f.ahead(pc)
	if ahead == 0 || c.line != nil {
		return l
	}
	back := c.NewLabel()
	c.later(func() {
		c.Bind(back)
		c.AddMem(asm.At(asm.Ctx, offLeft), ahead)
		c.Jmp(l)
	})
	return back
}

var conds = [16]asm.Cond{
	ebpf.JmpEQ >> 4: asm.EQ, ebpf.JmpNE >> 4: asm.NE, ebpf.JmpGT >> 4: asm.GT, ebpf.JmpGE >> 4: asm.GE,
	ebpf.JmpLT >> 4: asm.LT, ebpf.JmpLE >> 4: asm.LE, ebpf.JmpSGT >> 4: asm.SGT, ebpf.JmpSGE >> 4: asm.SGE,
	ebpf.JmpSLT >> 4: asm.SLT, ebpf.JmpSLE >> 4: asm.SLE,
}

func (c *compiler) branch(in ebpf.Insn, to asm.Label) {
	wide := in.Class() == ebpf.ClassJMP
	op, d, s := in.JmpOp(), reg(in.Dst), reg(in.Src)
	switch x := in.Op&ebpf.SrcX != 0; {
	case op == ebpf.JmpSET && x:
		c.BrSet(wide, d, s, to)
	case op == ebpf.JmpSET:
		c.BrSetK(wide, d, in.Imm, to)
	case x:
		c.Br(conds[op>>4], wide, d, s, to)
	default:
		c.BrK(conds[op>>4], wide, d, in.Imm, to)
	}
}

// latchedAt is where the inputs stand that helpers give back as they are.
var latchedAt = map[int32]int32{
	ebpf.FnKtimeGetNs: offTime, ebpf.FnKtimeGetBootNs: offTime, ebpf.FnKtimeGetTaiNs: offTime,
	ebpf.FnGetSmpProcessorId: offCPU,
}

var latchedUse = map[int32]fields{offTime: useTime, offCPU: useCPU}

// isLatched says whether a call is of a helper that gives a latched input back.
func isLatched(in ebpf.Insn) bool {
	_, ok := latchedAt[in.Imm]
	return ok && in.Src == ebpf.CallHelper
}

// latched writes a helper that gives a latched input back.
func (c *compiler) latched(in ebpf.Insn) bool {
	at, ok := latchedAt[in.Imm]
	if ok = ok && in.Src == ebpf.CallHelper; ok {
		c.uses |= latchedUse[at]
		c.Load(8, asm.R0, asm.At(asm.Ctx, at))
	}
	return ok
}

// mapLookup writes bpf_map_lookup_elem where looksUp says so.
func (c *compiler) mapLookup(k *known, pc int, in ebpf.Insn) bool {
	f, ok := c.looksUp(k, in)
	if !ok {
		return false
	}
	m := k.R[1].Map
	c.relies(pc, 1, vm.MapPtr(int(m)))
	c.ofCPU(&f)
	at, ok := c.fixed(&k.R[2], 0)
	c.touch(&k.R[2], 0, int(f.KeySize), ok)
	c.reliesOn(k, pc, 2)
	if f.Kind == maps.FlatArray {
		key := asm.Mem{Base: asm.Base, Index: reg(2)}
		switch {
		case ok:
			key = at
		case k.R[2].Kind == points.Packet && c.byPkt():
			key = asm.Mem{Base: pkt, Index: reg(2), Disp: -c.buffer()}
		}
		lookupArray(c.Backend, &f, key)
		return true
	}
	c.copies = c.copies || k.R[2].Kind == points.Packet
	c.extra += loops(&f)
	c.callLookup(m, c.keeps(pc)&changedBy(&f))
	return true
}

// ofCPU notes a look-up in a map whose values are each CPU's own.
func (c *compiler) ofCPU(f *maps.Flat) {
	if f.Step != 0 {
		c.uses |= useCPU
	}
}

// callLookup calls the subroutine of look-ups in a map, and keeps registers over it
// that it changes.
func (c *compiler) callLookup(m int32, keep ebpf.Regs) {
	kept := func(move func(size int, r asm.Reg, m asm.Mem)) {
		for r := asm.R1; r <= lastWord; r++ {
			if keep.Has(uint8(r)) {
				move(8, r, asm.At(asm.Ctx, offSave+8*(int32(r)-1)))
			}
		}
	}
	kept(c.Store)
	c.Call(c.lookupIn(m))
	kept(c.Load)
}

// lookupIn is the subroutine of look-ups in a map.
func (c *compiler) lookupIn(m int32) asm.Label {
	if c.lookup[m] == unwritten {
		c.lookup[m] = c.NewLabel()
		c.wanted = append(c.wanted, m)
	}
	return c.lookup[m]
}
