package bv

// Fold computes op on constants of the given width (of the arguments).
func Fold(op Op, width int, x, y uint64) uint64 {
	m := Mask(width)
	sx, sy := signed(x, width), signed(y, width)
	switch op {
	case OpAdd:
		return (x + y) & m
	case OpSub:
		return (x - y) & m
	case OpMul:
		return (x * y) & m
	case OpUDiv:
		if y == 0 {
			return m
		}
		return x / y
	case OpURem:
		if y == 0 {
			return x
		}
		return x % y
	case OpSDiv:
		switch {
		case y == 0 && sx >= 0:
			return m
		case y == 0:
			return 1
		case sy == -1:
			return -x & m
		}
		return uint64(sx/sy) & m
	case OpSRem:
		if y == 0 {
			return x
		}
		if sy == -1 {
			return 0
		}
		return uint64(sx%sy) & m
	case OpAnd:
		return x & y
	case OpOr:
		return x | y
	case OpXor:
		return x ^ y
	case OpShl:
		if y >= uint64(width) {
			return 0
		}
		return x << y & m
	case OpLShr:
		if y >= uint64(width) {
			return 0
		}
		return x >> y
	case OpAShr:
		if y >= uint64(width) {
			y = uint64(width) - 1
		}
		return uint64(sx>>y) & m
	case OpEq:
		return Bit(x == y)
	case OpULt:
		return Bit(x < y)
	case OpULe:
		return Bit(x <= y)
	case OpSLt:
		return Bit(sx < sy)
	case OpSLe:
		return Bit(sx <= sy)
	}
	panic("bv: fold " + op.String())
}

func signed(x uint64, width int) int64 { return int64(x<<(64-uint(width))) >> (64 - uint(width)) }

// Bit is 1 for true: a predicate's value.
func Bit(v bool) uint64 {
	if v {
		return 1
	}
	return 0
}
