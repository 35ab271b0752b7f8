package bv

import "math/bits"

var bitRules = []Rule{
	{Name: "and-self", Ops: opSet(OpAnd, OpOr),
		Sizes: "w=1..64", Vars: "a:w", From: "(op a a)", To: "a",
		fire: func(b *Builder, q ask) Term {
			if q.x != q.y {
				return 0
			}
			return q.x
		}},
	{Name: "and-needless", Ops: opSet(OpAnd), With: opSet(OpConst), // bits that are 0 anyway need no mask
		Sizes: "w=1..64", Vars: "a:w k:w", From: "(and a k)", When: "(not (eq (and k (zeros a)) 0:w))",
		To: "(and a (and k (not (zeros a))))",
		fire: func(b *Builder, q ask) Term {
			z := b.Zeros(q.x)
			if q.k&z == 0 {
				return 0
			}
			return b.Bin(OpAnd, q.x, b.Const(q.k&^z, q.w))
		}},
	{Name: "and-zero", Ops: opSet(OpAnd), With: opSet(OpConst),
		Sizes: "w=1..64", Vars: "a:w", From: "(and a 0:w)", To: "0:w",
		fire: func(b *Builder, q ask) Term {
			if q.k != 0 {
				return 0
			}
			return q.y
		}},
	{Name: "and-all", Ops: opSet(OpAnd), With: opSet(OpConst),
		Sizes: "w=1..64", Vars: "a:w k:w", From: "(and a k)", When: "(eq (or k (zeros a)) ones:w)", To: "a",
		fire: func(b *Builder, q ask) Term {
			if q.k|b.Zeros(q.x) != Mask(q.w) {
				return 0
			}
			return q.x
		}},
	{Name: "and-constants", Ops: opSet(OpAnd), On: opSet(OpAnd), With: opSet(OpConst),
		Sizes: "w=1..64", Vars: "a:w j:w k:w", From: "(and (and a j) k)", To: "(and a (and j k))",
		fire: func(b *Builder, q ask) Term {
			j, ok := b.IsConst(b.arg(q.x, 1))
			if !ok {
				return 0
			}
			return b.Bin(OpAnd, b.arg(q.x, 0), b.Const(j&q.k, q.w))
		}},
	{Name: "and-zext", Ops: opSet(OpAnd), On: opSet(OpZExt), With: opSet(OpConst), // what is widened is masked before
		Sizes: "w=2..64 n=1..w-1", Vars: "a:n k:w", From: "(and (zext w a) k)", To: "(zext w (and a (extract 0 n k)))",
		fire: func(b *Builder, q ask) Term {
			in := b.arg(q.x, 0)
			return b.ZExt(b.Bin(OpAnd, in, b.Const(q.k, b.Width(in))), q.w)
		}},
	{Name: "xor-zext", Ops: opSet(OpXor, OpOr), On: opSet(OpZExt), With: opSet(OpConst), // the same for bits that are set
		Sizes: "n=8,16,32 w=n+1..64", Vars: "a:n k:w", From: "(op (zext w a) k)", When: "(ule k (zext w ones:n))",
		To: "(zext w (op a (extract 0 n k)))",
		fire: func(b *Builder, q ask) Term {
			if n := b.Width(b.arg(q.x, 0)); n != 8 && n != 16 && n != 32 {
				return 0
			}
			return b.narrowed(q, b.Width(b.arg(q.x, 0)))
		}},
	{Name: "xor-word", Ops: opSet(OpXor, OpOr), On: opSet(OpZExt), With: opSet(OpConst), // and in words, as 32-bit instructions do
		Sizes: "n=1..31 w=33..64", Vars: "a:n k:w", From: "(op (zext w a) k)", When: "(ule k (zext w ones:32))",
		To: "(zext w (op (zext 32 a) (extract 0 32 k)))",
		fire: func(b *Builder, q ask) Term {
			if b.Width(b.arg(q.x, 0)) >= 32 || q.w <= 32 {
				return 0
			}
			return b.narrowed(q, 32)
		}},
	{Name: "and-low", Ops: opSet(OpAnd), With: opSet(OpConst), // a mask of low bits reads a narrower value
		Sizes: "n=8,16,32 w=n+1..64", Vars: "a:w", From: "(and a (zext w ones:n))", To: "(zext w (extract 0 n a))",
		fire: func(b *Builder, q ask) Term {
			n := bits.Len64(q.k)
			if q.k&(q.k+1) != 0 || n != 8 && n != 16 && n != 32 || b.Op(q.x) == OpFun || b.Op(q.x) == OpInput {
				return 0
			}
			return b.ZExt(b.Extract(q.x, 0, n), q.w)
		}},
	{Name: "and-add-bit", Ops: opSet(OpAnd), On: opSet(OpAdd), With: opSet(OpConst), // nothing is carried into the lowest bit
		Sizes: "w=1..64", Vars: "a:w b:w", From: "(and (add a b) 1:w)", To: "(and (xor a b) 1:w)",
		fire: func(b *Builder, q ask) Term { return b.lowest(q) }},
	{Name: "and-sub-bit", Ops: opSet(OpAnd), On: opSet(OpSub), With: opSet(OpConst),
		Sizes: "w=1..64", Vars: "a:w b:w", From: "(and (sub a b) 1:w)", To: "(and (xor a b) 1:w)",
		fire: func(b *Builder, q ask) Term { return b.lowest(q) }},
	{Name: "xor-self", Ops: opSet(OpXor),
		Sizes: "w=1..64", Vars: "a:w", From: "(xor a a)", To: "0:w",
		fire: func(b *Builder, q ask) Term {
			if q.x != q.y {
				return 0
			}
			return b.Const(0, q.w)
		}},
	{Name: "or-zero", Ops: opSet(OpOr, OpXor), With: opSet(OpConst),
		Sizes: "w=1..64", Vars: "a:w", From: "(op a 0:w)", To: "a",
		fire: func(b *Builder, q ask) Term {
			if q.k != 0 {
				return 0
			}
			return q.x
		}},
	{Name: "or-ones", Ops: opSet(OpOr), With: opSet(OpConst),
		Sizes: "w=1..64", Vars: "a:w", From: "(or a ones:w)", To: "ones:w",
		fire: func(b *Builder, q ask) Term {
			if q.k != Mask(q.w) {
				return 0
			}
			return q.y
		}},
	{Name: "xor-ones", Ops: opSet(OpXor), With: opSet(OpConst),
		Sizes: "w=1..64", Vars: "a:w", From: "(xor a ones:w)", To: "(not a)",
		fire: func(b *Builder, q ask) Term {
			if q.k != Mask(q.w) {
				return 0
			}
			return b.Not(q.x)
		}},
	// A shift-or of two narrower values is their concatenation.
	{Name: "or-halves", Ops: opSet(OpOr, OpXor), On: opSet(OpShl), With: opSet(OpZExt),
		Sizes: "w=2..64 n=1..w-1 m=1..w-n", Vars: "a:m b:n", From: "(op (shl (zext w a) n:w) (zext w b))", To: "(zext w (concat a b))",
		fire: func(b *Builder, q ask) Term { return b.halves(q.x, q.y) }},
	{Name: "or-halves-swapped", Ops: opSet(OpOr, OpXor), On: opSet(OpZExt), With: opSet(OpShl),
		Sizes: "w=2..64 n=1..w-1 m=1..w-n", Vars: "a:m b:n", From: "(op (zext w b) (shl (zext w a) n:w))", To: "(zext w (concat a b))",
		fire: func(b *Builder, q ask) Term { return b.halves(q.y, q.x) }},
	{Name: "not-not", Ops: opSet(OpNot), On: opSet(OpNot),
		Sizes: "w=1..64", Vars: "a:w", From: "(not (not a))", To: "a",
		fire: func(b *Builder, q ask) Term { return b.arg(q.x, 0) }},
}

// halves joins what stands in hi, shifted above all of what lo widens, and that.
func (b *Builder) halves(hi, lo Term) Term {
	if b.Op(b.arg(hi, 0)) != OpZExt {
		return 0
	}
	a, c := b.arg(b.arg(hi, 0), 0), b.arg(lo, 0)
	w, n := b.Width(hi), b.Width(c)
	if k, ok := b.IsConst(b.arg(hi, 1)); !ok || int(k) != n || b.Width(a)+n > w {
		return 0
	}
	return b.ZExt(b.Concat(a, c), w)
}

// lowest is the lowest bit of a sum or difference.
func (b *Builder) lowest(q ask) Term {
	if q.k != 1 {
		return 0
	}
	return b.Bin(OpAnd, b.Bin(OpXor, b.arg(q.x, 0), b.arg(q.x, 1)), q.y)
}

var shiftRules = []Rule{
	{Name: "shift-zero", Ops: opSet(OpShl, OpLShr, OpAShr), With: opSet(OpConst),
		Sizes: "w=1..64", Vars: "a:w", From: "(op a 0:w)", To: "a",
		fire: func(b *Builder, q ask) Term {
			if q.k != 0 {
				return 0
			}
			return q.x
		}},
	{Name: "ashr-positive", Ops: opSet(OpAShr), With: opSet(OpConst),
		Sizes: "w=1..64", Vars: "a:w k:w", From: "(ashr a k)", When: "(extract w-1 1 (zeros a))", To: "(lshr a k)",
		fire: func(b *Builder, q ask) Term {
			if b.Zeros(q.x)>>(q.w-1)&1 == 0 {
				return 0
			}
			return b.Bin(OpLShr, q.x, q.y)
		}},
	{Name: "shift-out", Ops: opSet(OpShl, OpLShr), With: opSet(OpConst),
		Sizes: "w=1..64", Vars: "a:w k:w", From: "(op a k)", When: "(ule w:w k)", To: "0:w",
		fire: func(b *Builder, q ask) Term {
			if q.k < uint64(q.w) {
				return 0
			}
			return b.Const(0, q.w)
		}},
	{Name: "ashr-out", Ops: opSet(OpAShr), With: opSet(OpConst),
		Sizes: "w=1..64", Vars: "a:w k:w", From: "(ashr a k)", When: "(ule w:w k)", To: "(ashr a w-1:w)",
		fire: func(b *Builder, q ask) Term {
			if q.k < uint64(q.w) {
				return 0
			}
			return b.Bin(OpAShr, q.x, b.Const(uint64(q.w)-1, q.w))
		}},
	{Name: "lshr-nothing", Ops: opSet(OpLShr), With: opSet(OpConst),
		Sizes: "w=2..64 s=1..w-1", Vars: "a:w", From: "(lshr a s:w)", When: "(eq (lshr (not (zeros a)) s:w) 0:w)", To: "0:w",
		fire: func(b *Builder, q ask) Term {
			if ^b.Zeros(q.x)&Mask(q.w)>>q.k != 0 {
				return 0
			}
			return b.Const(0, q.w)
		}},
	{Name: "lshr-extract", Ops: opSet(OpLShr), With: opSet(OpConst), // a field of a wider load
		Sizes: "w=2..64 s=1..w-1", Vars: "a:w", From: "(lshr a s:w)", To: "(zext w (extract s w-s a))",
		fire: func(b *Builder, q ask) Term { return b.ZExt(b.Extract(q.x, int(q.k), q.w-int(q.k)), q.w) }},
	{Name: "shl-constants", Ops: opSet(OpShl), On: opSet(OpShl), With: opSet(OpConst),
		Sizes: "w=3..64 s=1..w-2 u=1..w-1-s", Vars: "a:w", From: "(shl (shl a s:w) u:w)", To: "(shl a s+u:w)",
		fire: func(b *Builder, q ask) Term {
			s, ok := b.IsConst(b.arg(q.x, 1))
			if !ok || s+q.k >= uint64(q.w) {
				return 0
			}
			return b.Bin(OpShl, b.arg(q.x, 0), b.Const(s+q.k, q.w))
		}},
	{Name: "ashr-shl", Ops: opSet(OpAShr), On: opSet(OpShl), With: opSet(OpConst),
		Sizes: "w=2..64 s=1..w-1", Vars: "a:w", From: "(ashr (shl a s:w) s:w)", To: "(sext w (extract 0 w-s a))",
		fire: func(b *Builder, q ask) Term {
			if s, ok := b.IsConst(b.arg(q.x, 1)); !ok || s != q.k {
				return 0
			}
			return b.SExt(b.Extract(b.arg(q.x, 0), 0, q.w-int(q.k)), q.w)
		}},
}

// narrowed is an operation on a widened value and a constant, at a width of n bits
// if that holds both.
func (b *Builder) narrowed(q ask, n int) Term {
	if q.k > Mask(n) {
		return 0
	}
	return b.ZExt(b.Bin(q.op, b.ZExt(b.arg(q.x, 0), n), b.Const(q.k, n)), q.w)
}
