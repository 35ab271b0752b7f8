package ir

import "jitnic/host/ebpf"

// CostFunc is what is made small; the caller gives it. Units are its own:
// instructions, nanoseconds, NIC cycles.
type CostFunc func(p *Prog) float64

// CountCost is K2's: slots, a wide load two.
func CountCost(p *Prog) float64 { return float64(p.Slots()) }

// CountNoAtomics counts slots and makes an atomic too dear to be worth it.
func CountNoAtomics(p *Prog) float64 {
	c := float64(p.Slots())
	for i := range p.Insts {
		if p.Insts[i].IsAtomic() {
			c += 8
		}
	}
	return c
}

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
func (l Latency) Cost(p *Prog) float64 {
	var s float64
	for i := range p.Insts {
		in := &p.Insts[i]
		switch in.Class() {
		case ebpf.ClassALU, ebpf.ClassALU64:
			switch in.ALUOp() {
			case ebpf.ALUMul:
				s += l.Mul
			case ebpf.ALUDiv, ebpf.ALUMod:
				s += l.Div
			default:
				s += l.ALU
			}
		case ebpf.ClassLDX:
			s += l.Load
		case ebpf.ClassST:
			s += l.Store
		case ebpf.ClassSTX:
			if in.IsAtomic() {
				s += l.Atomic
			} else {
				s += l.Store
			}
		case ebpf.ClassLD:
			if in.Op == ebpf.OpLDDW {
				s += l.Wide
			} else if in.Op != Nop {
				s += l.Call
			}
		default:
			if in.Op == ebpf.OpCall {
				s += l.Call
			} else {
				s += l.Jump
			}
		}
	}
	return s
}

// BalancedCost counts slots among the programs that the table prices no higher
// than p; a dearer one costs more than any of these. Nobody wants a smaller
// program that is slower.
func BalancedCost(p *Prog, l Latency) CostFunc {
	const eps = 1e-9 // sums of one table in another order
	bound := l.Cost(p) + eps
	return func(q *Prog) float64 {
		c := float64(q.Slots())
		if over := l.Cost(q) - bound; over > 0 {
			c += dearer * (1 + over)
		}
		return c
	}
}

// dearer is more than any program has slots (BPF_COMPLEXITY_LIMIT_INSNS).
const dearer = 1 << 20

// costs are the cost functions by name.
var costs = []struct {
	name string
	cost CostFunc
}{
	{"count", CountCost},
	{"count-no-atomics", CountNoAtomics},
	{"latency", DefaultLatency().Cost},
	{"balanced", nil}, // depends on the program: BalancedCost
}

// CostNamed is the cost function of that name, where it is the same for every
// program.
func CostNamed(name string) (CostFunc, bool) {
	for _, c := range costs {
		if c.name == name && c.cost != nil {
			return c.cost, true
		}
	}
	return nil, false
}

// CostNames are the names of all cost functions, sorted.
func CostNames() []string {
	var names []string
	for _, c := range costs {
		names = append(names, c.name)
	}
	return names
}
