package rewrite

import (
	"math"
	"slices"

	"jitnic/superopt/internal/ir"
)

// Pricing is the cost of programs, and what is known of it.
type Pricing struct {
	Cost ir.CostFunc
	// OpCost is what an opcode costs alone; Additive: the cost of a program is
	// their sum.
	OpCost   [256]float64
	Additive bool
	Least    float64 // what an instruction costs at least, where the cost is additive
	// summed is Cost where it is made of sums, which follow the changes; nil: any.
	summed *ir.Summed
	priced *ir.Prog // the program of which sums and price are
	sums   ir.Sums
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
	o.Least = slices.Min(o.OpCost[1:])
	var sum float64
	for i := range p.Insts {
		sum += o.OpCost[p.Insts[i].Op]
	}
	o.Additive = math.Abs(sum-o.Cost(p)) < 1e-6*(1+math.Abs(sum))
}

// prices are the costs of p and of q, which is p but for [s, e).
func (o *Pricing) prices(p, q *ir.Prog, s, e int) (before, after float64) {
	if o.priced != p {
		o.priced = p
		if o.summed != nil {
			o.sums = o.summed.Table.Sum(p.Insts)
			o.price = o.summed.Of(o.sums)
		} else {
			o.price = o.Cost(p)
		}
	}
	if o.summed == nil {
		return o.price, o.Cost(q)
	}
	return o.price, o.summed.Of(o.summed.Table.Edited(o.sums, p.Insts[s:e], q.Insts[s:e]))
}

// taken: q is the program now, which the last prices were about.
func (o *Pricing) taken(p, q *ir.Prog, s, e int) {
	if o.summed != nil && o.priced == p {
		o.sums = o.summed.Table.Edited(o.sums, p.Insts[s:e], q.Insts[s:e])
		o.price, o.priced = o.summed.Of(o.sums), q
	}
}
