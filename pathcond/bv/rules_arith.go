package bv

import "math/bits"

// Sums are kept as (x + y) + c, the constant outermost; a difference that a sum
// can say is a sum.
var sumRules = []Rule{
	{Name: "add-zero", Ops: opSet(OpAdd), With: opSet(OpConst),
		Sizes: "w=1..64", Vars: "a:w", From: "(add a 0:w)", To: "a",
		fire: func(b *Builder, q ask) Term {
			if q.k != 0 {
				return 0
			}
			return q.x
		}},
	{Name: "add-constants", Ops: opSet(OpAdd), On: opSet(OpAdd), With: opSet(OpConst),
		Sizes: "w=1..64", Vars: "a:w j:w k:w", From: "(add (add a j) k)", To: "(add a (add j k))",
		fire: func(b *Builder, q ask) Term {
			j, ok := b.IsConst(b.arg(q.x, 1))
			if !ok {
				return 0
			}
			return b.Bin(OpAdd, b.arg(q.x, 0), b.Const(j+q.k, q.w))
		}},
	{Name: "add-lift-left", Ops: opSet(OpAdd), On: opSet(OpAdd),
		Sizes: "w=1..64", Vars: "a:w b:w k:w", From: "(add (add a k) b)", To: "(add (add a b) k)",
		fire: func(b *Builder, q ask) Term {
			k := b.arg(q.x, 1)
			if b.Op(k) != OpConst {
				return 0
			}
			return b.Bin(OpAdd, b.Bin(OpAdd, b.arg(q.x, 0), q.y), k)
		}},
	{Name: "add-lift-right", Ops: opSet(OpAdd), With: opSet(OpAdd),
		Sizes: "w=1..64", Vars: "a:w b:w k:w", From: "(add a (add b k))", To: "(add (add a b) k)",
		fire: func(b *Builder, q ask) Term {
			if b.Op(b.arg(q.y, 1)) != OpConst {
				return 0
			}
			return b.Bin(OpAdd, b.Bin(OpAdd, q.x, b.arg(q.y, 0)), b.arg(q.y, 1))
		}},
	{Name: "add-difference", Ops: opSet(OpAdd), With: opSet(OpSub),
		Sizes: "w=1..64", Vars: "a:w b:w", From: "(add a (sub b a))", To: "b",
		fire: func(b *Builder, q ask) Term {
			if b.arg(q.y, 1) != q.x {
				return 0
			}
			return b.arg(q.y, 0)
		}},
	{Name: "difference-add", Ops: opSet(OpAdd), On: opSet(OpSub),
		Sizes: "w=1..64", Vars: "a:w b:w", From: "(add (sub b a) a)", To: "b",
		fire: func(b *Builder, q ask) Term {
			if b.arg(q.x, 1) != q.y {
				return 0
			}
			return b.arg(q.x, 0)
		}},
	// What lies above n bits is folded into them, as Internet checksums do: of a value
	// that has been folded once this carries nothing out any more.
	{Name: "add-fold", Ops: opSet(OpAdd), With: opSet(OpZExt),
		Sizes: "m=1..32 n=m..64-m", Vars: "a:n+m", From: "(add (zext n+m (extract 0 n a)) (zext n+m (extract n m a)))",
		When: "(ule (max a) (sub (shl 1:n+m n+1:n+m) 2:n+m))",
		To:   "(zext n+m (add (extract 0 n a) (zext n (extract n m a))))",
		fire: func(b *Builder, q ask) Term { return b.folded(q.w, q.x, q.y) }},
	{Name: "add-fold-swapped", Ops: opSet(OpAdd), On: opSet(OpZExt),
		Sizes: "m=1..32 n=m..64-m", Vars: "a:n+m", From: "(add (zext n+m (extract n m a)) (zext n+m (extract 0 n a)))",
		When: "(ule (max a) (sub (shl 1:n+m n+1:n+m) 2:n+m))",
		To:   "(zext n+m (add (zext n (extract n m a)) (extract 0 n a)))",
		fire: func(b *Builder, q ask) Term { return b.folded(q.w, q.y, q.x) }},
	{Name: "sub-self", Ops: opSet(OpSub),
		Sizes: "w=1..64", Vars: "a:w", From: "(sub a a)", To: "0:w",
		fire: func(b *Builder, q ask) Term {
			if q.x != q.y {
				return 0
			}
			return b.Const(0, q.w)
		}},
	{Name: "sub-constant", Ops: opSet(OpSub), With: opSet(OpConst),
		Sizes: "w=1..64", Vars: "a:w k:w", From: "(sub a k)", To: "(add a (sub 0:w k))",
		fire: func(b *Builder, q ask) Term { return b.Bin(OpAdd, q.x, b.Const(-q.k, q.w)) }},
	{Name: "sub-same-base", Ops: opSet(OpSub),
		Sizes: "w=1..64", Vars: "a:w j:w k:w", From: "(sub (add a k) (add a j))", To: "(sub k j)",
		fire: func(b *Builder, q ask) Term {
			xb, xc := b.SplitAdd(q.x)
			yb, yc := b.SplitAdd(q.y)
			if xb != yb {
				return 0
			}
			return b.Const(xc-yc, q.w)
		}},
	{Name: "sub-summand", Ops: opSet(OpSub), On: opSet(OpAdd),
		Sizes: "w=1..64", Vars: "a:w b:w j:w k:w", From: "(sub (add (add a b) k) (add a j))", To: "(add b (sub k j))",
		fire: func(b *Builder, q ask) Term {
			xb, xc := b.SplitAdd(q.x)
			yb, yc := b.SplitAdd(q.y)
			rest := b.without(xb, yb)
			if rest == 0 {
				return 0
			}
			return b.Bin(OpAdd, rest, b.Const(xc-yc, q.w))
		}},
	{Name: "sub-from-constant", Ops: opSet(OpSub), On: opSet(OpConst),
		Sizes: "w=1..64", Vars: "b:w j:w k:w", From: "(sub k (add b j))", When: "(not (and (eq k 0:w) (eq j 0:w)))",
		To: "(add (sub 0:w b) (sub k j))",
		fire: func(b *Builder, q ask) Term {
			k, _ := b.IsConst(q.x)
			yb, yc := b.SplitAdd(q.y)
			if k == 0 && yc == 0 {
				return 0
			}
			return b.Bin(OpAdd, b.raw(OpSub, q.w, 0, b.Const(0, q.w), yb), b.Const(k-yc, q.w))
		}},
	{Name: "sub-constants", Ops: opSet(OpSub),
		Sizes: "w=1..64", Vars: "a:w b:w j:w k:w", From: "(sub (add a k) (add b j))", When: "(not (and (eq k 0:w) (eq j 0:w)))",
		To: "(add (sub a b) (sub k j))",
		fire: func(b *Builder, q ask) Term {
			xb, xc := b.SplitAdd(q.x)
			yb, yc := b.SplitAdd(q.y)
			if xb == 0 || xc == 0 && yc == 0 {
				return 0
			}
			return b.Bin(OpAdd, b.Bin(OpSub, xb, yb), b.Const(xc-yc, q.w))
		}},
}

// without is what is left of the sum x when one summand y is taken away, or 0.
func (b *Builder) without(x, y Term) Term {
	if b.Op(x) != OpAdd {
		return 0
	}
	switch y {
	case b.arg(x, 0):
		return b.arg(x, 1)
	case b.arg(x, 1):
		return b.arg(x, 0)
	}
	return 0
}

// folded is lo + hi, the low bits of a value and those above, as a sum of the low
// bits' width, where that holds it.
func (b *Builder) folded(w int, lo, hi Term) Term {
	if b.Op(hi) != OpZExt {
		return 0
	}
	cut := b.arg(hi, 0)
	if b.Op(cut) != OpExtract {
		return 0
	}
	x, n := b.arg(cut, 0), int(b.K(cut))
	if b.Width(x) != w || n+b.Width(cut) != w || 2*n < w || b.nodes[x].max > Mask(n+1)-1 || lo != b.ZExt(b.Extract(x, 0, n), w) {
		return 0
	}
	return b.ZExt(b.Bin(OpAdd, b.Extract(x, 0, n), b.ZExt(cut, n)), w)
}

// Products and quotients of powers of two are shifts and masks.
var productRules = []Rule{
	{Name: "mul-zero", Ops: opSet(OpMul), With: opSet(OpConst),
		Sizes: "w=1..64", Vars: "a:w", From: "(mul a 0:w)", To: "0:w",
		fire: func(b *Builder, q ask) Term {
			if q.k != 0 {
				return 0
			}
			return q.y
		}},
	{Name: "mul-one", Ops: opSet(OpMul), With: opSet(OpConst),
		Sizes: "w=1..64", Vars: "a:w", From: "(mul a 1:w)", To: "a",
		fire: func(b *Builder, q ask) Term {
			if q.k != 1 {
				return 0
			}
			return q.x
		}},
	{Name: "mul-power", Ops: opSet(OpMul), With: opSet(OpConst),
		Sizes: "w=2..64 s=1..w-1", Vars: "a:w", From: "(mul a (shl 1:w s:w))", To: "(shl a s:w)",
		fire: func(b *Builder, q ask) Term { return b.power(q, OpShl) }},
	{Name: "udiv-power", Ops: opSet(OpUDiv), With: opSet(OpConst),
		Sizes: "w=1..64 s=0..w-1", Vars: "a:w", From: "(udiv a (shl 1:w s:w))", To: "(lshr a s:w)",
		fire: func(b *Builder, q ask) Term { return b.power(q, OpLShr) }},
	{Name: "urem-power", Ops: opSet(OpURem), With: opSet(OpConst),
		Sizes: "w=1..64 s=0..w-1", Vars: "a:w", From: "(urem a (shl 1:w s:w))", To: "(and a (sub (shl 1:w s:w) 1:w))",
		fire: func(b *Builder, q ask) Term {
			if bits.OnesCount64(q.k) != 1 {
				return 0
			}
			return b.Bin(OpAnd, q.x, b.Const(q.k-1, q.w))
		}},
	{Name: "urem-below", Ops: opSet(OpURem), With: opSet(OpConst),
		Sizes: "w=1..64", Vars: "a:w k:w", From: "(urem a k)", When: "(ult (max a) k)", To: "a",
		fire: func(b *Builder, q ask) Term {
			if b.nodes[q.x].max >= q.k {
				return 0
			}
			return q.x
		}},
}

// power shifts x by the logarithm of a constant power of two.
func (b *Builder) power(q ask, shift Op) Term {
	if bits.OnesCount64(q.k) != 1 {
		return 0
	}
	return b.Bin(shift, q.x, b.Const(uint64(bits.TrailingZeros64(q.k)), q.w))
}
