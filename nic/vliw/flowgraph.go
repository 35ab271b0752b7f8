package vliw

import (
	"slices"

	"jitnic/host/ebpf"
	"jitnic/host/points"
)

// flowGraph is a program cut into blocks, with what is known where each begins
// and which registers are read after it.
type flowGraph struct {
	m      *Machine
	insns  []ebpf.Insn
	second []bool // by slot: the second half of a wide instruction
	blocks []basic
	at     []int32   // by slot: its block
	entry  []bool    // by slot: a function begins there
	sub    []bool    // by slot: of a function that is called
	gone   []removed // by slot
	flow   points.Flow

	bounds, zeroing, dead, unreached int
}

// basic is one block.
type basic struct {
	start, end int // slots
	source     int // instructions
	ops        []Op
	succ       []int32
	preds      int
	reached    bool
	in         state
	live, out  ebpf.Regs // read from its start on, after its end
}

// state is what holds where a block begins, on every way to it.
type state struct {
	points.State
	dirty [stackBytes / 64]uint64 // stack bytes that may not be zero
}

const stackBytes = 512

func newFlowGraph(insns []ebpf.Insn, m *Machine) (*flowGraph, error) {
	f := &flowGraph{m: m, insns: insns, second: make([]bool, len(insns)), at: make([]int32, len(insns)), entry: make([]bool, len(insns)), sub: make([]bool, len(insns)), gone: make([]removed, len(insns))}
	f.entry[0] = true
	cut := make([]bool, len(insns)+1)
	for pc := 0; pc < len(insns); pc++ {
		in := insns[pc]
		if c, ok := ebpf.Callee(insns, pc); ok {
			f.entry[c] = true
		}
		if leaves(in) {
			cut[pc+1] = true // where it comes back to
		}
		if in.IsWide() {
			pc++
			f.second[pc] = true
		}
	}
	for pc := 1; pc < len(insns); pc++ {
		f.sub[pc] = f.sub[pc-1] || f.entry[pc] // the entry function stands first
	}
	reach := ebpf.Reachable(insns)
	for _, b := range ebpf.Blocks(insns) {
		start := b.Start
		for pc := b.Start + 1; pc <= b.End; pc++ {
			if pc == b.End || cut[pc] {
				f.blocks = append(f.blocks, basic{start: start, end: pc, reached: reach[start]})
				start = pc
			}
		}
	}
	for i := range f.blocks {
		b := &f.blocks[i]
		for pc := b.start; pc < b.end; pc++ {
			f.at[pc] = int32(i)
		}
		if !b.reached {
			continue
		}
		ops, err := opsOf(insns[b.start:b.end], nil)
		if err != nil {
			return nil, err
		}
		for k := range ops {
			ops[k].Slot += int32(b.start)
			ops[k].To = jumpsTo(&ops[k])
		}
		b.ops, b.source = ops, len(ops)
	}
	f.link()
	f.analyse()
	f.liveness()
	return f, nil
}

// targets appends the blocks that control may go to after op, the last of
// block i; end of it all is none.
func (f *flowGraph) targets(i int, dst []int32) []int32 {
	b := &f.blocks[i]
	next := func(pc int) {
		if pc < len(f.insns) {
			if t := f.at[pc]; !slices.Contains(dst, t) {
				dst = append(dst, t)
			}
		}
	}
	if len(b.ops) == 0 {
		next(b.end)
		return dst
	}
	o := &b.ops[len(b.ops)-1]
	in := o.In
	switch {
	case in.Op == ebpf.OpExit:
	case in.IsGoto():
		next(int(o.To))
	case in.IsCondJump():
		next(b.end)
		next(int(o.To))
	default:
		next(b.end)
	}
	return dst
}

// link finds successors and what can be reached.
func (f *flowGraph) link() {
	was := 0
	for i := range f.blocks {
		b := &f.blocks[i]
		b.preds, b.succ = 0, b.succ[:0]
		if b.reached {
			was++
			b.succ = f.targets(i, b.succ)
		}
		b.reached = false
	}
	var work []int32
	visit := func(i int32) {
		if !f.blocks[i].reached {
			f.blocks[i].reached = true
			work = append(work, i)
		}
	}
	visit(0)
	for len(work) > 0 {
		i := work[len(work)-1]
		work = work[:len(work)-1]
		b := &f.blocks[i]
		for _, s := range b.succ {
			f.blocks[s].preds++
			visit(s)
		}
		for k := range b.ops {
			if c, ok := ebpf.Callee(f.insns, int(b.ops[k].Slot)); ok {
				visit(f.at[c])
			}
		}
	}
}

// join is the [ebpf.Meet] of states.
func (s *state) join(o *state, weak bool) bool {
	changed := s.Join(&o.State, weak)
	for i := range s.dirty {
		if d := s.dirty[i] | o.dirty[i]; d != s.dirty[i] {
			s.dirty[i], changed = d, true
		}
	}
	return changed
}

// start is the state in which the function at slot pc begins.
func (f *flowGraph) start(pc int) state {
	var fl points.Flow
	fl.Enter(f.m.maps)
	if pc > 0 {
		fl.Facts = points.Called(nil)
	}
	var s state
	s.From(&fl)
	return s
}

// soil marks the stack bytes that an op's accesses leave other than zero.
func soil(dirty *[stackBytes / 64]uint64, acc []points.Access) {
	for k := range acc {
		a := &acc[k]
		if !a.Write || a.Region != points.InStack && a.Region != points.InAny {
			continue
		}
		lo, hi := int64(-stackBytes), int64(0)
		if a.Region == points.InStack && a.Base == points.BaseStack {
			lo, hi = max(lo, a.Lo), min(hi, a.Hi)
		}
		for b := lo; b < hi; b++ {
			i := b + stackBytes
			dirty[i/64] |= 1 << (i % 64)
		}
	}
}

// zeroStore says whether an op stores zero.
func zeroStore(o *Op, f *points.Flow) bool {
	switch {
	case o.In.Class() == ebpf.ClassST:
		return o.In.Imm == 0
	case o.In.Class() == ebpf.ClassSTX && !o.In.IsAtomic():
		v := &f.R[o.In.Src]
		return v.IsConst() && v.Known == 0
	}
	return false
}

// analyse finds the state at the start of each block.
func (f *flowGraph) analyse() {
	at := ebpf.NewFixed(len(f.blocks), points.Meets, (*state).join)
	for i := range f.blocks {
		b := &f.blocks[i]
		b.in, at.At[i].Room = state{}, &b.in
		if b.reached && f.entry[b.start] {
			s := f.start(b.start)
			at.Come(i, &s)
		}
	}
	f.flow.Enter(f.m.maps)
	var out state
	at.Settle(ebpf.InOrder(len(f.blocks)), func(i int, s *state) {
		b := &f.blocks[i]
		s.Into(&f.flow)
		out.dirty = s.dirty
		for k := range b.ops {
			first := len(f.flow.Acc)
			o := &b.ops[k]
			zero := zeroStore(o, &f.flow)
			f.flow.Step(o.insn(k), points.Hint{})
			if !zero || f.flow.Acc[first].Region != points.InStack || f.flow.Acc[first].Base != points.BaseStack {
				soil(&out.dirty, f.flow.Acc[first:])
			}
		}
		out.From(&f.flow)
		for _, to := range b.succ {
			at.Come(int(to), &out)
		}
	})
}

// liveness finds the registers read after each block.
func (f *flowGraph) liveness() {
	for i := range f.blocks {
		f.blocks[i].live, f.blocks[i].out = 0, 0
	}
	for changed := true; changed; {
		changed = false
		for i := len(f.blocks) - 1; i >= 0; i-- {
			b := &f.blocks[i]
			if !b.reached {
				continue
			}
			live := ebpf.Regs(0)
			for _, s := range b.succ {
				live |= f.blocks[s].live
			}
			b.out = live
			for k := len(b.ops) - 1; k >= 0; k-- {
				live = live.Before(b.ops[k].reads(), b.ops[k].writes())
			}
			if live != b.live {
				b.live, changed = live, true
			}
		}
	}
}

// liveAt are the registers read where the jump, exit or call o goes.
func (f *flowGraph) liveAt(o *Op) ebpf.Regs {
	switch {
	case leaves(o.In):
		return 1<<11 - 1
	case o.In.Op == ebpf.OpExit:
		if f.sub[o.Slot] {
			return 1 // to the caller
		}
		return 0
	}
	return f.blocks[f.at[o.To]].live
}

// branches says whether the instruction at a slot is a jump.
func (f *flowGraph) branches(slot int) bool {
	in := f.insns[slot]
	return in.Jumps() || in.Op == ebpf.OpExit || leaves(in)
}

// jumpsTo is the slot a jump goes to when taken, -1 for what doesn't jump.
func jumpsTo(o *Op) int32 {
	switch {
	case o.In.Op == ebpf.OpJA32:
		return o.Slot + 1 + o.In.Imm
	case o.In.Op == ebpf.OpJA, o.In.IsCondJump():
		return o.Slot + 1 + int32(o.In.Off)
	}
	return -1
}
