package dataflow

import (
	"fmt"

	"jitnic/host/ebpf"
	"jitnic/host/points"
	"jitnic/superopt/internal/ir"
)

// Analysis is what forward and backward dataflow found.
type Analysis struct {
	p      *ir.Prog
	In     []*points.Facts // before each instruction; what nothing reaches shares one
	Live   []Live          // after each instruction
	Before []Live          // before each instruction
	// Problems are what the verifier would refuse.
	Problems []Problem
	target   []bool // instructions jumps lead to, and where functions begin
	way      *way   // through the program
	// Stale: in loops less may be known than Analyse would find.
	Stale bool
}

// EntryFacts is what holds where function f begins.
func EntryFacts(p *ir.Prog, f int) points.Facts {
	if f > 0 || p.Sub {
		return points.Called(nil)
	}
	st := points.Facts{Reached: true}
	st.R[10] = points.Value{Kind: points.Stack}
	st.R[1] = points.Value{Kind: points.Ctx}
	if p.Kind == ir.KindConst {
		st.R[1] = points.Top()
	}
	return st
}

// nowhere is what is known where nothing leads to.
var nowhere = &points.Facts{}

// joining is the facts of a place while its edges are followed.
type joining struct {
	f      *points.Facts // nowhere, or its own
	visits int
}

// maxVisits is how often the facts of a place may get weaker before numbers
// there are given up.
const maxVisits = 12

// push adds what holds on one edge; it says whether the place has new facts.
func (j *joining) push(f *points.Facts) bool {
	if !f.Reached {
		return false
	}
	if !j.f.Reached { // most places are come to once
		c := *f
		j.f = &c
		j.visits++
		return true
	}
	n := points.JoinFacts(j.f, f)
	if n == *j.f {
		return false
	}
	if j.visits++; j.visits > maxVisits {
		n = points.Widen(*j.f, n)
	}
	*j.f = n
	return true
}

// roots are the functions that begin with nothing known of their callers: the
// main one, and those whose address is taken or that nothing calls.
func roots(p *ir.Prog) []int {
	called, taken := map[int32]bool{}, map[int32]bool{}
	for i := range p.Insts {
		switch in := &p.Insts[i]; {
		case in.To < 0:
		case in.Op == ebpf.OpCall:
			called[in.To] = true
		case in.Op == ebpf.OpLDDW:
			taken[in.To] = true
		}
	}
	var out []int
	for i, e := range p.Entry {
		if i == 0 || !called[e] || taken[e] {
			out = append(out, i)
		}
	}
	return out
}

// edges gives to each what holds on every edge out of instruction i, before
// which f holds.
func edges(p *ir.Prog, i int, f *points.Facts, each func(to int, f *points.Facts)) {
	in := &p.Insts[i]
	if in.IsCondJump() {
		yes, no := *f, *f
		points.Branch(in.Insn, &yes, true)
		points.Branch(in.Insn, &no, false)
		each(int(in.To), &yes)
		each(i+1, &no)
		return
	}
	after := *f
	if in.Op == ebpf.OpCall && in.To >= 0 { // a callee knows what its callers hand it
		g := points.Called(f)
		each(int(in.To), &g)
	}
	Step(p, i, &after, nil)
	if in.Jumps() {
		each(int(in.To), &after)
	} else if !in.Ends() {
		each(i+1, &after)
	}
}

// complaints gives the problems of instruction i, before which f holds.
func complaints(p *ir.Prog, i int, f *points.Facts, out []Problem) []Problem {
	after := *f
	Step(p, i, &after, func(format string, args ...any) { out = append(out, problem(i, format, args...)) })
	return out
}

// Analyse runs the forward pass. It always ends: loops are widened.
func Analyse(p *ir.Prog) *Analysis {
	n := len(p.Insts)
	at := make([]joining, n+1)
	for i := range at {
		at[i].f = nowhere
	}
	work := make([]bool, n+1)
	push := func(to int, f *points.Facts) {
		if to < n && at[to].push(f) {
			work[to] = true
		}
	}
	for _, i := range roots(p) {
		f := EntryFacts(p, i)
		push(int(p.Entry[i]), &f)
	}
	a := &Analysis{p: p, In: make([]*points.Facts, n+1), way: wayOf(p)}
	for _, part := range a.way.parts() {
		for again := true; again; {
			again = false
			for _, i := range part {
				if work[i] {
					work[i], again = false, true
					edges(p, int(i), at[i].f, push)
				}
			}
		}
	}
	for i := range at {
		a.In[i] = at[i].f
	}
	for i := range p.Insts {
		if a.In[i].Reached {
			a.Problems = complaints(p, i, a.In[i], a.Problems)
		}
	}
	return a
}

// Line is the problems of a straight program, and what is known where it begins:
// one state goes along, and nothing of it is kept.
func Line(p *ir.Prog) *Analysis {
	f := EntryFacts(p, 0)
	begin := f
	a := &Analysis{p: p, In: []*points.Facts{&begin}}
	for i := range p.Insts {
		Step(p, i, &f, func(format string, args ...any) { a.Problems = append(a.Problems, problem(i, format, args...)) })
	}
	return a
}

// Problem is something the verifier would refuse. Two are the same trouble where
// What is the same, wherever an edit has moved the instruction.
type Problem struct {
	Insn int // index
	What string
}

// String begins with the place: "insn 4: …".
func (p Problem) String() string { return fmt.Sprintf("insn %d: %s", p.Insn, p.What) }

func problem(i int, format string, args ...any) Problem {
	return Problem{i, fmt.Sprintf(format, args...)}
}

// Step is the forward transfer of a non-branching instruction. complain is told
// what the verifier would refuse; nil when nobody listens.
func Step(p *ir.Prog, i int, f *points.Facts, complain func(string, ...any)) {
	in := &p.Insts[i]
	x := points.Insn{Insn: in.Insn, Hi: in.Hi, At: p.ID(i), Slot: in.Slot, Left: in.Dst, Bytes: in.Size(), Fixed: in.Fixed}
	if in.Op == ebpf.OpCall {
		x.Row = ir.HelperOf(in)
	}
	prog := points.Program{Context: p.Kind, Maps: p.Maps, Trace: p.Trace, Alone: len(p.Entry) == 1 && int32(i) >= p.Entry[0]}
	prog.Step(&x, f, complain)
}
