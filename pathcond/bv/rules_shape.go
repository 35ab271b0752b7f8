package bv

// Terms are put together from the top with zeros outside, and cut as deep
// inside as they can be.
var shapeRules = []Rule{
	{Name: "bswap-byte", Ops: opSet(OpBSwap),
		Sizes: "w=8", Vars: "a:w", From: "(bswap a)", To: "a",
		fire: func(b *Builder, q ask) Term {
			if q.w != 8 {
				return 0
			}
			return q.x
		}},
	{Name: "bswap-bswap", Ops: opSet(OpBSwap), On: opSet(OpBSwap),
		Sizes: "w=16,32,64", Vars: "a:w", From: "(bswap (bswap a))", To: "a",
		fire: func(b *Builder, q ask) Term { return b.arg(q.x, 0) }},
	{Name: "concat-zero", Ops: opSet(OpConcat), On: opSet(OpConst),
		Sizes: "w=2..64 n=1..w-1", Vars: "a:n", From: "(concat 0:w-n a)", To: "(zext w a)",
		fire: func(b *Builder, q ask) Term {
			if b.K(q.x) != 0 {
				return 0
			}
			return b.ZExt(q.y, q.n)
		}},
	{Name: "concat-neighbours", Ops: opSet(OpConcat), On: opSet(OpExtract), With: opSet(OpExtract),
		Sizes: "w=2..64 n=1..w-1 m=1..w-n l=0..w-n-m", Vars: "a:w", From: "(concat (extract l+n m a) (extract l n a))", To: "(extract l m+n a)",
		fire: func(b *Builder, q ask) Term {
			if b.arg(q.x, 0) != b.arg(q.y, 0) || b.K(q.x) != b.K(q.y)+uint64(b.Width(q.y)) {
				return 0
			}
			return b.Extract(b.arg(q.x, 0), int(b.K(q.y)), q.n)
		}},
	{Name: "concat-neighbours-rest", Ops: opSet(OpConcat), On: opSet(OpExtract), With: opSet(OpConcat),
		Sizes: "w=2..63 n=1..w-1 m=1..w-n l=0..w-n-m v=1..64-n-m", Vars: "a:w b:v",
		From: "(concat (extract l+n m a) (concat (extract l n a) b))", To: "(concat (extract l m+n a) b)",
		fire: func(b *Builder, q ask) Term {
			m := b.arg(q.y, 0)
			if b.Op(m) != OpExtract || b.arg(m, 0) != b.arg(q.x, 0) || b.K(q.x) != b.K(m)+uint64(b.Width(m)) {
				return 0
			}
			return b.Concat(b.Extract(b.arg(q.x, 0), int(b.K(m)), q.w+b.Width(m)), b.arg(q.y, 1))
		}},
	{Name: "concat-zext", Ops: opSet(OpConcat), On: opSet(OpZExt),
		Sizes: "w=2..63 n=1..w-1 m=1..64-w", Vars: "a:n b:m", From: "(concat (zext w a) b)", To: "(zext w+m (concat a b))",
		fire: func(b *Builder, q ask) Term { return b.ZExt(b.Concat(b.arg(q.x, 0), q.y), q.n) }},
	{Name: "concat-right", Ops: opSet(OpConcat), With: opSet(OpConcat),
		Sizes: "n=1..62 m=1..63-n v=1..64-n-m", Vars: "a:n b:m c:v", From: "(concat a (concat b c))", To: "(concat (concat a b) c)",
		fire: func(b *Builder, q ask) Term { return b.Concat(b.Concat(q.x, b.arg(q.y, 0)), b.arg(q.y, 1)) }},
	{Name: "zext-zext", Ops: opSet(OpZExt), On: opSet(OpZExt),
		Sizes: "v=3..64 w=2..v-1 n=1..w-1", Vars: "a:n", From: "(zext v (zext w a))", To: "(zext v a)",
		fire: func(b *Builder, q ask) Term { return b.ZExt(b.arg(q.x, 0), q.n) }},
	{Name: "zext-extract", Ops: opSet(OpZExt), On: opSet(OpExtract), // of something that has nothing above it
		Sizes: "w=2..64 n=1..w-1", Vars: "a:w", From: "(zext w (extract 0 n a))", When: "(eq (or (zeros a) (zext w ones:n)) ones:w)", To: "a",
		fire: func(b *Builder, q ask) Term {
			in := b.arg(q.x, 0)
			if b.K(q.x) != 0 || b.Width(in) != q.n || b.Zeros(in)|Mask(q.w) != Mask(q.n) {
				return 0
			}
			return in
		}},
	{Name: "sext-positive", Ops: opSet(OpSExt),
		Sizes: "w=2..64 n=1..w-1", Vars: "a:n", From: "(sext w a)", When: "(extract n-1 1 (zeros a))", To: "(zext w a)",
		fire: func(b *Builder, q ask) Term {
			if b.Zeros(q.x)>>(q.w-1)&1 == 0 {
				return 0
			}
			return b.ZExt(q.x, q.n)
		}},
	{Name: "ite-true", Ops: opSet(OpIte), On: opSet(OpConst),
		Sizes: "w=1..64", Vars: "a:w b:w", From: "(ite 1:1 a b)", To: "a",
		fire: func(b *Builder, q ask) Term {
			if b.K(q.x) != 1 {
				return 0
			}
			return q.y
		}},
	{Name: "ite-false", Ops: opSet(OpIte), On: opSet(OpConst),
		Sizes: "w=1..64", Vars: "a:w b:w", From: "(ite 0:1 a b)", To: "b",
		fire: func(b *Builder, q ask) Term { return q.z }},
	{Name: "ite-same", Ops: opSet(OpIte),
		Sizes: "w=1..64", Vars: "c:1 a:w", From: "(ite c a a)", To: "a",
		fire: func(b *Builder, q ask) Term {
			if q.y != q.z {
				return 0
			}
			return q.y
		}},
	{Name: "ite-not", Ops: opSet(OpIte), On: opSet(OpNot),
		Sizes: "w=1..64", Vars: "c:1 a:w b:w", From: "(ite (not c) a b)", To: "(ite c b a)",
		fire: func(b *Builder, q ask) Term { return b.Ite(b.arg(q.x, 0), q.z, q.y) }},
	{Name: "ite-bit", Ops: opSet(OpIte), With: opSet(OpConst), // a truth as a number
		Sizes: "w=2..64", Vars: "c:1", From: "(ite c 1:w 0:w)", To: "(zext w c)",
		fire: func(b *Builder, q ask) Term { return b.truth(q, 1, 0) }},
	{Name: "ite-not-bit", Ops: opSet(OpIte), With: opSet(OpConst),
		Sizes: "w=2..64", Vars: "c:1", From: "(ite c 0:w 1:w)", To: "(zext w (not c))",
		fire: func(b *Builder, q ask) Term { return b.truth(q, 0, 1) }},
}

// truth is an ite of the numbers yes and no, of which one is 0 and the other 1.
func (b *Builder) truth(q ask, yes, no uint64) Term {
	y, _ := b.IsConst(q.y)
	z, ok := b.IsConst(q.z)
	w := b.Width(q.y)
	switch {
	case !ok || w == 1 || y != yes || z != no:
		return 0
	case yes == 1:
		return b.ZExt(q.x, w)
	}
	return b.ZExt(b.Not(q.x), w)
}

var cutRules = []Rule{
	{Name: "extract-zeros", Ops: opSet(OpExtract),
		Sizes: "w=1..64 n=1..w l=0..w-n", Vars: "a:w", From: "(extract l n a)", When: "(eq (extract l n (zeros a)) ones:n)", To: "0:n",
		fire: func(b *Builder, q ask) Term {
			if b.Zeros(q.x)>>q.lo&Mask(q.n) != Mask(q.n) {
				return 0
			}
			return b.Const(0, q.n)
		}},
	{Name: "extract-extract", Ops: opSet(OpExtract), On: opSet(OpExtract),
		Sizes: "v=2..64 w=1..v-1 s=0..v-w n=1..w l=0..w-n", Vars: "a:v", From: "(extract l n (extract s w a))", To: "(extract l+s n a)",
		fire: func(b *Builder, q ask) Term { return b.Extract(b.arg(q.x, 0), int(b.K(q.x))+q.lo, q.n) }},
	{Name: "extract-ext-inside", Ops: opSet(OpExtract), On: opSet(OpZExt),
		Sizes: "w=2..64 m=1..w-1 n=1..m l=0..m-n", Vars: "a:m", From: "(extract l n (zext w a))", To: "(extract l n a)",
		fire: func(b *Builder, q ask) Term { return b.inside(q) }},
	{Name: "extract-sext-inside", Ops: opSet(OpExtract), On: opSet(OpSExt),
		Sizes: "w=2..64 m=1..w-1 n=1..m l=0..m-n", Vars: "a:m", From: "(extract l n (sext w a))", To: "(extract l n a)",
		fire: func(b *Builder, q ask) Term { return b.inside(q) }},
	{Name: "extract-zext-low", Ops: opSet(OpExtract), On: opSet(OpZExt),
		Sizes: "w=3..64 m=1..w-2 n=m+1..w-1", Vars: "a:m", From: "(extract 0 n (zext w a))", To: "(zext n a)",
		fire: func(b *Builder, q ask) Term {
			if q.lo != 0 {
				return 0
			}
			return b.ZExt(b.arg(q.x, 0), q.n)
		}},
	{Name: "extract-sext-low", Ops: opSet(OpExtract), On: opSet(OpSExt),
		Sizes: "w=3..64 m=1..w-2 n=m+1..w-1", Vars: "a:m", From: "(extract 0 n (sext w a))", To: "(sext n a)",
		fire: func(b *Builder, q ask) Term {
			if q.lo != 0 {
				return 0
			}
			return b.SExt(b.arg(q.x, 0), q.n)
		}},
	{Name: "extract-zext-across", Ops: opSet(OpExtract), On: opSet(OpZExt),
		Sizes: "w=3..64 m=2..w-1 l=1..m-1 n=m-l+1..w-l", Vars: "a:m", From: "(extract l n (zext w a))", To: "(zext n (extract l m-l a))",
		fire: func(b *Builder, q ask) Term {
			in := b.arg(q.x, 0)
			m := b.Width(in)
			if q.lo >= m {
				return 0
			}
			return b.ZExt(b.Extract(in, q.lo, m-q.lo), q.n)
		}},
	{Name: "extract-concat-low", Ops: opSet(OpExtract), On: opSet(OpConcat),
		Sizes: "m=1..63 v=1..64-m n=1..m l=0..m-n", Vars: "a:v b:m", From: "(extract l n (concat a b))", To: "(extract l n b)",
		fire: func(b *Builder, q ask) Term {
			low := b.arg(q.x, 1)
			if q.lo+q.n > b.Width(low) {
				return 0
			}
			return b.Extract(low, q.lo, q.n)
		}},
	{Name: "extract-concat-high", Ops: opSet(OpExtract), On: opSet(OpConcat),
		Sizes: "m=1..63 v=1..64-m n=1..v l=0..v-n", Vars: "a:v b:m", From: "(extract l+m n (concat a b))", To: "(extract l n a)",
		fire: func(b *Builder, q ask) Term {
			m := b.Width(b.arg(q.x, 1))
			if q.lo < m {
				return 0
			}
			return b.Extract(b.arg(q.x, 0), q.lo-m, q.n)
		}},
	{Name: "extract-and", Ops: opSet(OpExtract), On: opSet(OpAnd),
		Sizes: "w=1..64 n=1..w l=0..w-n", Vars: "a:w b:w", From: "(extract l n (and a b))", To: "(and (extract l n a) (extract l n b))",
		fire: func(b *Builder, q ask) Term { return b.cutBoth(q) }},
	{Name: "extract-or", Ops: opSet(OpExtract), On: opSet(OpOr),
		Sizes: "w=1..64 n=1..w l=0..w-n", Vars: "a:w b:w", From: "(extract l n (or a b))", To: "(or (extract l n a) (extract l n b))",
		fire: func(b *Builder, q ask) Term { return b.cutBoth(q) }},
	{Name: "extract-xor", Ops: opSet(OpExtract), On: opSet(OpXor),
		Sizes: "w=1..64 n=1..w l=0..w-n", Vars: "a:w b:w", From: "(extract l n (xor a b))", To: "(xor (extract l n a) (extract l n b))",
		fire: func(b *Builder, q ask) Term { return b.cutBoth(q) }},
	{Name: "extract-not", Ops: opSet(OpExtract), On: opSet(OpNot),
		Sizes: "w=1..64 n=1..w l=0..w-n", Vars: "a:w", From: "(extract l n (not a))", To: "(not (extract l n a))",
		fire: func(b *Builder, q ask) Term { return b.Not(b.Extract(b.arg(q.x, 0), q.lo, q.n)) }},
	{Name: "extract-ite", Ops: opSet(OpExtract), On: opSet(OpIte),
		Sizes: "w=1..64 n=1..w l=0..w-n", Vars: "c:1 a:w b:w", From: "(extract l n (ite c a b))", To: "(ite c (extract l n a) (extract l n b))",
		fire: func(b *Builder, q ask) Term {
			return b.Ite(b.arg(q.x, 0), b.Extract(b.arg(q.x, 1), q.lo, q.n), b.Extract(b.arg(q.x, 2), q.lo, q.n))
		}},
	// Low bits of a sum are the sum of low bits.
	{Name: "extract-add", Ops: opSet(OpExtract), On: opSet(OpAdd),
		Sizes: "w=2..64 n=1..w-1", Vars: "a:w b:w", From: "(extract 0 n (add a b))", To: "(add (extract 0 n a) (extract 0 n b))",
		fire: func(b *Builder, q ask) Term { return b.cutLow(q) }},
	{Name: "extract-sub", Ops: opSet(OpExtract), On: opSet(OpSub),
		Sizes: "w=2..64 n=1..w-1", Vars: "a:w b:w", From: "(extract 0 n (sub a b))", To: "(sub (extract 0 n a) (extract 0 n b))",
		fire: func(b *Builder, q ask) Term { return b.cutLow(q) }},
	{Name: "extract-mul", Ops: opSet(OpExtract), On: opSet(OpMul),
		Sizes: "w=2..64 n=1..w-1", Vars: "a:w b:w", From: "(extract 0 n (mul a b))", To: "(mul (extract 0 n a) (extract 0 n b))",
		fire: func(b *Builder, q ask) Term { return b.cutLow(q) }},
	// What lies above the bits that are cut out of a sum doesn't matter.
	{Name: "extract-add-middle", Ops: opSet(OpExtract), On: opSet(OpAdd),
		Sizes: "w=3..64 l=1..w-2 n=1..w-l-1", Vars: "a:w b:w", From: "(extract l n (add a b))", To: "(extract l n (add (extract 0 l+n a) (extract 0 l+n b)))",
		fire: func(b *Builder, q ask) Term { return b.cutAbove(q) }},
	{Name: "extract-sub-middle", Ops: opSet(OpExtract), On: opSet(OpSub),
		Sizes: "w=3..64 l=1..w-2 n=1..w-l-1", Vars: "a:w b:w", From: "(extract l n (sub a b))", To: "(extract l n (sub (extract 0 l+n a) (extract 0 l+n b)))",
		fire: func(b *Builder, q ask) Term { return b.cutAbove(q) }},
	{Name: "extract-shl-above", Ops: opSet(OpExtract), On: opSet(OpShl),
		Sizes: "w=2..64 s=1..w-1 n=1..w-s l=s..w-n", Vars: "a:w", From: "(extract l n (shl a s:w))", To: "(extract l-s n a)",
		fire: func(b *Builder, q ask) Term {
			s, ok := b.IsConst(b.arg(q.x, 1))
			if !ok || uint64(q.lo) < s {
				return 0
			}
			return b.Extract(b.arg(q.x, 0), q.lo-int(s), q.n)
		}},
	{Name: "extract-shl-low", Ops: opSet(OpExtract), On: opSet(OpShl), // of no more than s bits extract-zeros has made 0
		Sizes: "w=3..64 s=1..w-2 n=s+1..w-1", Vars: "a:w", From: "(extract 0 n (shl a s:w))", To: "(shl (extract 0 n a) s:n)",
		fire: func(b *Builder, q ask) Term {
			s, ok := b.IsConst(b.arg(q.x, 1))
			if !ok || q.lo != 0 {
				return 0
			}
			return b.Bin(OpShl, b.Extract(b.arg(q.x, 0), 0, q.n), b.Const(s, q.n))
		}},
	{Name: "extract-bswap", Ops: opSet(OpExtract), On: opSet(OpBSwap),
		Sizes: "w=16,32,64 n=8,16,32 l=0..w-n:8", Vars: "a:w", From: "(extract l n (bswap a))", To: "(bswap (extract w-l-n n a))",
		fire: func(b *Builder, q ask) Term {
			if q.lo%8 != 0 || q.n != 8 && q.n != 16 && q.n != 32 {
				return 0
			}
			return b.BSwap(b.Extract(b.arg(q.x, 0), q.w-q.lo-q.n, q.n))
		}},
}

// inside cuts what lies within the term that was widened.
func (b *Builder) inside(q ask) Term {
	in := b.arg(q.x, 0)
	if q.lo+q.n > b.Width(in) {
		return 0
	}
	return b.Extract(in, q.lo, q.n)
}

func (b *Builder) cutBoth(q ask) Term {
	return b.Bin(b.Op(q.x), b.Extract(b.arg(q.x, 0), q.lo, q.n), b.Extract(b.arg(q.x, 1), q.lo, q.n))
}

func (b *Builder) cutLow(q ask) Term {
	if q.lo != 0 {
		return 0
	}
	return b.cutBoth(q)
}

func (b *Builder) cutAbove(q ask) Term {
	if q.lo == 0 || q.lo+q.n >= q.w {
		return 0
	}
	return b.Extract(b.Extract(q.x, 0, q.lo+q.n), q.lo, q.n)
}
