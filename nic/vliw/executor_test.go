package vliw

import (
	"fmt"

	"jitnic/host/ebpf"
	"jitnic/host/maps"
	"jitnic/host/mem"
	"jitnic/host/points"
	"jitnic/host/vm"
)

// Executor runs schedules bundle by bundle as the core does, to hold them
// against the interpreter: every op of a bundle reads registers and memory as
// the bundle finds them, then all write. It is exacting where the hardware is
// silent: a result read before its latency has passed, two writes of one place
// in a bundle, a write that lands before an older one and a write still under
// way at the exit are errors.
//
// It is for tests, not for packets by the million.
type Executor struct {
	s     *vm.State
	r     [11]uint64
	ready [11]int64 // cycle from which each register can be read
	in    [11]uint8 // in which lane; in the others cross cycles later
	cross int64
	late  bool  // calls take up what their own bundle writes
	wide  bool  // what calls return is in all lanes at once
	stood int64 // cycles that calls stopped all lanes for
	cycle int64
	lane  uint8 // of the op at hand

	regs  []regWrite
	mems  []memWrite
	under []pending // stores that haven't landed
	busy  []busy    // maps being updated

	frames []frame // local calls in progress
}

type regWrite struct {
	reg  uint8
	lane uint8
	val  uint64
	at   int64 // lands
	wide bool  // in all lanes at once
}

type memWrite struct {
	addr, n, val uint64
	at           int64
}

type pending struct {
	addr, n uint64
	at      int64
}

type busy struct {
	m  int
	at int64
}

// poison is what a call leaves in r1 to r5.
const poison = 0xdead_beef_dead_beef

// NewExecutor runs schedules on s.
func NewExecutor(s *vm.State) *Executor { return &Executor{s: s} }

func (e *Executor) enter(m *Machine) {
	s := e.s
	e.cross, e.late, e.wide, e.stood = int64(m.CrossLane), m.LateCalls, m.StopCalls, 0
	e.r = [11]uint64{1: s.Ctx, 10: s.FrameTop(0)}
	for i := range e.r {
		if i != 1 && i != 10 {
			e.r[i] = poison
		}
	}
	e.ready = [11]int64{}
	for i := range e.ready {
		e.ready[i] = -e.cross // there for all lanes
	}
	e.cycle = 0
	e.under, e.busy = e.under[:0], e.busy[:0]
	s.Depth = vm.MaxFrames - 1 // inlined calls use the frames above
}

// Run executes the schedule of a trace on the packet that has begun and
// returns r0.
func (e *Executor) Run(x *Schedule) (uint64, error) {
	e.enter(x.Machine)
	for c, b := range x.Bundles {
		e.cycle = int64(c)
		left, verdict, err := e.bundle(x.Ops, x.Latency, x.Stop, x.Lane, b)
		if err != nil {
			return 0, err
		}
		if left >= 0 {
			if c != len(x.Bundles)-1 {
				return 0, fmt.Errorf("vliw: cycle %d: exit before the last bundle", c)
			}
			return verdict, e.landed()
		}
	}
	return 0, fmt.Errorf("vliw: ran past the end")
}

// landed checks that nothing is under way in the next cycle.
func (e *Executor) landed() error {
	for r, at := range e.ready {
		if at > e.cycle+1 {
			return fmt.Errorf("vliw: cycle %d: r%d lands at %d, after control has left", e.cycle, r, at)
		}
	}
	for _, p := range e.under {
		if p.at > e.cycle+1 {
			return fmt.Errorf("vliw: cycle %d: a store of %#x lands at %d, after control has left", e.cycle, p.addr, p.at)
		}
	}
	for _, b := range e.busy {
		if b.at > e.cycle+1 {
			return fmt.Errorf("vliw: cycle %d: map %d is busy until %d, after control has left", e.cycle, b.m, b.at)
		}
	}
	return nil
}

// bundle executes one. left is the op by which control leaves, or -1; verdict
// is r0 where that is an exit.
func (e *Executor) bundle(ops []Op, lat, stop []int32, lane []uint8, b []int32) (left int32, verdict uint64, err error) {
	e.regs, e.mems = e.regs[:0], e.mems[:0]
	left = -1
	var full uint64 // lanes
	for _, i := range b {
		o := &ops[i]
		e.lane = lane[i]
		if full>>e.lane&1 != 0 {
			return -1, 0, fmt.Errorf("vliw: cycle %d: two instructions in lane %d", e.cycle, e.lane)
		}
		full |= 1 << e.lane
		if err := e.operands(o); err != nil {
			return -1, 0, fmt.Errorf("vliw: cycle %d: insn %d: %w", e.cycle, o.Slot, err)
		}
		switch {
		case o.isCall():
		case o.isBranch():
			if left >= 0 {
				continue // a branch of higher priority is taken
			}
			switch {
			case o.Form == ExitImm:
				left, verdict = i, uint64(int64(o.In.Imm))
			case o.isExit():
				left, verdict = i, e.r[0]
			case !o.In.IsCondJump() || taken(o.In, e.r[o.In.Dst], vm.Operand(o.In, e.r[o.In.Src])):
				left = i
			}
		default:
			if err := e.one(o, int64(lat[i])); err != nil {
				return -1, 0, fmt.Errorf("vliw: cycle %d: insn %d: %w", e.cycle, o.Slot, err)
			}
		}
	}
	// Calls before any store. There is one at most, or commit refuses: each
	// writes r0.
	for _, i := range b {
		if o := &ops[i]; o.isCall() {
			e.lane = lane[i]
			if err := e.call(o, int64(lat[i])); err != nil {
				return -1, 0, fmt.Errorf("vliw: cycle %d: insn %d: %w", e.cycle, o.Slot, err)
			}
			e.stood += int64(stop[i])
		}
	}
	return left, verdict, e.commit()
}

// operands checks that what an op reads has landed.
func (e *Executor) operands(o *Op) error {
	use := o.reads()
	for r := range e.ready {
		at := e.ready[r]
		switch {
		case e.late && o.isCall():
			at--
		case e.in[r] != e.lane:
			at += e.cross
		}
		if use>>r&1 != 0 && at > e.cycle {
			return fmt.Errorf("r%d can be read from cycle %d in lane %d", r, at, e.lane)
		}
	}
	return nil
}

func (e *Executor) set(r uint8, v uint64, lat int64) {
	e.regs = append(e.regs, regWrite{reg: r, lane: e.lane, val: v, at: e.cycle + lat})
}

// one executes an op other than a call or branch up to its writes.
func (e *Executor) one(o *Op, lat int64) error {
	in := o.In
	switch in.Class() {
	case ebpf.ClassALU, ebpf.ClassALU64:
		if in.IsSelect() {
			v := e.r[in.Dst]
			if e.r[in.Cond()] != 0 {
				v = e.r[in.Src]
			}
			e.set(in.Dst, v, lat)
			break
		}
		if !vm.Valid(in) {
			return fmt.Errorf("opcode %#x: no such arithmetic", in.Op)
		}
		left := e.r[in.Dst]
		if o.Form == Three {
			left = e.r[o.Left]
		}
		e.set(in.Dst, vm.ALU(in, left, vm.Operand(in, e.r[in.Src])), lat)
	case ebpf.ClassLD:
		v, err := e.constant(in, o.Hi)
		if err != nil {
			return err
		}
		e.set(in.Dst, v, lat)
	case ebpf.ClassLDX:
		a := e.r[in.Src] + uint64(int64(in.Off))
		v, err := e.load(a, uint64(o.size()))
		if err != nil {
			return err
		}
		if in.Mode() == ebpf.ModeMEMSX {
			sh := 64 - 8*uint(in.Size())
			v = uint64(int64(v<<sh) >> sh)
		}
		e.set(in.Dst, v, lat)
	case ebpf.ClassST, ebpf.ClassSTX:
		if in.IsAtomic() {
			return e.atomic(o, lat)
		}
		v := uint64(int64(in.Imm))
		if in.Class() == ebpf.ClassSTX {
			v = e.r[in.Src]
		}
		return e.store(e.r[in.Dst]+uint64(int64(in.Off)), uint64(o.size()), v, lat)
	default:
		return fmt.Errorf("opcode %#x: not executable", in.Op)
	}
	return nil
}

// constant is the value a lddw loads.
func (e *Executor) constant(lo, hi ebpf.Insn) (uint64, error) {
	switch lo.Src {
	case ebpf.PseudoNone:
		return ebpf.Const64(lo, hi), nil
	case ebpf.PseudoMapFD:
		return vm.MapPtr(int(lo.Imm)), nil
	case ebpf.PseudoFunc:
		return vm.FuncPtr(0, 0), nil // for a helper with a callback, which is refused
	case ebpf.PseudoMapValue:
		if uint32(lo.Imm) < uint32(len(e.s.Maps)) {
			if v, ok := e.s.ValuePtr(int(lo.Imm), uint32(hi.Imm)); ok {
				return v, nil
			}
		}
	}
	return 0, fmt.Errorf("lddw of kind %d: not resolved", lo.Src)
}

// reach checks an access; stack gaps, where inlined calls save registers, are
// within reach.
func (e *Executor) reach(a, n uint64, write bool) error {
	s := e.s
	if a-s.Stack < vm.MaxFrames*vm.StackStride && a+n-s.Stack <= vm.MaxFrames*vm.StackStride {
		return nil
	}
	if !s.Reach(a, n, write) {
		return fmt.Errorf("%d bytes at %#x are out of reach", n, a)
	}
	return nil
}

// settled checks that no store or update of the bytes is under way.
func (e *Executor) settled(a, n uint64) error {
	for _, p := range e.under {
		if p.at > e.cycle && a < p.addr+p.n && p.addr < a+n {
			return fmt.Errorf("bytes at %#x can be read from cycle %d", a, p.at)
		}
	}
	if len(e.busy) > 0 {
		if r := e.s.Mem.Find(a, n); r != nil && r.Kind == mem.KindMap {
			return e.free(r.Owner)
		}
	}
	return nil
}

func (e *Executor) free(m int) error {
	for _, b := range e.busy {
		if b.m == m && b.at > e.cycle {
			return fmt.Errorf("map %d is busy until cycle %d", m, b.at)
		}
	}
	return nil
}

func (e *Executor) load(a, n uint64) (uint64, error) {
	if e.s.IsCtx(a) {
		v, ok := e.s.CtxLoad(a, int(n))
		if !ok {
			return 0, fmt.Errorf("no field of %d bytes at %d of the context", n, a-e.s.Ctx)
		}
		return v, nil
	}
	if err := e.reach(a, n, false); err != nil {
		return 0, err
	}
	if err := e.settled(a, n); err != nil {
		return 0, err
	}
	if n == 6 {
		return e.s.Load(a, 4) | e.s.Load(a+4, 2)<<32, nil
	}
	return e.s.Load(a, int(n)), nil
}

func (e *Executor) store(a, n, v uint64, lat int64) error {
	if err := e.reach(a, n, true); err != nil {
		return err
	}
	for _, w := range e.mems {
		if a < w.addr+w.n && w.addr < a+n {
			return fmt.Errorf("two stores of %#x in a bundle", a)
		}
	}
	for _, p := range e.under {
		if p.at >= e.cycle+lat && a < p.addr+p.n && p.addr < a+n {
			return fmt.Errorf("a store of %#x lands before an older one", a)
		}
	}
	e.mems = append(e.mems, memWrite{a, n, v, e.cycle + lat})
	return nil
}

func (e *Executor) atomic(o *Op, lat int64) error {
	in := o.In
	n := uint64(in.Size())
	a := e.r[in.Dst] + uint64(int64(in.Off))
	if in.Imm == ebpf.AtomicLoadAcq {
		a = e.r[in.Src] + uint64(int64(in.Off))
	}
	old, err := e.load(a, n)
	if err != nil {
		return err
	}
	stored, write, reg, back := vm.Atomic(in, int(n), old, e.r[in.Src], e.r[0])
	if write {
		if err := e.store(a, n, stored, lat); err != nil {
			return err
		}
	}
	if reg >= 0 {
		e.set(uint8(reg), back, lat)
	}
	return nil
}

// call runs a helper on the state as the bundle found it.
func (e *Executor) call(o *Op, lat int64) error {
	f := vm.Helper(o.In.Imm)
	if o.In.Op != ebpf.OpCall || o.In.Src != ebpf.CallHelper || f == nil {
		return fmt.Errorf("call %d: not one a trace can make", o.In.Imm)
	}
	found := e.r
	if e.late {
		for _, w := range e.regs {
			if w.reg >= 1 && w.reg <= 5 {
				if w.at > e.cycle+1 {
					return fmt.Errorf("r%d lands at %d, after the call has taken it up", w.reg, w.at)
				}
				e.r[w.reg] = w.val
			}
		}
	}
	defer func() { e.r = found }()
	if err := e.arguments(o.In.Imm); err != nil {
		return err
	}
	r := e.r
	if ft := f(e.s, &r); ft != nil {
		return ft
	}
	e.set(0, r[0], lat)
	e.regs[len(e.regs)-1].wide = e.wide
	for k := uint8(1); k <= 5; k++ {
		e.regs = append(e.regs, regWrite{reg: k, lane: e.lane, val: poison, at: e.cycle + 1, wide: e.wide})
	}
	if ef := points.EffectOf(o.In.Imm); ef.Writes&points.OnMap != 0 && ef.MapIn > 0 {
		if m, ok := vm.MapOf(e.r[ef.MapIn]); ok {
			e.busy = append(e.busy, busy{m, e.cycle + lat})
		}
	}
	return nil
}

// arguments checks that the memory a call reads has landed and that its map is
// free.
func (e *Executor) arguments(id int32) error {
	ef := points.EffectOf(id)
	var m maps.Map
	if ef.MapIn > 0 {
		if i, ok := vm.MapOf(e.r[ef.MapIn]); ok && i < len(e.s.Maps) {
			m = e.s.Maps[i]
			if err := e.free(i); err != nil {
				return err
			}
		}
	}
	for _, sp := range ef.Mem {
		if sp.Reg == 0 {
			continue
		}
		n := uint64(sp.Size)
		switch {
		case sp.From == points.KeySize && m != nil:
			n = uint64(m.Spec().KeySize)
		case sp.From == points.ValueSize && m != nil:
			n = uint64(m.Spec().ValueSize)
		case sp.From >= 1 && sp.From <= 5:
			n = uint64(uint32(e.r[sp.From]))
		}
		if n > 0 {
			if err := e.settled(e.r[sp.Reg], n); err != nil {
				return err
			}
		}
	}
	return nil
}

// commit makes a bundle's writes.
func (e *Executor) commit() error {
	for i, w := range e.regs {
		for _, x := range e.regs[:i] {
			if x.reg == w.reg && !(e.late && w.val == poison) {
				return fmt.Errorf("vliw: cycle %d: two writes of r%d in a bundle", e.cycle, w.reg)
			}
		}
		if e.ready[w.reg] >= w.at && e.ready[w.reg] > e.cycle {
			return fmt.Errorf("vliw: cycle %d: a write of r%d lands before an older one", e.cycle, w.reg)
		}
	}
	for _, w := range e.regs {
		e.r[w.reg], e.ready[w.reg], e.in[w.reg] = w.val, w.at, w.lane
		if w.wide {
			e.ready[w.reg] -= e.cross
		}
	}
	n := 0
	for _, p := range e.under {
		if p.at > e.cycle {
			e.under[n] = p
			n++
		}
	}
	e.under = e.under[:n]
	s := e.s
	for _, w := range e.mems {
		if w.n == 6 {
			s.Store(w.addr, 4, w.val)
			s.Store(w.addr+4, 2, w.val>>32)
		} else {
			s.Store(w.addr, int(w.n), w.val)
		}
		e.under = append(e.under, pending{w.addr, w.n, w.at})
	}
	return nil
}

// taken says whether a conditional jump is (RFC 9669, section 4.3).
func taken(in ebpf.Insn, a, b uint64) bool {
	x, y := int64(a), int64(b)
	if in.Class() == ebpf.ClassJMP32 {
		a, b = uint64(uint32(a)), uint64(uint32(b))
		x, y = int64(int32(a)), int64(int32(b))
	}
	switch in.JmpOp() {
	case ebpf.JmpEQ:
		return a == b
	case ebpf.JmpNE:
		return a != b
	case ebpf.JmpGT:
		return a > b
	case ebpf.JmpGE:
		return a >= b
	case ebpf.JmpLT:
		return a < b
	case ebpf.JmpLE:
		return a <= b
	case ebpf.JmpSET:
		return a&b != 0
	case ebpf.JmpSGT:
		return x > y
	case ebpf.JmpSGE:
		return x >= y
	case ebpf.JmpSLT:
		return x < y
	}
	return x <= y // JmpSLE
}
