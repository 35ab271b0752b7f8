package bv

import "math/bits"

// Bin makes op of two terms of one width: arithmetic, bitwise operations and
// shifts (result of that width) and comparisons (result of width 1).
func (b *Builder) Bin(op Op, x, y Term) Term {
	w := b.Width(x)
	if b.Width(y) != w {
		panic("bv: " + op.String() + " of two widths")
	}
	rw := w
	if op >= OpEq {
		rw = 1
	}
	cx, xk := b.IsConst(x)
	cy, yk := b.IsConst(y)
	if xk && yk {
		return b.Const(Fold(op, w, cx, cy), rw)
	}
	switch op {
	case OpAdd, OpMul, OpAnd, OpOr, OpXor, OpEq:
		if xk || (!yk && x > y) { // constants last, then the older term first
			x, y, cy = y, x, cx
		}
	}
	if t := b.simpler(ask{op: op, w: w, x: x, y: y, k: cy}); t != 0 {
		return t
	}
	return b.raw(op, rw, 0, x, y)
}

// Not makes the bitwise complement; of a predicate, its negation.
func (b *Builder) Not(x Term) Term {
	w := b.Width(x)
	if c, ok := b.IsConst(x); ok {
		return b.Const(^c, w)
	}
	if t := b.simpler(ask{op: OpNot, w: w, x: x}); t != 0 {
		return t
	}
	return b.raw(OpNot, w, 0, x)
}

// Neg makes the two's complement negation.
func (b *Builder) Neg(x Term) Term { return b.Bin(OpSub, b.Const(0, b.Width(x)), x) }

// BSwap reverses the bytes of a term of width 8, 16, 32 or 64.
func (b *Builder) BSwap(x Term) Term {
	w := b.Width(x)
	if c, ok := b.IsConst(x); ok {
		return b.Const(bits.ReverseBytes64(c)>>(64-w), w)
	}
	if t := b.simpler(ask{op: OpBSwap, w: w, x: x}); t != 0 {
		return t
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
	if t := b.simpler(ask{op: OpConcat, w: wh, n: wh + wl, x: hi, y: lo}); t != 0 {
		return t
	}
	if t, ok := b.join(hi, lo); ok {
		return t
	}
	return b.raw(OpConcat, wh+wl, 0, hi, lo)
}

// join asks the builder's owner for one term for two, or for the last two of
// three: what it knows is no rule of bit-vectors.
func (b *Builder) join(hi, lo Term) (Term, bool) {
	if b.Join == nil {
		return 0, false
	}
	if t, ok := b.Join(hi, lo); ok {
		return t, true
	}
	if b.Op(hi) == OpConcat {
		if t, ok := b.Join(b.arg(hi, 1), lo); ok {
			return b.Concat(b.arg(hi, 0), t), true
		}
	}
	return 0, false
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
	q := ask{op: OpExtract, w: w, n: width, lo: lo, x: x}
	switch b.Op(x) {
	case OpAnd, OpOr, OpXor, OpNot, OpIte, OpAdd, OpSub, OpMul:
		// Both arguments are cut in turn: without a memory that is exponential
		// in the depth of shared terms, as hash functions make them.
		ky := cut{x, uint16(lo), uint16(width)}
		if t, ok := b.cuts[ky]; ok {
			return t
		}
		t := b.extract(q)
		b.cuts[ky] = t
		return t
	}
	return b.extract(q)
}

func (b *Builder) extract(q ask) Term {
	if t := b.simpler(q); t != 0 {
		return t
	}
	return b.raw(OpExtract, q.n, uint64(q.lo), q.x)
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
	if t := b.simpler(ask{op: OpZExt, w: w, n: width, x: x}); t != 0 {
		return t
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
	if t := b.simpler(ask{op: OpSExt, w: w, n: width, x: x}); t != 0 {
		return t
	}
	return b.raw(OpSExt, width, 0, x)
}

// Ite makes (c ? x : y); c has width 1.
func (b *Builder) Ite(c, x, y Term) Term {
	w := b.Width(x)
	if t := b.simpler(ask{op: OpIte, w: w, x: c, y: x, z: y}); t != 0 {
		return t
	}
	return b.raw(OpIte, w, 0, c, x, y)
}

// AndB is the conjunction of two predicates.
func (b *Builder) AndB(x, y Term) Term { return b.Bin(OpAnd, x, y) }

// OrB is the disjunction of two predicates.
func (b *Builder) OrB(x, y Term) Term { return b.Not(b.AndB(b.Not(x), b.Not(y))) }

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
