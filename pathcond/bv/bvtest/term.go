package bvtest

import "jitnic/pathcond/bv"

// Bind gives an equation's variables terms, "op" an operation and its names
// sizes.
type Bind struct {
	B     *bv.Builder
	Sizes Sizes
	Op    bv.Op
	Vars  map[string]bv.Term
}

// Term builds the expression, simplified as it goes.
func (x *Expr) Term(d *Bind) bv.Term {
	b := d.B
	if x.head == "" {
		w := x.nums[1].at(d.Sizes)
		if x.ones {
			return b.Const(bv.Mask(w), w)
		}
		return b.Const(uint64(x.nums[0].at(d.Sizes)), w)
	}
	if len(x.args) == 0 {
		return d.Vars[x.head]
	}
	a := x.Args(d)
	switch x.head {
	case "min", "max", "zeros":
		lo, hi := b.Bounds(a[0])
		k := map[string]uint64{"min": lo, "max": hi, "zeros": b.Zeros(a[0])}[x.head]
		return b.Const(k, b.Width(a[0]))
	case "not":
		return b.Not(a[0])
	case "bswap":
		return b.BSwap(a[0])
	case "concat":
		return b.Concat(a[0], a[1])
	case "extract":
		return b.Extract(a[0], x.nums[0].at(d.Sizes), x.nums[1].at(d.Sizes))
	case "zext":
		return b.ZExt(a[0], x.nums[0].at(d.Sizes))
	case "sext":
		return b.SExt(a[0], x.nums[0].at(d.Sizes))
	case "ite":
		return b.Ite(a[0], a[1], a[2])
	}
	return b.Bin(x.op(d.Op), a[0], a[1])
}

// Args builds the arguments of the expression.
func (x *Expr) Args(d *Bind) (out []bv.Term) {
	for _, a := range x.args {
		out = append(out, a.Term(d))
	}
	return out
}

// Numbers are the widths and positions that stand between the operation and its
// arguments.
func (x *Expr) Numbers(s Sizes) (out []int) {
	for _, n := range x.nums {
		out = append(out, n.at(s))
	}
	return out
}

func (x *Expr) op(op bv.Op) bv.Op {
	if x.head == "op" {
		return op
	}
	return bv.OpNamed(x.head)
}
