package native

import (
	"jitnic/host/ebpf"
	"jitnic/host/points"
	"jitnic/host/vm"
)

// widenAfter is how often what is known at a block may change before its growing
// numbers are given up.
const widenAfter = 9

// maxAnalysed is the longest program, in slots, that is analysed: of a longer
// one nothing is known and every access is checked.
const maxAnalysed = 1 << 15

// flow is a program's control flow as the compiler needs it.
type flow struct {
	leader []bool  // by slot: a block begins here
	counts []bool  // by slot: a chain of blocks begins here that control comes to one after the other, and its steps are counted
	root   []bool  // by slot: a function or callback begins here
	back   []bool  // by slot: a call returns here
	rest   []int32 // by slot: instructions from here to the end of the chain
	second []bool  // by slot: the second half of a lddw
}

// target is the slot a jump or local call goes to, in 32 bits as the
// interpreter counts.
func target(in ebpf.Insn, pc int) int {
	if in.Op == ebpf.OpJA32 || in.Op == ebpf.OpCall {
		return int(int32(pc) + 1 + in.Imm)
	}
	return int(int32(pc) + 1 + int32(in.Off))
}

// find finds blocks and roots. Every slot is decoded where control can come
// to it by falling through from slot 0 on, as the interpreter decodes them.
func (f *flow) find(code []ebpf.Insn) {
	n := len(code)
	f.leader, f.root, f.back = cleared(f.leader, n+1), cleared(f.root, n), cleared(f.back, n+1)
	f.rest, f.second, f.counts = cleared(f.rest, n+1), cleared(f.second, n+1), cleared(f.counts, n+1)
	f.leader[0], f.counts[0] = true, true
	mark := func(set []bool, pc int) {
		if pc >= 0 && pc < n {
			set[pc] = true
		}
	}
	for pc := 0; pc < n; pc++ {
		in := code[pc]
		switch {
		case in.IsWide():
			if in.Src == ebpf.PseudoFunc {
				mark(f.root, pc+1+int(in.Imm))
			}
			if pc+1 < n && code[pc+1].Op == 0 {
				f.second[pc+1] = true
				pc++
			}
		case in.Jumps():
			mark(f.leader, target(in, pc))
			mark(f.counts, target(in, pc))
			mark(f.leader, pc+1)
		case in.Op == ebpf.OpCall && in.Src == ebpf.CallLocal:
			mark(f.root, target(in, pc))
			mark(f.back, pc+1)
		case in.Op == ebpf.OpCall || in.Op == ebpf.OpCallX:
			mark(f.back, pc+1)
		case in.Op == ebpf.OpExit:
			mark(f.leader, pc+1)
		}
	}
	for pc, r := range f.root {
		if r {
			f.leader[pc], f.counts[pc] = true, true
		}
	}
	for pc := n - 1; pc >= 0; pc-- {
		if f.second[pc] {
			f.rest[pc] = f.rest[pc+1]
			continue
		}
		f.rest[pc] = 1
		next := pc + 1
		if next < n && f.second[next] {
			next++
		}
		if next < n && !f.counts[next] && !code[pc].Ends() {
			f.rest[pc] += f.rest[next]
		}
	}
}

// line is find for straight-line code.
func (f *flow) line(code []ebpf.Insn) {
	f.second = cleared(f.second, len(code)+1)
	for pc := 0; pc < len(code); pc++ {
		if code[pc].IsWide() && pc+1 < len(code) {
			pc++
			f.second[pc] = true
		}
	}
}

// ahead are the steps that were counted of what control leaves out where it jumps
// away at slot pc.
func (f *flow) ahead(pc int) int32 {
	if next := f.after(pc); next < len(f.counts)-1 && !f.counts[next] {
		return f.rest[next]
	}
	return 0
}

// after is the slot of the next instruction.
func (f *flow) after(pc int) int {
	if pc+1 < len(f.second) && f.second[pc+1] {
		return pc + 2
	}
	return pc + 1
}

// solve gives what is known at the beginning of each block: nil where control
// never comes. start is what holds at slot 0.
func (a *analysis) solve(f *flow, start *known) []ebpf.Place[known] {
	n := len(a.code)
	in := ebpf.NewFixed(n, widenAfter, (*known).Meet)
	flowTo := func(pc int, k *known) {
		if pc < 0 || pc >= n || f.second[pc] || !k.Reached {
			return // the interpreter faults there, or never comes there
		}
		in.Come(pc, k)
	}
	flowTo(0, start)
	var k, other known
	for pc, r := range f.root {
		if r {
			flowTo(pc, frameOnly(&k))
		}
	}
	var leaders []int32
	for pc, l := range f.leader[:n] {
		if l {
			leaders = append(leaders, int32(pc))
		}
	}
	in.Settle(leaders, func(pc int, at *known) {
		k = *at
		a.block(f, pc, &k, &other, flowTo)
	})
	return in.At
}

// block follows the block at pc, before which k holds, and tells what does on each way
// out of it. other is memory for one.
func (a *analysis) block(f *flow, pc int, k, other *known, flowTo func(pc int, k *known)) {
	for {
		ins := a.code[pc]
		if !vm.Valid(ins) || ins.Op == ebpf.OpExit {
			return // behind a fault comes nothing
		}
		next := f.after(pc)
		if ins.Jumps() {
			if ins.IsCondJump() {
				*other = *k
				points.Branch(ins, other, false)
				flowTo(next, other)
				points.Branch(ins, k, true)
			}
			flowTo(target(ins, pc), k)
			return
		}
		a.step(k, pc)
		if pc = next; pc >= len(a.code) {
			return
		}
		if f.leader[pc] {
			flowTo(pc, k)
			return
		}
	}
}
