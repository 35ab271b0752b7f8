package points

import (
	"math/bits"

	"jitnic/host/ebpf"
)

// Number is what is known of a number: bits (where Unknown is 0 they are those of
// Known), and bounds, both unsigned.
type Number struct {
	Unknown, Known uint64
	Min, Max       uint64
}

func exactly(v uint64) Number { return Number{Known: v, Min: v, Max: v} }

// upTo is a number of n bits.
func upTo(n int) Number {
	m := ^uint64(0) >> (64 - n)
	return Number{Unknown: m, Max: m}
}

func (n Number) exact() bool { return n.Unknown == 0 }

// Norm brings bits and bounds in line.
func (n Number) Norm() Number {
	n.Known &^= n.Unknown
	n.Min = max(n.Min, n.Known)
	n.Max = min(n.Max, n.Known|n.Unknown)
	if n.Min > n.Max { // an impossible path: anything holds
		return exactly(n.Known)
	}
	if n.Min == n.Max {
		return exactly(n.Min)
	}
	if hi := n.Min ^ n.Max; hi != 0 { // common leading bits are known
		m := ^uint64(0) << bits.Len64(hi)
		n.Unknown &^= m
		n.Known = n.Known&^m | n.Min&m
	}
	return n
}

// or is one of two numbers.
func (n Number) or(o Number) Number {
	return Number{Unknown: n.Unknown | o.Unknown | (n.Known ^ o.Known), Known: n.Known & o.Known,
		Min: min(n.Min, o.Min), Max: max(n.Max, o.Max)}.Norm()
}

// low is what is known of the low w bits.
func (n Number) low(w int) Number {
	if w == 64 {
		return n
	}
	m := ^uint64(0) >> (64 - w)
	t := Number{Unknown: n.Unknown & m, Known: n.Known & m, Max: m}
	if n.Max <= m {
		t.Min, t.Max = n.Min, n.Max
	}
	return t.Norm()
}

// swapped is the number with its bytes in the other order, the low w bits of it.
func (n Number) swapped(w uint) Number {
	return Number{Unknown: bits.ReverseBytes64(n.Unknown) >> (64 - w), Known: bits.ReverseBytes64(n.Known) >> (64 - w),
		Max: ^uint64(0) >> (64 - w)}.Norm()
}

// compute is a op b of width w (32 or 64); where nothing is known of the
// operation, any number of that width.
func compute(op uint8, a, b Number, w int) Number {
	m := ^uint64(0) >> (64 - w)
	res := upTo(w)
	if a.exact() && b.exact() {
		if v, ok := Fold(op, a.Known&m, b.Known&m, w); ok {
			return exactly(v)
		}
		return res
	}
	a, b = a.low(w), b.low(w)
	switch op {
	case ebpf.ALUMov:
		return b
	case ebpf.ALUAnd:
		z := (^a.Unknown & ^a.Known) | (^b.Unknown & ^b.Known)
		res = Number{Unknown: (a.Unknown | b.Unknown) &^ z, Known: a.Known & b.Known, Max: min(a.Max, b.Max)}
	case ebpf.ALUOr:
		one := a.Known | b.Known
		res = Number{Unknown: (a.Unknown | b.Unknown) &^ one, Known: one, Min: max(a.Min, b.Min), Max: m}
	case ebpf.ALUXor:
		res = Number{Unknown: a.Unknown | b.Unknown, Known: a.Known ^ b.Known, Max: m}
	case ebpf.ALULsh, ebpf.ALURsh, ebpf.ALUArsh:
		if b.exact() && b.Known < uint64(w) {
			return shifted(op, a, int(b.Known), w)
		}
	default:
		res = bounded(op, a, b, w)
	}
	return res.Norm()
}

// bounded is compute for what bounds tell more of than bits.
func bounded(op uint8, a, b Number, w int) Number {
	m := ^uint64(0) >> (64 - w)
	res := upTo(w)
	switch op {
	case ebpf.ALUAdd:
		if s, c := bits.Add64(a.Max, b.Max, 0); c == 0 && s <= m {
			res.Min, res.Max = a.Min+b.Min, s
		}
		tz := min(bits.TrailingZeros64(a.Unknown|a.Known), bits.TrailingZeros64(b.Unknown|b.Known))
		if tz < 64 {
			res.Unknown &^= 1<<tz - 1
		}
	case ebpf.ALUSub:
		if a.Min >= b.Max {
			res.Min, res.Max = a.Min-b.Max, a.Max-b.Min
		}
	case ebpf.ALUMul:
		if hi, lo := bits.Mul64(a.Max, b.Max); hi == 0 && lo <= m {
			res.Min, res.Max = a.Min*b.Min, lo
		}
	case ebpf.ALUDiv:
		if b.exact() && b.Known != 0 {
			res.Min, res.Max = a.Min/b.Known, a.Max/b.Known
		}
	case ebpf.ALUMod:
		if b.exact() && b.Known != 0 {
			res.Max = min(a.Max, b.Known-1)
		}
	}
	return res
}

// shifted is a shift by k bits.
func shifted(op uint8, a Number, k, w int) Number {
	m := ^uint64(0) >> (64 - w)
	res := upTo(w)
	switch {
	case op == ebpf.ALULsh:
		res.Unknown, res.Known = a.Unknown<<k&m, a.Known<<k&m
		if bits.Len64(a.Max)+k <= w {
			res.Min, res.Max = a.Min<<k, a.Max<<k
		}
	case op == ebpf.ALURsh || a.Max < uint64(1)<<(w-1): // no sign goes along
		res.Unknown, res.Known = a.Unknown>>k, a.Known>>k
		res.Min, res.Max = a.Min>>k, a.Max>>k
	}
	return res.Norm()
}

// Fold computes an operation of width w on constants; false where it isn't known
// here.
func Fold(op uint8, x, y uint64, w int) (uint64, bool) {
	m := ^uint64(0) >> (64 - w)
	sh := y & uint64(w-1)
	switch op {
	case ebpf.ALUMov:
		return y, true
	case ebpf.ALUAdd:
		return (x + y) & m, true
	case ebpf.ALUSub:
		return (x - y) & m, true
	case ebpf.ALUMul:
		return x * y & m, true
	case ebpf.ALUAnd:
		return x & y, true
	case ebpf.ALUOr:
		return x | y, true
	case ebpf.ALUXor:
		return x ^ y, true
	case ebpf.ALULsh:
		return x << sh & m, true
	case ebpf.ALURsh:
		return x >> sh, true
	case ebpf.ALUArsh:
		return uint64(int64(x<<(64-w))>>(64-w)>>sh) & m, true
	case ebpf.ALUDiv:
		if y == 0 {
			return 0, true
		}
		return x / y, true
	case ebpf.ALUMod:
		if y == 0 {
			return x, true
		}
		return x % y, true
	}
	return 0, false
}
