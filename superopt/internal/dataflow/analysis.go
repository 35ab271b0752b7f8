package dataflow

import (
	"fmt"
	"strings"

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
	way      *way   // through the program
	jumps    *jumps // of it
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
	if p.Resumes {
		st.Init.Fill()
	}
	return st
}

// nowhere is what is known where nothing leads to.
var nowhere = &points.Facts{}

// maxVisits is how often the facts of a place may get weaker before numbers
// there are given up.
const maxVisits = 12

// place is where the facts of a place are found.
type place = ebpf.Place[points.Facts]

// facts are those of a place.
func facts(at *place) *points.Facts {
	if at.State == nil {
		return nowhere
	}
	return at.State
}

// rooted says whether function k begins with nothing known of its callers: the
// main one, and those whose address is taken or that nothing calls.
func rooted(p *ir.Prog, k int) bool {
	called := false
	for i := range p.Insts {
		if in := &p.Insts[i]; in.To == p.Entry[k] {
			if in.Op == ebpf.OpLDDW {
				return true
			}
			called = called || in.Op == ebpf.OpCall
		}
	}
	return k == 0 || !called
}

// flow is what goes over from an instruction to those it leads to.
type flow struct {
	p       *ir.Prog
	yes, no points.Facts // on an edge that is being told of
}

// edges gives to each what holds on every edge out of instruction i that can be taken,
// before which f holds. What it gives lasts as long as the call of each.
func (w *flow) edges(i int, f *points.Facts, each func(to int, f *points.Facts)) {
	in := &w.p.Insts[i]
	w.no = *f
	if in.IsCondJump() {
		w.yes = *f
		points.Branch(in.Insn, &w.yes, true)
		points.Branch(in.Insn, &w.no, false)
		if w.yes.Reached {
			each(int(in.To), &w.yes)
		}
		if w.no.Reached {
			each(i+1, &w.no)
		}
		return
	}
	if in.Op == ebpf.OpCall && in.To >= 0 { // a callee knows what its callers hand it
		w.yes = points.Called(f)
		each(int(in.To), &w.yes)
	}
	Step(w.p, i, &w.no, nil)
	if in.Jumps() {
		each(int(in.To), &w.no)
	} else if !in.Ends() {
		each(i+1, &w.no)
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
	x := ebpf.NewFixed(n+1, maxVisits, (*points.Facts).Meet)
	for i := range p.Entry {
		if rooted(p, i) {
			f := EntryFacts(p, i)
			x.Come(int(p.Entry[i]), &f)
		}
	}
	a := &Analysis{p: p, In: make([]*points.Facts, n+1), way: wayOf(p), jumps: jumpsOf(p)}
	w := &flow{p: p}
	come := x.Come
	for _, part := range a.way.parts() {
		x.Settle(part, func(i int, f *points.Facts) { w.edges(i, f, come) })
	}
	for i := range x.At[:n] {
		a.In[i] = facts(&x.At[i])
	}
	a.In[n] = nowhere
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
	prog := points.Program{Straight: true}
	for i := range p.Insts {
		step(&prog, p, i, &f, func(format string, args ...any) { a.Problems = append(a.Problems, problem(i, format, args...)) })
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

// Kind is What without which value it is: code that is rewritten has the same values
// from other instructions.
func (p Problem) Kind() string {
	kind, _, _ := strings.Cut(p.What, " (")
	return kind
}

func problem(i int, format string, args ...any) Problem {
	return Problem{i, fmt.Sprintf(format, args...)}
}

// Step is the forward transfer of a non-branching instruction. complain is told
// what the verifier would refuse; nil when nobody listens.
func Step(p *ir.Prog, i int, f *points.Facts, complain func(string, ...any)) {
	var prog points.Program
	step(&prog, p, i, f, complain)
}

// step is Step in prog, which is told what it needs of p.
func step(prog *points.Program, p *ir.Prog, i int, f *points.Facts, complain func(string, ...any)) {
	in := &p.Insts[i]
	x := points.Insn{Insn: in.Insn, Hi: in.Hi, At: p.ID(i), Slot: in.Slot, Left: in.Dst, Bytes: in.Size(), Fixed: in.Fixed}
	if in.Op == ebpf.OpCall {
		x.Row = ir.HelperOf(in)
	}
	prog.Context, prog.Maps, prog.Trace, prog.Alone = p.Kind, p.Maps, p.Trace, len(p.Entry) == 1 && int32(i) >= p.Entry[0]
	prog.Step(&x, f, complain)
}
