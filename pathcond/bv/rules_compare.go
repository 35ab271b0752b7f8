package bv

import "math/bits"

// Comparisons come down to ult and eq, and slt where the signs aren't known:
// what bounds decide, and one form for each of the others.
var compareRules = []Rule{
	{Name: "compare-self", Ops: opSet(OpEq, OpULe, OpSLe),
		Sizes: "w=1..64", Vars: "a:w", From: "(op a a)", To: "1:1",
		fire: func(b *Builder, q ask) Term { return b.self(q, true) }},
	{Name: "below-self", Ops: opSet(OpULt, OpSLt),
		Sizes: "w=1..64", Vars: "a:w", From: "(op a a)", To: "0:1",
		fire: func(b *Builder, q ask) Term { return b.self(q, false) }},
	{Name: "slt-positive", Ops: opSet(OpSLt),
		Sizes: "w=1..64", Vars: "a:w b:w", From: "(slt a b)", When: "(not (extract w-1 1 (or (max a) (max b))))", To: "(ult a b)",
		fire: func(b *Builder, q ask) Term { return b.unsigned(q, OpULt) }},
	{Name: "sle-positive", Ops: opSet(OpSLe),
		Sizes: "w=1..64", Vars: "a:w b:w", From: "(sle a b)", When: "(not (extract w-1 1 (or (max a) (max b))))", To: "(ule a b)",
		fire: func(b *Builder, q ask) Term { return b.unsigned(q, OpULe) }},
	{Name: "signed-below", Ops: opSet(OpSLt, OpSLe),
		Sizes: "w=1..64", Vars: "a:w b:w", From: "(op a b)", When: "(extract w-1 1 (and (min a) (not (max b))))", To: "1:1",
		fire: func(b *Builder, q ask) Term {
			if b.nodes[q.x].min>>(q.w-1) == 0 || b.nodes[q.y].max>>(q.w-1) != 0 {
				return 0
			}
			return b.Bool(true)
		}},
	{Name: "signed-above", Ops: opSet(OpSLt, OpSLe),
		Sizes: "w=1..64", Vars: "a:w b:w", From: "(op a b)", When: "(extract w-1 1 (and (not (max a)) (min b)))", To: "0:1",
		fire: func(b *Builder, q ask) Term {
			if b.nodes[q.x].max>>(q.w-1) != 0 || b.nodes[q.y].min>>(q.w-1) == 0 {
				return 0
			}
			return b.Bool(false)
		}},
	{Name: "sle-not", Ops: opSet(OpSLe),
		Sizes: "w=1..64", Vars: "a:w b:w", From: "(sle a b)", To: "(not (slt b a))",
		fire: func(b *Builder, q ask) Term { return b.Not(b.Bin(OpSLt, q.y, q.x)) }},
	{Name: "ult-below", Ops: opSet(OpULt),
		Sizes: "w=1..64", Vars: "a:w b:w", From: "(ult a b)", When: "(ult (max a) (min b))", To: "1:1",
		fire: func(b *Builder, q ask) Term {
			if b.nodes[q.x].max >= b.nodes[q.y].min {
				return 0
			}
			return b.Bool(true)
		}},
	{Name: "ult-above", Ops: opSet(OpULt),
		Sizes: "w=1..64", Vars: "a:w b:w", From: "(ult a b)", When: "(ule (max b) (min a))", To: "0:1",
		fire: func(b *Builder, q ask) Term {
			if b.nodes[q.x].min < b.nodes[q.y].max {
				return 0
			}
			return b.Bool(false)
		}},
	{Name: "ule-not", Ops: opSet(OpULe),
		Sizes: "w=1..64", Vars: "a:w b:w", From: "(ule a b)", To: "(not (ult b a))",
		fire: func(b *Builder, q ask) Term { return b.Not(b.Bin(OpULt, q.y, q.x)) }},
	{Name: "ult-constant-left", Ops: opSet(OpULt), On: opSet(OpConst), // k is below the maximum of a, or ult-above decides
		Sizes: "w=1..64", Vars: "a:w k:w", From: "(ult k a)", When: "(ult k (max a))", To: "(not (ult a (add k 1:w)))",
		fire: func(b *Builder, q ask) Term {
			return b.Not(b.Bin(OpULt, q.y, b.Const(b.K(q.x)+1, q.w)))
		}},
}

func (b *Builder) self(q ask, v bool) Term {
	if q.x != q.y {
		return 0
	}
	return b.Bool(v)
}

// unsigned compares without signs what has none.
func (b *Builder) unsigned(q ask, op Op) Term {
	if (b.nodes[q.x].max|b.nodes[q.y].max)>>(q.w-1) != 0 {
		return 0
	}
	return b.Bin(op, q.x, q.y)
}

var equalRules = []Rule{
	{Name: "eq-apart", Ops: opSet(OpEq),
		Sizes: "w=1..64", Vars: "a:w b:w", From: "(eq a b)", When: "(not (and (ule (min b) (max a)) (ule (min a) (max b))))", To: "0:1",
		fire: func(b *Builder, q ask) Term {
			x, y := &b.nodes[q.x], &b.nodes[q.y]
			if x.max >= y.min && y.max >= x.min {
				return 0
			}
			return b.Bool(false)
		}},
	{Name: "eq-zeros", Ops: opSet(OpEq), With: opSet(OpConst),
		Sizes: "w=1..64", Vars: "a:w k:w", From: "(eq a k)", When: "(not (eq (and (zeros a) k) 0:w))", To: "0:1",
		fire: func(b *Builder, q ask) Term {
			if b.Zeros(q.x)&q.k == 0 {
				return 0
			}
			return b.Bool(false)
		}},
	{Name: "eq-extract", Ops: opSet(OpEq), On: opSet(OpExtract), With: opSet(OpConst), // the low part of what has nothing above it is the whole
		Sizes: "w=2..64 n=1..w-1", Vars: "a:w k:n", From: "(eq (extract 0 n a) k)", When: "(ule (max a) (zext w ones:n))", To: "(eq a (zext w k))",
		fire: func(b *Builder, q ask) Term {
			in := b.arg(q.x, 0)
			if b.K(q.x) != 0 || b.nodes[in].max > Mask(q.w) {
				return 0
			}
			return b.Bin(OpEq, in, b.Const(q.k, b.Width(in)))
		}},
	{Name: "eq-same-base", Ops: opSet(OpEq),
		Sizes: "w=1..64", Vars: "a:w j:w k:w", From: "(eq (add a k) (add a j))", To: "(eq k j)",
		fire: func(b *Builder, q ask) Term {
			xb, xc := b.SplitAdd(q.x)
			yb, yc := b.SplitAdd(q.y)
			if xb != yb {
				return 0
			}
			return b.Bool(xc == yc)
		}},
	{Name: "eq-add", Ops: opSet(OpEq), On: opSet(OpAdd), With: opSet(OpConst),
		Sizes: "w=1..64", Vars: "a:w j:w k:w", From: "(eq (add a j) k)", To: "(eq a (sub k j))",
		fire: func(b *Builder, q ask) Term {
			j, ok := b.IsConst(b.arg(q.x, 1))
			if !ok {
				return 0
			}
			return b.Bin(OpEq, b.arg(q.x, 0), b.Const(q.k-j, q.w))
		}},
	{Name: "eq-common", Ops: opSet(OpEq), On: opSet(OpAdd), With: opSet(OpAdd),
		Sizes: "w=1..64", Vars: "a:w b:w k:w", From: "(eq (add a k) (add b k))", To: "(eq a b)",
		fire: func(b *Builder, q ask) Term {
			xb, xc := b.SplitAdd(q.x)
			yb, yc := b.SplitAdd(q.y)
			if xc == 0 || xc != yc {
				return 0
			}
			return b.Bin(OpEq, xb, yb)
		}},
	{Name: "eq-zext", Ops: opSet(OpEq), On: opSet(OpZExt), With: opSet(OpConst), // eq-zeros has seen to the high bits
		Sizes: "w=2..64 n=1..w-1", Vars: "a:n k:w", From: "(eq (zext w a) k)", When: "(eq (zext w (extract 0 n k)) k)", To: "(eq a (extract 0 n k))",
		fire: func(b *Builder, q ask) Term {
			in := b.arg(q.x, 0)
			return b.Bin(OpEq, in, b.Const(q.k, b.Width(in)))
		}},
	{Name: "eq-sext-out", Ops: opSet(OpEq), On: opSet(OpSExt), With: opSet(OpConst),
		Sizes: "w=2..64 n=1..w-1", Vars: "a:n k:w", From: "(eq (sext w a) k)", When: "(not (eq (sext w (extract 0 n k)) k))", To: "0:1",
		fire: func(b *Builder, q ask) Term {
			n := b.Width(b.arg(q.x, 0))
			if uint64(signed(q.k&Mask(n), n))&Mask(q.w) == q.k {
				return 0
			}
			return b.Bool(false)
		}},
	{Name: "eq-sext", Ops: opSet(OpEq), On: opSet(OpSExt), With: opSet(OpConst),
		Sizes: "w=2..64 n=1..w-1", Vars: "a:n k:w", From: "(eq (sext w a) k)", When: "(eq (sext w (extract 0 n k)) k)", To: "(eq a (extract 0 n k))",
		fire: func(b *Builder, q ask) Term {
			in := b.arg(q.x, 0)
			return b.Bin(OpEq, in, b.Const(q.k, b.Width(in)))
		}},
	{Name: "eq-bswap", Ops: opSet(OpEq), On: opSet(OpBSwap), With: opSet(OpConst),
		Sizes: "w=16,32,64", Vars: "a:w k:w", From: "(eq (bswap a) k)", To: "(eq a (bswap k))",
		fire: func(b *Builder, q ask) Term {
			return b.Bin(OpEq, b.arg(q.x, 0), b.Const(swapped(q.k, q.w), q.w))
		}},
	{Name: "eq-not", Ops: opSet(OpEq), On: opSet(OpNot), With: opSet(OpConst),
		Sizes: "w=1..64", Vars: "a:w k:w", From: "(eq (not a) k)", To: "(eq a (not k))",
		fire: func(b *Builder, q ask) Term { return b.Bin(OpEq, b.arg(q.x, 0), b.Const(^q.k, q.w)) }},
	{Name: "eq-xor", Ops: opSet(OpEq), On: opSet(OpXor), With: opSet(OpConst),
		Sizes: "w=1..64", Vars: "a:w j:w k:w", From: "(eq (xor a j) k)", To: "(eq a (xor j k))",
		fire: func(b *Builder, q ask) Term {
			j, ok := b.IsConst(b.arg(q.x, 1))
			if !ok {
				return 0
			}
			return b.Bin(OpEq, b.arg(q.x, 0), b.Const(j^q.k, q.w))
		}},
	{Name: "eq-sub", Ops: opSet(OpEq), On: opSet(OpSub), With: opSet(OpConst),
		Sizes: "w=1..64", Vars: "a:w b:w", From: "(eq (sub a b) 0:w)", To: "(eq a b)",
		fire: func(b *Builder, q ask) Term {
			if q.k != 0 {
				return 0
			}
			return b.Bin(OpEq, b.arg(q.x, 0), b.arg(q.x, 1))
		}},
	{Name: "eq-concat-low-out", Ops: opSet(OpEq), On: opSet(OpConcat), With: opSet(OpConst), // a constant half is equal or not by itself
		Sizes: "w=2..64 n=1..w-1", Vars: "a:w-n j:n k:w", From: "(eq (concat a j) k)", When: "(not (eq j (extract 0 n k)))", To: "0:1",
		fire: func(b *Builder, q ask) Term {
			lo := b.arg(q.x, 1)
			if j, ok := b.IsConst(lo); !ok || j == q.k&Mask(b.Width(lo)) {
				return 0
			}
			return b.Bool(false)
		}},
	{Name: "eq-concat-low", Ops: opSet(OpEq), On: opSet(OpConcat), With: opSet(OpConst),
		Sizes: "w=2..64 n=1..w-1", Vars: "a:w-n j:n k:w", From: "(eq (concat a j) k)", When: "(eq j (extract 0 n k))", To: "(eq a (extract n w-n k))",
		fire: func(b *Builder, q ask) Term {
			hi, lo := b.arg(q.x, 0), b.arg(q.x, 1)
			if b.Op(lo) != OpConst {
				return 0
			}
			return b.Bin(OpEq, hi, b.Const(q.k>>b.Width(lo), b.Width(hi)))
		}},
	{Name: "eq-concat-high", Ops: opSet(OpEq), On: opSet(OpConcat), With: opSet(OpConst), // or the bounds are apart
		Sizes: "w=2..64 n=1..w-1", Vars: "a:n j:w-n k:w", From: "(eq (concat j a) k)", When: "(eq j (extract n w-n k))", To: "(eq a (extract 0 n k))",
		fire: func(b *Builder, q ask) Term {
			hi, lo := b.arg(q.x, 0), b.arg(q.x, 1)
			if b.Op(hi) != OpConst {
				return 0
			}
			return b.Bin(OpEq, lo, b.Const(q.k, b.Width(lo)))
		}},
	{Name: "eq-and-bswap", Ops: opSet(OpEq), On: opSet(OpAnd), With: opSet(OpConst), // bits of a swapped field are tested as they lie in memory
		Sizes: "w=16,32,64", Vars: "a:w j:w k:w", From: "(eq (and (bswap a) j) k)", To: "(eq (and a (bswap j)) (bswap k))",
		fire: func(b *Builder, q ask) Term {
			in := b.arg(q.x, 0)
			j, ok := b.IsConst(b.arg(q.x, 1))
			if !ok || b.Op(in) != OpBSwap {
				return 0
			}
			in = b.arg(in, 0)
			return b.Bin(OpEq, b.Bin(OpAnd, in, b.Const(swapped(j, q.w), q.w)), b.Const(swapped(q.k, q.w), q.w))
		}},
	// (c ? a : b) == k decides c where one side decides itself.
	{Name: "eq-ite-alike", Ops: opSet(OpEq), On: opSet(OpIte), With: opSet(OpConst),
		Sizes: "w=1..64", Vars: "c:1 a:w b:w k:w", From: "(eq (ite c a b) k)", When: "(eq (eq a k) (eq b k))", To: "(eq a k)",
		fire: func(b *Builder, q ask) Term {
			yes, no := b.arms(q)
			if b.Op(yes) != OpConst || yes != no {
				return 0
			}
			return yes
		}},
	{Name: "eq-ite-then", Ops: opSet(OpEq), On: opSet(OpIte), With: opSet(OpConst),
		Sizes: "w=1..64", Vars: "c:1 a:w b:w k:w", From: "(eq (ite c a b) k)", When: "(eq a k)", To: "(not (and (not c) (not (eq b k))))",
		fire: func(b *Builder, q ask) Term {
			yes, no := b.arms(q)
			if !b.is(yes, 1) {
				return 0
			}
			return b.OrB(b.arg(q.x, 0), no)
		}},
	{Name: "eq-ite-not-then", Ops: opSet(OpEq), On: opSet(OpIte), With: opSet(OpConst),
		Sizes: "w=1..64", Vars: "c:1 a:w b:w k:w", From: "(eq (ite c a b) k)", When: "(not (eq a k))", To: "(and (not c) (eq b k))",
		fire: func(b *Builder, q ask) Term {
			yes, no := b.arms(q)
			if !b.is(yes, 0) {
				return 0
			}
			return b.AndB(b.Not(b.arg(q.x, 0)), no)
		}},
	{Name: "eq-ite-else", Ops: opSet(OpEq), On: opSet(OpIte), With: opSet(OpConst),
		Sizes: "w=1..64", Vars: "c:1 a:w b:w k:w", From: "(eq (ite c a b) k)", When: "(eq b k)", To: "(not (and c (not (eq a k))))",
		fire: func(b *Builder, q ask) Term {
			yes, no := b.arms(q)
			if !b.is(no, 1) {
				return 0
			}
			return b.OrB(b.Not(b.arg(q.x, 0)), yes)
		}},
	{Name: "eq-ite-not-else", Ops: opSet(OpEq), On: opSet(OpIte), With: opSet(OpConst),
		Sizes: "w=1..64", Vars: "c:1 a:w b:w k:w", From: "(eq (ite c a b) k)", When: "(not (eq b k))", To: "(and c (eq a k))",
		fire: func(b *Builder, q ask) Term {
			yes, no := b.arms(q)
			if !b.is(no, 0) {
				return 0
			}
			return b.AndB(b.arg(q.x, 0), yes)
		}},
	{Name: "eq-shl", Ops: opSet(OpEq), On: opSet(OpShl), With: opSet(OpConst), // the low bits of k are 0, or eq-zeros decides
		Sizes: "w=2..64 s=1..w-1", Vars: "a:w k:w", From: "(eq (shl a s:w) k)", When: "(eq (extract 0 s k) 0:s)", To: "(eq (extract 0 w-s a) (extract s w-s k))",
		fire: func(b *Builder, q ask) Term {
			s, ok := b.IsConst(b.arg(q.x, 1))
			if !ok || s >= uint64(q.w) {
				return 0
			}
			n := q.w - int(s)
			return b.Bin(OpEq, b.Extract(b.arg(q.x, 0), 0, n), b.Const(q.k>>s, n))
		}},
	{Name: "eq-true", Ops: opSet(OpEq), With: opSet(OpConst),
		Sizes: "w=1..1", Vars: "a:1", From: "(eq a 1:1)", To: "a",
		fire: func(b *Builder, q ask) Term {
			if q.w != 1 || q.k != 1 {
				return 0
			}
			return q.x
		}},
	{Name: "eq-false", Ops: opSet(OpEq), With: opSet(OpConst),
		Sizes: "w=1..1", Vars: "a:1", From: "(eq a 0:1)", To: "(not a)",
		fire: func(b *Builder, q ask) Term {
			if q.w != 1 {
				return 0
			}
			return b.Not(q.x)
		}},
	{Name: "both-zext", Ops: opSet(OpEq), On: opSet(OpZExt), With: opSet(OpZExt),
		Sizes: "w=2..64 n=1..w-1", Vars: "a:n b:n", From: "(eq (zext w a) (zext w b))", To: "(eq a b)",
		fire: func(b *Builder, q ask) Term { return b.both(q) }},
	{Name: "both-bswap", Ops: opSet(OpEq), On: opSet(OpBSwap), With: opSet(OpBSwap),
		Sizes: "w=16,32,64", Vars: "a:w b:w", From: "(eq (bswap a) (bswap b))", To: "(eq a b)",
		fire: func(b *Builder, q ask) Term { return b.both(q) }},
}

// arms are the two outcomes of comparing an ite with a constant.
func (b *Builder) arms(q ask) (yes, no Term) {
	return b.equals(b.arg(q.x, 1), q.y), b.equals(b.arg(q.x, 2), q.y)
}

// equals is x == k. Selects of selects share their arms, so what was worked out of
// one is kept.
func (b *Builder) equals(x, k Term) Term {
	if b.Op(x) != OpIte {
		return b.Bin(OpEq, x, k)
	}
	at := [2]Term{x, k}
	t, ok := b.alike[at]
	if !ok {
		t = b.Bin(OpEq, x, k)
		b.alike[at] = t
	}
	return t
}

// is says whether t is the constant k.
func (b *Builder) is(t Term, k uint64) bool { return b.nodes[t].op == OpConst && b.nodes[t].k == k }

// both compares the arguments of two terms, where their widths are one.
func (b *Builder) both(q ask) Term {
	x, y := b.arg(q.x, 0), b.arg(q.y, 0)
	if b.Width(x) != b.Width(y) {
		return 0
	}
	return b.Bin(q.op, x, y)
}

// swapped is a constant of w bits with its bytes reversed.
func swapped(k uint64, w int) uint64 { return bits.ReverseBytes64(k) >> (64 - w) }

var belowRules = []Rule{
	{Name: "ult-extract", Ops: opSet(OpULt), On: opSet(OpExtract), With: opSet(OpConst), // a >> l < k is a < k << l
		Sizes: "w=2..64 n=1..w-1 l=0..w-n", Vars: "a:w k:n", From: "(ult (extract l n a) k)",
		When: "(and (ule (lshr (max a) l:w) (zext w ones:n)) (ule (zext w k) (lshr ones:w l:w)))", To: "(ult a (shl (zext w k) l:w))",
		fire: func(b *Builder, q ask) Term {
			in, l := b.arg(q.x, 0), b.K(q.x)
			w := b.Width(in)
			if b.nodes[in].max>>l > Mask(q.w) || q.k > Mask(w)>>l {
				return 0
			}
			return b.Bin(OpULt, in, b.Const(q.k<<l, w))
		}},
	// A common constant is taken off both sides where neither wraps.
	{Name: "ult-common-left", Ops: opSet(OpULt), On: opSet(OpAdd, OpConst), With: opSet(OpAdd, OpConst),
		Sizes: "w=1..64", Vars: "a:w b:w i:w k:w", From: "(ult (add a k) (add b (add i k)))",
		When: "(and (and (ule k (sub ones:w (max a))) (ule i (sub ones:w k))) (and (ule (add i k) (sub ones:w (max b))) (not (eq k 0:w))))",
		To:   "(ult a (add b i))",
		fire: func(b *Builder, q ask) Term {
			xb, xc := b.SplitAdd(q.x)
			yb, yc := b.SplitAdd(q.y)
			if xc == 0 || xc > yc || !b.nowrap(xb, xc) || !b.nowrap(yb, yc) {
				return 0
			}
			return b.Bin(OpULt, b.plus(xb, 0, q.w), b.plus(yb, yc-xc, q.w))
		}},
	{Name: "ult-common-right", Ops: opSet(OpULt), On: opSet(OpAdd, OpConst), With: opSet(OpAdd, OpConst),
		Sizes: "w=1..64", Vars: "a:w b:w i:w k:w", From: "(ult (add a (add i k)) (add b k))",
		When: "(and (and (ule k (sub ones:w (max b))) (ule i (sub ones:w k))) (and (ule (add i k) (sub ones:w (max a))) (not (eq k 0:w))))",
		To:   "(ult (add a i) b)",
		fire: func(b *Builder, q ask) Term {
			xb, xc := b.SplitAdd(q.x)
			yb, yc := b.SplitAdd(q.y)
			if yc == 0 || yc >= xc || !b.nowrap(xb, xc) || !b.nowrap(yb, yc) {
				return 0
			}
			return b.Bin(OpULt, b.plus(xb, xc-yc, q.w), b.plus(yb, 0, q.w))
		}},
	{Name: "ult-summand-left", Ops: opSet(OpULt), On: opSet(OpAdd),
		Sizes: "w=1..64", Vars: "a:w b:w j:w k:w", From: "(ult (add (add a b) k) (add a j))",
		When: "(and (and (ule (max a) (sub ones:w (max b))) (ule k (sub (sub ones:w (max b)) (max a)))) (ule j (sub ones:w (max a))))",
		To:   "(ult (add b k) j)",
		fire: func(b *Builder, q ask) Term {
			xb, xc := b.SplitAdd(q.x)
			yb, yc := b.SplitAdd(q.y)
			rest := b.without(xb, yb)
			if rest == 0 || !b.nowrap(yb, yc) || !b.sumFits(xb, xc) {
				return 0
			}
			return b.Bin(OpULt, b.plus(rest, xc, q.w), b.Const(yc, q.w))
		}},
	{Name: "ult-summand-right", Ops: opSet(OpULt), With: opSet(OpAdd),
		Sizes: "w=1..64", Vars: "a:w b:w j:w k:w", From: "(ult (add a k) (add (add a b) j))",
		When: "(and (and (ule (max a) (sub ones:w (max b))) (ule j (sub (sub ones:w (max b)) (max a)))) (ule k (sub ones:w (max a))))",
		To:   "(ult k (add b j))",
		fire: func(b *Builder, q ask) Term {
			xb, xc := b.SplitAdd(q.x)
			yb, yc := b.SplitAdd(q.y)
			rest := b.without(yb, xb)
			if rest == 0 || !b.nowrap(xb, xc) || !b.sumFits(yb, yc) {
				return 0
			}
			return b.Bin(OpULt, b.Const(xc, q.w), b.plus(rest, yc, q.w))
		}},
	{Name: "ult-one", Ops: opSet(OpULt), With: opSet(OpConst),
		Sizes: "w=1..64", Vars: "a:w", From: "(ult a 1:w)", To: "(eq a 0:w)",
		fire: func(b *Builder, q ask) Term {
			if q.k != 1 {
				return 0
			}
			return b.Bin(OpEq, q.x, b.Const(0, q.w))
		}},
	{Name: "ult-zext", Ops: opSet(OpULt), On: opSet(OpZExt), With: opSet(OpConst), // k fits, or ult-below decides
		Sizes: "w=2..64 n=1..w-1", Vars: "a:n k:w", From: "(ult (zext w a) k)", When: "(ule k (zext w ones:n))", To: "(ult a (extract 0 n k))",
		fire: func(b *Builder, q ask) Term {
			in := b.arg(q.x, 0)
			return b.Bin(OpULt, in, b.Const(q.k, b.Width(in)))
		}},
	{Name: "ult-both-zext", Ops: opSet(OpULt), On: opSet(OpZExt), With: opSet(OpZExt),
		Sizes: "w=2..64 n=1..w-1", Vars: "a:n b:n", From: "(ult (zext w a) (zext w b))", To: "(ult a b)",
		fire: func(b *Builder, q ask) Term { return b.both(q) }},
}

// nowrap says whether base + c can't pass the end of its width, by base's
// bounds; base 0 is no term, and c alone.
func (b *Builder) nowrap(base Term, c uint64) bool {
	if base == 0 {
		return true
	}
	s, carry := bits.Add64(b.nodes[base].max, c, 0)
	return carry == 0 && s <= Mask(b.Width(base))
}

// sumFits says whether the two summands of sum, and c, can't pass the end of
// their width.
func (b *Builder) sumFits(sum Term, c uint64) bool {
	s, c1 := bits.Add64(b.nodes[b.arg(sum, 0)].max, b.nodes[b.arg(sum, 1)].max, 0)
	s, c2 := bits.Add64(s, c, 0)
	return c1 == 0 && c2 == 0 && s <= Mask(b.Width(sum))
}

// plus is base + c; base 0 is no term, and c alone.
func (b *Builder) plus(base Term, c uint64, w int) Term {
	if base == 0 {
		return b.Const(c, w)
	}
	return b.Bin(OpAdd, base, b.Const(c, w))
}
