package bv

import "fmt"

// OpNamed is the operation of that name in the S-expression form, or OpInvalid.
func OpNamed(name string) Op {
	for o, n := range opNames {
		if n == name {
			return Op(o)
		}
	}
	return OpInvalid
}

// Make makes exactly the node asked for, without simplifying: text that was
// printed of a term is read back to that term, whatever the simplifier would
// make of it today. k is the constant, the number of the input or function, or
// the low bit of an extract; args must have the widths the operation asks for.
func (b *Builder) Make(op Op, width int, k uint64, args ...Term) (Term, error) {
	if op <= OpInvalid || op >= opCount {
		return 0, fmt.Errorf("bv: %v: no such operation", op)
	}
	if width < 1 || width > 64 {
		return 0, fmt.Errorf("bv: %v of width %d: not 1 to 64", op, width)
	}
	for _, a := range args {
		if a == 0 || int(a) >= len(b.nodes) {
			return 0, fmt.Errorf("bv: %v: argument is no term", op)
		}
	}
	want := 2
	switch op {
	case OpConst, OpInput:
		want = 0
	case OpFun:
		want = len(args)
	case OpNot, OpBSwap, OpExtract, OpZExt, OpSExt:
		want = 1
	case OpIte:
		want = 3
	}
	if len(args) != want {
		return 0, fmt.Errorf("bv: %v of %d arguments, not %d", op, len(args), want)
	}
	w := func(i int) int { return b.Width(args[i]) }
	ok := true
	switch op {
	case OpConst:
		ok = k <= Mask(width)
	case OpFun:
		ok = len(args) < 1<<16
	case OpNot, OpBSwap:
		ok = w(0) == width && (op == OpNot || width%8 == 0)
	case OpExtract:
		ok = k < 64 && int(k)+width <= w(0)
	case OpZExt, OpSExt:
		ok = w(0) < width
	case OpConcat:
		ok = w(0)+w(1) == width
	case OpIte:
		ok = w(0) == 1 && w(1) == width && w(2) == width
	case OpEq, OpULt, OpULe, OpSLt, OpSLe:
		ok = w(0) == w(1) && width == 1
	default:
		ok = op == OpInput || w(0) == width && w(1) == width
	}
	if !ok {
		return 0, fmt.Errorf("bv: %v of width %d: arguments don't fit", op, width)
	}
	switch op {
	case OpConst, OpInput, OpFun, OpExtract:
	default:
		k = 0
	}
	return b.raw(op, width, k, args...), nil
}
