package bv

import "math/bits"

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

// Bin makes op of two terms of one width: arithmetic, bitwise operations and
// shifts (result of that width) and comparisons (result of width 1).
func (b *Builder) Bin(op Op, x, y Term) Term {
	w := b.Width(x)
	if b.Width(y) != w {
		panic("bv: " + op.String() + " of two widths")
	}
	cx, xk := b.IsConst(x)
	cy, yk := b.IsConst(y)
	if xk && yk {
		rw := w
		if op >= OpEq {
			rw = 1
		}
		return b.Const(Fold(op, w, cx, cy), rw)
	}
	switch op {
	case OpAdd, OpMul, OpAnd, OpOr, OpXor, OpEq:
		if xk || (!yk && x > y) { // constants last, then the older term first
			x, y, cx, cy, xk, yk = y, x, cy, cx, yk, xk
		}
	}
	m := Mask(w)
	switch op {
	case OpAdd:
		return b.add(x, y)
	case OpSub:
		if x == y {
			return b.Const(0, w)
		}
		if yk {
			return b.add(x, b.Const(-cy, w))
		}
		// (x + c) - x, (x + c) - (x + d), (x + y) - x
		xb, xc := b.SplitAdd(x)
		yb, yc := b.SplitAdd(y)
		if xb == yb {
			return b.Const(xc-yc, w)
		}
		if b.Op(xb) == OpAdd {
			if b.arg(xb, 0) == yb {
				return b.add(b.arg(xb, 1), b.Const(xc-yc, w))
			}
			if b.arg(xb, 1) == yb {
				return b.add(b.arg(xb, 0), b.Const(xc-yc, w))
			}
		}
		if xc != 0 || yc != 0 {
			if xb == 0 {
				return b.add(b.raw(OpSub, w, 0, b.Const(0, w), yb), b.Const(xc-yc, w))
			}
			return b.add(b.Bin(OpSub, xb, yb), b.Const(xc-yc, w))
		}
	case OpMul:
		if yk {
			switch {
			case cy == 0:
				return y
			case cy == 1:
				return x
			case bits.OnesCount64(cy) == 1:
				return b.Bin(OpShl, x, b.Const(uint64(bits.TrailingZeros64(cy)), w))
			}
		}
	case OpUDiv:
		if yk && cy != 0 && bits.OnesCount64(cy) == 1 {
			return b.Bin(OpLShr, x, b.Const(uint64(bits.TrailingZeros64(cy)), w))
		}
	case OpURem:
		if yk && cy != 0 && bits.OnesCount64(cy) == 1 {
			return b.Bin(OpAnd, x, b.Const(cy-1, w))
		}
		if _, mx := b.Bounds(x); yk && mx < cy {
			return x
		}
	case OpAnd:
		if x == y {
			return x
		}
		if yk {
			cy &^= b.Zeros(x) // bits that are 0 anyway need no mask
			switch {
			case cy == 0:
				return b.Const(0, w)
			case cy|b.Zeros(x) == m:
				return x
			}
			y = b.Const(cy, w)
			if b.Op(x) == OpAnd {
				if c, ok := b.IsConst(b.arg(x, 1)); ok {
					return b.Bin(OpAnd, b.arg(x, 0), b.Const(c&cy, w))
				}
			}
			// What is widened is masked before.
			if b.Op(x) == OpZExt {
				in := b.arg(x, 0)
				return b.ZExt(b.Bin(OpAnd, in, b.Const(cy, b.Width(in))), w)
			}
			// A mask of low bits reads a narrower value.
			if cy&(cy+1) == 0 && b.Op(x) != OpFun && b.Op(x) != OpInput {
				if n := bits.Len64(cy); n == 8 || n == 16 || n == 32 {
					return b.ZExt(b.Extract(x, 0, n), w)
				}
			}
		}
	case OpOr, OpXor:
		if x == y {
			if op == OpOr {
				return x
			}
			return b.Const(0, w)
		}
		if yk && cy == 0 {
			return x
		}
		if yk && cy == m {
			if op == OpOr {
				return y
			}
			return b.Not(x)
		}
		if c, ok := b.joinHalves(x, y, w); ok {
			return c
		}
	case OpShl, OpLShr, OpAShr:
		if yk {
			if cy == 0 {
				return x
			}
			if op == OpAShr && b.Zeros(x)>>(w-1)&1 == 1 {
				return b.Bin(OpLShr, x, y)
			}
			if cy >= uint64(w) {
				if op != OpAShr {
					return b.Const(0, w)
				}
				cy = uint64(w) - 1
				y = b.Const(cy, w)
			}
			if op == OpLShr {
				if b.Zeros(x)|Mask64(int(cy)) == m|Mask64(int(cy)) {
					return b.Const(0, w)
				}
				// (a:b) >> |b| is zext a; a field of a wider load.
				return b.ZExt(b.Extract(x, int(cy), w-int(cy)), w)
			}
			if op == OpShl {
				if b.Op(x) == OpShl {
					if c, ok := b.IsConst(b.arg(x, 1)); ok && c+cy < uint64(w) {
						return b.Bin(OpShl, b.arg(x, 0), b.Const(c+cy, w))
					}
				}
			}
			if op == OpAShr && b.Op(x) == OpShl {
				if c, ok := b.IsConst(b.arg(x, 1)); ok && c == cy {
					return b.SExt(b.Extract(b.arg(x, 0), 0, w-int(cy)), w)
				}
			}
		}
	case OpEq, OpULt, OpULe, OpSLt, OpSLe:
		return b.compare(op, x, y)
	}
	rw := w
	return b.raw(op, rw, 0, x, y)
}

// joinHalves sees a shift-or of two narrower values as their concatenation.
func (b *Builder) joinHalves(x, y Term, w int) (Term, bool) {
	hi, lo := x, y
	if b.Op(lo) == OpShl {
		hi, lo = lo, hi
	}
	if b.Op(hi) != OpShl || b.Op(lo) != OpZExt {
		return 0, false
	}
	k, ok := b.IsConst(b.arg(hi, 1))
	n := b.Width(b.arg(lo, 0))
	h := b.arg(hi, 0)
	if !ok || int(k) != n || b.Op(h) != OpZExt {
		return 0, false
	}
	hn := b.arg(h, 0)
	if b.Width(hn)+n > w {
		return 0, false
	}
	return b.ZExt(b.Concat(hn, b.arg(lo, 0)), w), true
}

// add keeps sums as (x + y) + c: the constant outermost.
func (b *Builder) add(x, y Term) Term {
	w := b.Width(x)
	xb, xc := b.SplitAdd(x)
	yb, yc := b.SplitAdd(y)
	c := (xc + yc) & Mask(w)
	var base Term
	switch {
	case xb == 0 && yb == 0:
		return b.Const(c, w)
	case xb == 0:
		base = yb
	case yb == 0:
		base = xb
	default:
		if xb > yb {
			xb, yb = yb, xb
		}
		// a + (b - a) is b
		if b.Op(yb) == OpSub && b.arg(yb, 1) == xb {
			base = b.arg(yb, 0)
		} else if b.Op(xb) == OpSub && b.arg(xb, 1) == yb {
			base = b.arg(xb, 0)
		} else {
			base = b.raw(OpAdd, w, 0, xb, yb)
		}
		if base2, c2 := b.SplitAdd(base); c2 != 0 {
			base, c = base2, (c+c2)&Mask(w)
			if base == 0 {
				return b.Const(c, w)
			}
		}
	}
	if c == 0 {
		return base
	}
	return b.raw(OpAdd, w, 0, base, b.Const(c, w))
}

// SplitAdd takes x as base + constant; base is 0 where x is a constant.
func (b *Builder) SplitAdd(x Term) (base Term, c uint64) {
	if c, ok := b.IsConst(x); ok {
		return 0, c
	}
	if b.Op(x) == OpAdd {
		if c, ok := b.IsConst(b.arg(x, 1)); ok {
			return b.arg(x, 0), c
		}
	}
	return x, 0
}

// nowrap says whether base + c can't pass the end of its width, given base's bounds.
func (b *Builder) nowrap(base Term, c uint64) bool {
	if base == 0 {
		return true
	}
	_, mx := b.Bounds(base)
	s, carry := bits.Add64(mx, c, 0)
	return carry == 0 && s <= Mask(b.Width(base))
}

func (b *Builder) compare(op Op, x, y Term) Term {
	w := b.Width(x)
	cx, xk := b.IsConst(x)
	cy, yk := b.IsConst(y)
	if x == y {
		return b.Bool(op == OpEq || op == OpULe || op == OpSLe)
	}
	xmin, xmax := b.Bounds(x)
	ymin, ymax := b.Bounds(y)
	switch op {
	case OpSLt, OpSLe:
		sign := uint64(1) << (w - 1)
		if xmax < sign && ymax < sign {
			if op == OpSLt {
				return b.compare(OpULt, x, y)
			}
			return b.compare(OpULe, x, y)
		}
		if xmin >= sign && ymax < sign {
			return b.Bool(true)
		}
		if xmax < sign && ymin >= sign {
			return b.Bool(false)
		}
		if op == OpSLe { // one form: a <= b is not b < a
			return b.Not(b.compare(OpSLt, y, x))
		}
		return b.raw(op, 1, 0, x, y)
	case OpULt:
		if xmax < ymin {
			return b.Bool(true)
		}
		if xmin >= ymax {
			return b.Bool(false)
		}
	case OpULe: // one form: a <= b is not b < a
		return b.Not(b.compare(OpULt, y, x))
	case OpEq:
		if xmax < ymin || ymax < xmin {
			return b.Bool(false)
		}
		if yk && b.Zeros(x)&cy != 0 || xk && b.Zeros(y)&cx != 0 {
			return b.Bool(false)
		}
	}
	// One form of comparisons with a constant: k < y is not y < k+1.
	if xk && op == OpULt { // k is below y's maximum
		return b.Not(b.compare(op, y, b.Const(cx+1, w)))
	}
	if xk && op == OpSLt && cx != Mask(w)>>1 {
		return b.Not(b.compare(op, y, b.Const(cx+1, w)))
	}
	// The low part of what has nothing above it is the whole; and x >> k < c is
	// x < c << k.
	if yk && b.Op(x) == OpExtract && (op == OpULt || op == OpEq && b.K(x) == 0) {
		in, k := b.arg(x, 0), b.K(x)
		if wi := b.Width(in); b.nodes[in].max>>k <= Mask(w) && cy <= Mask(wi)>>k {
			return b.compare(op, in, b.Const(cy<<k, wi))
		}
	}
	xb, xc := b.SplitAdd(x)
	yb, yc := b.SplitAdd(y)
	if op == OpEq {
		if xb != 0 && xb == yb {
			return b.Bool(xc == yc)
		}
		if xc != 0 && (yb == 0 || yc != 0) && (xb != 0 && !(yb != 0 && yc == 0)) {
			if yb == 0 {
				return b.compare(op, xb, b.Const(cy-xc, w))
			}
			if xc == yc {
				return b.compareOrdered(xb, yb)
			}
		}
		if yk {
			switch b.Op(x) {
			case OpZExt:
				in := b.arg(x, 0)
				return b.Bin(OpEq, in, b.Const(cy, b.Width(in)))
			case OpSExt:
				in := b.arg(x, 0)
				if uint64(signed(cy&Mask(b.Width(in)), b.Width(in)))&Mask(w) != cy {
					return b.Bool(false)
				}
				return b.Bin(OpEq, in, b.Const(cy, b.Width(in)))
			case OpBSwap:
				return b.Bin(OpEq, b.arg(x, 0), b.Const(bits.ReverseBytes64(cy)>>(64-w), w))
			case OpNot:
				return b.Bin(OpEq, b.arg(x, 0), b.Const(^cy, w))
			case OpXor:
				if c, ok := b.IsConst(b.arg(x, 1)); ok {
					return b.Bin(OpEq, b.arg(x, 0), b.Const(c^cy, w))
				}
			case OpSub: // a - b == 0
				if cy == 0 {
					return b.Bin(OpEq, b.arg(x, 0), b.arg(x, 1))
				}
			case OpConcat: // a constant half is equal or not by itself
				hi, lo := b.arg(x, 0), b.arg(x, 1)
				wl := b.Width(lo)
				if c, ok := b.IsConst(lo); ok {
					if c != cy&Mask(wl) {
						return b.Bool(false)
					}
					return b.Bin(OpEq, hi, b.Const(cy>>wl, b.Width(hi)))
				}
				if c, ok := b.IsConst(hi); ok {
					if c != cy>>wl {
						return b.Bool(false)
					}
					return b.Bin(OpEq, lo, b.Const(cy, wl))
				}
			case OpAnd: // bits of a swapped field are tested as they lie in memory
				if c, ok := b.IsConst(b.arg(x, 1)); ok && b.Op(b.arg(x, 0)) == OpBSwap {
					in := b.arg(b.arg(x, 0), 0)
					c, k := bits.ReverseBytes64(c)>>(64-w), bits.ReverseBytes64(cy)>>(64-w)
					return b.Bin(OpEq, b.Bin(OpAnd, in, b.Const(c, w)), b.Const(k, w))
				}
			case OpIte:
				// (c ? k1 : k2) == k decides c
				c, p, q := b.arg(x, 0), b.arg(x, 1), b.arg(x, 2)
				pe, qe := b.Bin(OpEq, p, y), b.Bin(OpEq, q, y)
				pv, pok := b.IsConst(pe)
				qv, qok := b.IsConst(qe)
				switch {
				case pok && qok && pv == qv:
					return pe
				case pok && pv == 1:
					return b.OrB(c, qe)
				case pok:
					return b.AndB(b.Not(c), qe)
				case qok && qv == 1:
					return b.OrB(b.Not(c), pe)
				case qok:
					return b.AndB(c, pe)
				}
			case OpShl:
				if c, ok := b.IsConst(b.arg(x, 1)); ok {
					if cy&Mask64(int(c)) != 0 {
						return b.Bool(false)
					}
					in := b.arg(x, 0)
					return b.Bin(OpEq, b.Extract(in, 0, w-int(c)), b.Const(cy>>c, w-int(c)))
				}
			}
			if w == 1 {
				if cy == 1 {
					return x
				}
				return b.Not(x)
			}
		}
		if b.Op(x) == OpZExt && b.Op(y) == OpZExt {
			xi, yi := b.arg(x, 0), b.arg(y, 0)
			if b.Width(xi) == b.Width(yi) {
				return b.Bin(OpEq, xi, yi)
			}
		}
		if b.Op(x) == OpBSwap && b.Op(y) == OpBSwap {
			return b.Bin(OpEq, b.arg(x, 0), b.arg(y, 0))
		}
		return b.compareOrdered(x, y)
	}
	// Unsigned order: take a common constant off both sides where neither wraps.
	if b.nowrap(xb, xc) && b.nowrap(yb, yc) {
		if c := min(xc, yc); c != 0 && (xb != 0 || yb != 0) {
			return b.compare(op, b.plus(xb, xc-c, w), b.plus(yb, yc-c, w))
		}
		// A common summand, likewise.
		if xb != 0 && yb != 0 && xb != yb {
			if b.Op(xb) == OpAdd && (b.arg(xb, 0) == yb || b.arg(xb, 1) == yb) {
				rest := b.arg(xb, 0)
				if rest == yb {
					rest = b.arg(xb, 1)
				}
				if b.nowrap2(b.arg(xb, 0), b.arg(xb, 1), xc) {
					return b.compare(op, b.plus(rest, xc, w), b.Const(yc, w))
				}
			}
			if b.Op(yb) == OpAdd && (b.arg(yb, 0) == xb || b.arg(yb, 1) == xb) {
				rest := b.arg(yb, 0)
				if rest == xb {
					rest = b.arg(yb, 1)
				}
				if b.nowrap2(b.arg(yb, 0), b.arg(yb, 1), yc) {
					return b.compare(op, b.Const(xc, w), b.plus(rest, yc, w))
				}
			}
		}
	}
	if op == OpULt && (yk && cy == 1) { // x < 1
		return b.Bin(OpEq, x, b.Const(0, w))
	}
	if yk && b.Op(x) == OpZExt { // bounds say cy fits
		in := b.arg(x, 0)
		return b.compare(op, in, b.Const(cy, b.Width(in)))
	}
	if b.Op(x) == OpZExt && b.Op(y) == OpZExt {
		xi, yi := b.arg(x, 0), b.arg(y, 0)
		if b.Width(xi) == b.Width(yi) {
			return b.compare(op, xi, yi)
		}
	}
	return b.raw(op, 1, 0, x, y)
}

func (b *Builder) compareOrdered(x, y Term) Term {
	if _, k := b.IsConst(y); !k && x > y {
		x, y = y, x
	}
	return b.raw(OpEq, 1, 0, x, y)
}

func (b *Builder) plus(base Term, c uint64, w int) Term {
	if base == 0 {
		return b.Const(c, w)
	}
	return b.add(base, b.Const(c, w))
}

func (b *Builder) nowrap2(x, y Term, c uint64) bool {
	_, mx := b.Bounds(x)
	_, my := b.Bounds(y)
	s, c1 := bits.Add64(mx, my, 0)
	s, c2 := bits.Add64(s, c, 0)
	return c1 == 0 && c2 == 0 && s <= Mask(b.Width(x))
}

// Not makes the bitwise complement; of a predicate, its negation.
func (b *Builder) Not(x Term) Term {
	w := b.Width(x)
	if c, ok := b.IsConst(x); ok {
		return b.Const(^c, w)
	}
	if b.Op(x) == OpNot {
		return b.arg(x, 0)
	}
	return b.raw(OpNot, w, 0, x)
}

// Neg makes the two's complement negation.
func (b *Builder) Neg(x Term) Term { return b.Bin(OpSub, b.Const(0, b.Width(x)), x) }

// BSwap reverses the bytes of a term of width 8, 16, 32 or 64.
func (b *Builder) BSwap(x Term) Term {
	w := b.Width(x)
	if w == 8 {
		return x
	}
	if c, ok := b.IsConst(x); ok {
		return b.Const(bits.ReverseBytes64(c)>>(64-w), w)
	}
	if b.Op(x) == OpBSwap {
		return b.arg(x, 0)
	}
	return b.raw(OpBSwap, w, 0, x)
}

// Concat joins two terms, hi above lo.
func (b *Builder) Concat(hi, lo Term) Term {
	wh, wl := b.Width(hi), b.Width(lo)
	ch, hk := b.IsConst(hi)
	cl, lk := b.IsConst(lo)
	if hk && lk {
		return b.Const(ch<<wl|cl, wh+wl)
	}
	if hk && ch == 0 {
		return b.ZExt(lo, wh+wl)
	}
	if b.Op(hi) == OpExtract && b.Op(lo) == OpExtract && b.arg(hi, 0) == b.arg(lo, 0) &&
		b.K(hi) == b.K(lo)+uint64(wl) {
		return b.Extract(b.arg(hi, 0), int(b.K(lo)), wh+wl)
	}
	// hi : (extract above the rest) : rest
	if b.Op(lo) == OpConcat && b.Op(hi) == OpExtract {
		if m := b.arg(lo, 0); b.Op(m) == OpExtract && b.arg(m, 0) == b.arg(hi, 0) && b.K(hi) == b.K(m)+uint64(b.Width(m)) {
			return b.Concat(b.Extract(b.arg(hi, 0), int(b.K(m)), wh+b.Width(m)), b.arg(lo, 1))
		}
	}
	// One form: zeros outside, joined from the top.
	if b.Op(hi) == OpZExt {
		return b.ZExt(b.Concat(b.arg(hi, 0), lo), wh+wl)
	}
	if b.Op(lo) == OpConcat {
		return b.Concat(b.Concat(hi, b.arg(lo, 0)), b.arg(lo, 1))
	}
	if b.Join != nil {
		if t, ok := b.Join(hi, lo); ok {
			return t
		}
		if b.Op(hi) == OpConcat {
			if t, ok := b.Join(b.arg(hi, 1), lo); ok {
				return b.Concat(b.arg(hi, 0), t)
			}
		}
	}
	return b.raw(OpConcat, wh+wl, 0, hi, lo)
}

// Extract takes width bits from bit lo up.
func (b *Builder) Extract(x Term, lo, width int) Term {
	w := b.Width(x)
	if lo == 0 && width == w {
		return x
	}
	if c, ok := b.IsConst(x); ok {
		return b.Const(c>>uint(lo), width)
	}
	if b.Zeros(x)>>uint(lo)&Mask(width) == Mask(width) {
		return b.Const(0, width)
	}
	switch b.Op(x) {
	case OpAnd, OpOr, OpXor, OpNot, OpIte, OpAdd, OpSub, OpMul:
		// Both arguments are cut in turn: without a memory that is exponential
		// in the depth of shared terms, as hash functions make them.
		ky := key{op: OpExtract, width: uint8(width), k: uint64(lo), a: x}
		if t, ok := b.cuts[ky]; ok {
			return t
		}
		t := b.extract(x, lo, width)
		b.cuts[ky] = t
		return t
	}
	return b.extract(x, lo, width)
}

func (b *Builder) extract(x Term, lo, width int) Term {
	w := b.Width(x)
	switch b.Op(x) {
	case OpExtract:
		return b.Extract(b.arg(x, 0), int(b.K(x))+lo, width)
	case OpZExt, OpSExt:
		in := b.arg(x, 0)
		if lo+width <= b.Width(in) {
			return b.Extract(in, lo, width)
		}
		if lo == 0 {
			if b.Op(x) == OpZExt {
				return b.ZExt(in, width)
			}
			return b.SExt(in, width)
		}
		if b.Op(x) == OpZExt && lo < b.Width(in) {
			return b.ZExt(b.Extract(in, lo, b.Width(in)-lo), width)
		}
	case OpConcat:
		hi, low := b.arg(x, 0), b.arg(x, 1)
		wl := b.Width(low)
		if lo+width <= wl {
			return b.Extract(low, lo, width)
		}
		if lo >= wl {
			return b.Extract(hi, lo-wl, width)
		}
	case OpAnd, OpOr, OpXor:
		return b.Bin(b.Op(x), b.Extract(b.arg(x, 0), lo, width), b.Extract(b.arg(x, 1), lo, width))
	case OpNot:
		return b.Not(b.Extract(b.arg(x, 0), lo, width))
	case OpIte:
		return b.Ite(b.arg(x, 0), b.Extract(b.arg(x, 1), lo, width), b.Extract(b.arg(x, 2), lo, width))
	case OpAdd, OpSub, OpMul:
		if lo == 0 { // low bits of a sum are the sum of low bits
			return b.Bin(b.Op(x), b.Extract(b.arg(x, 0), 0, width), b.Extract(b.arg(x, 1), 0, width))
		}
	case OpShl:
		if c, ok := b.IsConst(b.arg(x, 1)); ok && lo >= int(c) {
			return b.Extract(b.arg(x, 0), lo-int(c), width)
		}
		if _, ok := b.IsConst(b.arg(x, 1)); ok && lo == 0 {
			y := b.Extract(b.arg(x, 0), 0, width)
			return b.Bin(OpShl, y, b.Const(b.K(b.arg(x, 1)), width))
		}
	case OpBSwap:
		if lo%8 == 0 && width%8 == 0 {
			in := b.Extract(b.arg(x, 0), w-lo-width, width)
			if width == 8 || width == 16 || width == 32 {
				return b.BSwap(in)
			}
		}
	}
	return b.raw(OpExtract, width, uint64(lo), x)
}

// ZExt widens with zeros.
func (b *Builder) ZExt(x Term, width int) Term {
	w := b.Width(x)
	if w == width {
		return x
	}
	if c, ok := b.IsConst(x); ok {
		return b.Const(c, width)
	}
	if b.Op(x) == OpZExt {
		return b.ZExt(b.arg(x, 0), width)
	}
	if b.Op(x) == OpExtract && b.K(x) == 0 {
		// zext of the low part of something that has nothing above it
		in := b.arg(x, 0)
		if b.Width(in) == width && b.Zeros(in)|Mask(w) == Mask(width) {
			return in
		}
	}
	return b.raw(OpZExt, width, 0, x)
}

// SExt widens with copies of the sign bit.
func (b *Builder) SExt(x Term, width int) Term {
	w := b.Width(x)
	if w == width {
		return x
	}
	if c, ok := b.IsConst(x); ok {
		return b.Const(uint64(signed(c, w)), width)
	}
	if b.Zeros(x)>>(w-1)&1 == 1 {
		return b.ZExt(x, width)
	}
	return b.raw(OpSExt, width, 0, x)
}

// Ite makes (c ? x : y); c has width 1.
func (b *Builder) Ite(c, x, y Term) Term {
	if v, ok := b.IsConst(c); ok {
		if v == 1 {
			return x
		}
		return y
	}
	if x == y {
		return x
	}
	if b.Op(c) == OpNot {
		return b.Ite(b.arg(c, 0), y, x)
	}
	return b.raw(OpIte, b.Width(x), 0, c, x, y)
}

// AndB and OrB join predicates.
func (b *Builder) AndB(x, y Term) Term {
	if c, ok := b.IsConst(x); ok {
		if c == 0 {
			return x
		}
		return y
	}
	if c, ok := b.IsConst(y); ok {
		if c == 0 {
			return y
		}
		return x
	}
	return b.Bin(OpAnd, x, y)
}

// OrB is the disjunction of two predicates.
func (b *Builder) OrB(x, y Term) Term { return b.Not(b.AndB(b.Not(x), b.Not(y))) }
