package rewrite

import (
	"math"

	"jitnic/superopt/internal/ir"
)

// Pricing is the cost of programs, and what is known of it.
type Pricing struct {
	Cost ir.CostFunc
	// OpCost is what an opcode costs alone; Additive: the cost of a program is
	// their sum.
	OpCost   [256]float64
	Additive bool
	// price is the cost of the program priced.
	priced *ir.Prog
	price  float64
}

// learn asks the cost function what each opcode costs alone, and whether
// that says what the program costs: whether it is a sum over instructions.
func (o *Pricing) learn(p *ir.Prog) {
	one := &ir.Prog{Insts: make([]ir.Inst, 1), Maps: p.Maps, Entry: []int32{0}}
	for op := 1; op < 256; op++ {
		one.Insts[0] = ir.Empty()
		one.Insts[0].Op = uint8(op)
		o.OpCost[op] = o.Cost(one)
	}
	var sum float64
	for i := range p.Insts {
		sum += o.OpCost[p.Insts[i].Op]
	}
	o.Additive = math.Abs(sum-o.Cost(p)) < 1e-6*(1+math.Abs(sum))
}
