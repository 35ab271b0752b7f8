package ir

import (
	"math"
	"math/rand/v2"
	"testing"

	"jitnic/host/ebpf"
)

// What an edit does to a cost is what the edited program costs, for every named
// cost, to the last bit; and a table of nanoseconds is summed exactly.
func TestEditedIsCost(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	l := DefaultLatency()
	l.Load = 0.123457
	draw := func(n int) []Inst {
		out := make([]Inst, n)
		for i := range out {
			out[i] = Empty()
			out[i].Op = []uint8{Nop, ebpf.OpLDDW, ebpf.OpExit, ebpf.OpCall, ebpf.OpJA, ebpf.ClassLDX | ebpf.SizeW | ebpf.ModeMEM, ebpf.ClassSTX | ebpf.SizeW | ebpf.ModeATOMIC, ebpf.ClassALU | ebpf.ALUDiv, ebpf.ClassALU64 | ebpf.ALUAdd}[rng.IntN(9)]
		}
		return out
	}
	for _, name := range CostNames() {
		for range 200 {
			p := &Prog{Insts: draw(40)}
			cost := CostNamed(name, p, l)
			s := rng.IntN(40)
			e := s + rng.IntN(40-s)
			q := p.Clone()
			copy(q.Insts[s:e], draw(e-s))
			edited := cost.Of(cost.Table.Edited(cost.Table.Sum(p.Insts), p.Insts[s:e], q.Insts[s:e]))
			if want := cost.Cost(q); edited != want {
				t.Fatalf("%s: %v after the edit, %v of the program", name, edited, want)
			}
			var sum float64
			for i := range q.Insts {
				sum += l.of(&q.Insts[i])
			}
			if got := l.Cost(q); math.Abs(got-sum) > 1e-9 || got != math.Round(got*millionths)/millionths {
				t.Fatalf("%v by the table, want %v in whole millionths", got, sum)
			}
		}
	}
	if CostNamed("no such", &Prog{}, l) != nil {
		t.Error("a cost of no name")
	}
}
