package ir

import (
	"math"

	"jitnic/host/ebpf"
)

// CostFunc is what is made small; the caller gives it. Units are its own:
// instructions, nanoseconds, NIC cycles.
type CostFunc func(p *Prog) float64

// Sums are what costs are made of: sums over instructions, in whole numbers, so
// that in whatever order they are added they are the same, and what a rewrite
// changes of them is the price of what it changes.
type Sums struct {
	Slots, Atomics int64
	Price          int64 // by a table, in millionths of its unit
}

// Table is what one instruction of each opcode adds to a cost's sums.
type Table [256]Sums

// millionths is a price in whole numbers.
const millionths = 1e6

// Sum adds up instructions.
func (t *Table) Sum(insts []Inst) Sums {
	var s Sums
	for i := range insts {
		x := &t[insts[i].Op]
		s.Slots += x.Slots
		s.Atomics += x.Atomics
		s.Price += x.Price
	}
	return s
}

// Edited is what becomes of s with the instructions come in the place of gone.
func (t *Table) Edited(s Sums, gone, come []Inst) Sums {
	out, in := t.Sum(gone), t.Sum(come)
	return Sums{s.Slots - out.Slots + in.Slots, s.Atomics - out.Atomics + in.Atomics, s.Price - out.Price + in.Price}
}

// Summed is a cost that follows from sums over the instructions.
type Summed struct {
	Table *Table
	Of    func(Sums) float64
}

// Cost is that of a program.
func (c *Summed) Cost(p *Prog) float64 { return c.Of(c.Table.Sum(p.Insts)) }

// Latency is a table of nanoseconds for each kind of instruction.
type Latency struct {
	ALU, Mul, Div, Load, Store, Atomic, Jump, Call, Wide float64
}

// DefaultLatency is about 0.2 ns for a simple instruction and 5 ns for a locked
// one on a current x86 core (Agner Fog's tables give the same order).
func DefaultLatency() Latency {
	return Latency{ALU: 0.2, Mul: 0.8, Div: 6, Load: 0.4, Store: 0.3, Atomic: 5, Jump: 0.3, Call: 4, Wide: 0.2}
}

// Cost sums the table over the program.
func (l Latency) Cost(p *Prog) float64 { return latency(l.table().Sum(p.Insts)) }

// table is what instructions cost by l.
func (l Latency) table() *Table {
	t := new(Table)
	for op := range t {
		in := &Inst{Insn: ebpf.Insn{Op: uint8(op)}}
		t[op] = Sums{Slots: int64(SlotsOf(in)), Price: int64(math.Round(l.of(in) * millionths))}
		if in.IsAtomic() {
			t[op].Atomics = 1
		}
	}
	return t
}

// of is the price of an instruction, which its opcode says.
func (l Latency) of(in *Inst) float64 {
	switch in.Class() {
	case ebpf.ClassALU, ebpf.ClassALU64:
		switch in.ALUOp() {
		case ebpf.ALUMul:
			return l.Mul
		case ebpf.ALUDiv, ebpf.ALUMod:
			return l.Div
		}
		return l.ALU
	case ebpf.ClassLDX:
		return l.Load
	case ebpf.ClassST:
		return l.Store
	case ebpf.ClassSTX:
		if in.IsAtomic() {
			return l.Atomic
		}
		return l.Store
	case ebpf.ClassLD:
		switch in.Op {
		case Nop:
			return 0
		case ebpf.OpLDDW:
			return l.Wide
		}
		return l.Call
	}
	if in.Op == ebpf.OpCall {
		return l.Call
	}
	return l.Jump
}

// count is K2's cost: slots, a wide load two.
func count(s Sums) float64 { return float64(s.Slots) }

// countNoAtomics counts slots and makes an atomic too dear to be worth it.
func countNoAtomics(s Sums) float64 { return float64(s.Slots + 8*s.Atomics) }

// latency is the table's.
func latency(s Sums) float64 { return float64(s.Price) / millionths }

// balanced counts slots among the programs that the table prices no higher
// than p; a dearer one costs more than any of these. Nobody wants a smaller
// program that is slower.
func balanced(t *Table, p *Prog) func(Sums) float64 {
	bound := t.Sum(p.Insts).Price
	return func(s Sums) float64 {
		c := float64(s.Slots)
		if over := s.Price - bound; over > 0 {
			c += dearer * (1 + float64(over)/millionths)
		}
		return c
	}
}

// dearer is more than any program has slots (BPF_COMPLEXITY_LIMIT_INSNS).
const dearer = 1 << 20

// costs are the cost functions by name.
var costs = []struct {
	name string
	of   func(Sums) float64
}{
	{"count", count},
	{"count-no-atomics", countNoAtomics},
	{"latency", latency},
	{"balanced", nil}, // depends on the program
}

// CostNamed is the cost function of that name, for p, by the prices of l; nil
// where there is none.
func CostNamed(name string, p *Prog, l Latency) *Summed {
	t := l.table()
	for _, c := range costs {
		switch {
		case c.name != name:
		case c.of == nil:
			return &Summed{t, balanced(t, p)}
		default:
			return &Summed{t, c.of}
		}
	}
	return nil
}

// CostNames are the names of all cost functions, sorted.
func CostNames() []string {
	var names []string
	for _, c := range costs {
		names = append(names, c.name)
	}
	return names
}
