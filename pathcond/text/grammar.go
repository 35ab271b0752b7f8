package text

import (
	"math/bits"
	"strings"

	"jitnic/pathcond/bv"
)

// expr is an expression whose width may still depend on what it meets.
type expr struct {
	term    bv.Term // of a leaf
	isConst bool
	neg     bool
	k       uint64
	op      bv.Op // of an operation on x and y; OpNot on x; OpIte: cond ? x : y
	x, y    *expr
	width   int // natural width: that of the widest leaf; 0: constants only
	depth   int
	col     int
	cond    bv.Term      // of a choice
	bits    *headerField // of a leaf that is some bits of a field: which
	whole   bv.Term      // and the whole field, in network order
}

// value reads an expression of the width; 0: of its natural width.
func (r *reader) value(width int) bv.Term {
	e := r.expr()
	if width == 0 {
		width = e.width
		if width == 0 {
			width = 64
		}
	}
	return r.elab(e, width)
}

// predicate reads an expression of width 1.
func (r *reader) predicate() bv.Term {
	r.space()
	at := r.at
	e := r.expr()
	if e.width != 1 {
		r.failAt(at, "a condition expected, not a number")
	}
	return r.elab(e, 1)
}

// elab makes the term of an expression at a width no smaller than its own.
func (r *reader) elab(e *expr, w int) bv.Term {
	b := r.b
	if e.width > w {
		r.failAt(e.col, "a value of %d bits where %d are expected", e.width, w)
	}
	switch {
	case e.isConst:
		v := e.k
		if e.neg {
			if v > uint64(1)<<(w-1) {
				r.failAt(e.col, "-%d: doesn't fit in %d bits", v, w)
			}
			v = -v
		} else if v > bv.Mask(w) {
			r.failAt(e.col, "%#x: doesn't fit in %d bits", v, w)
		}
		return b.Const(v, w)
	case e.term != 0:
		return b.ZExt(e.term, w)
	case e.op == bv.OpNot:
		return b.Not(r.elab(e.x, w))
	case e.op == bv.OpIte:
		return b.Ite(e.cond, r.elab(e.x, w), r.elab(e.y, w))
	}
	return b.Bin(e.op, r.elab(e.x, w), r.elab(e.y, w))
}

func (r *reader) leaf(t bv.Term, col int) *expr {
	return &expr{term: t, width: r.b.Width(t), col: col}
}

func (r *reader) node(op bv.Op, x, y *expr, col int) *expr {
	e := &expr{op: op, x: x, y: y, width: x.width, depth: x.depth + 1, col: col}
	if y != nil {
		e.width, e.depth = max(x.width, y.width), max(x.depth, y.depth)+1
	}
	if e.depth > 100*maxNesting {
		r.failAt(col, "expression too deep")
	}
	return e
}

// nest goes into an expression that stands in another; what it gives goes out again.
func (r *reader) nest() (out func()) {
	if r.depth++; r.depth > maxNesting {
		r.fail("nested too deep")
	}
	return func() { r.depth-- }
}

// expr reads: c ? x : y, lowest in precedence.
func (r *reader) expr() *expr {
	defer r.nest()()
	r.space()
	col := r.at
	e := r.or()
	if !r.is("?") {
		return e
	}
	cond := r.cond(e)
	x := r.expr()
	r.need(":")
	y := r.expr()
	n := r.node(bv.OpIte, x, y, col)
	if n.width == 0 { // of constants only: the condition is no guide
		r.failAt(col, "a width is missing: write u64(...) around a value")
	}
	n.cond = cond
	return n
}

// cond is the expression as a condition.
func (r *reader) cond(e *expr) bv.Term {
	if e.width != 1 {
		r.failAt(e.col, "a condition expected, not a number")
	}
	return r.elab(e, 1)
}

func (r *reader) or() *expr {
	e := r.and()
	for r.is("||") {
		y := r.and()
		e = r.leaf(r.b.OrB(r.cond(e), r.cond(y)), e.col)
	}
	return e
}

func (r *reader) and() *expr {
	e := r.comparison()
	for r.is("&&") {
		y := r.comparison()
		e = r.leaf(r.b.AndB(r.cond(e), r.cond(y)), e.col)
	}
	return e
}

// The comparisons, longest first: op of (x, y) or (y, x), negated or not.
var comparisons = []struct {
	tok       string
	op        bv.Op
	swap, not bool
}{
	{"s<=", bv.OpSLt, true, true}, {"s>=", bv.OpSLt, false, true}, {"s<", bv.OpSLt, false, false}, {"s>", bv.OpSLt, true, false},
	{"==", bv.OpEq, false, false}, {"!=", bv.OpEq, false, true},
	{"<=", bv.OpULt, true, true}, {">=", bv.OpULt, false, true}, {"<", bv.OpULt, false, false}, {">", bv.OpULt, true, false},
}

func (r *reader) comparison() *expr {
	x := r.sum()
	for _, cmp := range comparisons {
		if !r.is(cmp.tok) {
			continue
		}
		y := r.sum()
		t := r.compare(cmp.op, x, y, cmp.swap)
		if cmp.not {
			t = r.b.Not(t)
		}
		return r.leaf(t, x.col)
	}
	if r.isWord("in") {
		return r.leaf(r.within(x), x.col)
	}
	if r.peekWord() == "not" {
		r.isWord("not")
		if !r.isWord("in") {
			r.fail("in expected")
		}
		return r.leaf(r.b.Not(r.within(x)), x.col)
	}
	return x
}

// within reads a..b, the numbers that x is among: as x - a < b - a + 1.
func (r *reader) within(x *expr) bv.Term {
	w := x.width
	if w == 0 {
		w = 64
	}
	var lim [2]uint64
	r.space()
	at := r.at
	for i := range lim {
		if i == 1 {
			r.need("..")
			r.space()
		}
		if r.at >= len(r.s) || r.s[r.at] < '0' || r.s[r.at] > '9' {
			r.fail("number expected")
		}
		lim[i], _ = r.b.IsConst(r.elab(r.number(), w))
	}
	if lim[0] > lim[1] || lim[1]-lim[0] == bv.Mask(w) {
		r.failAt(at, "range from %d to %d: empty, or of all numbers", lim[0], lim[1])
	}
	return r.b.Bin(bv.OpULt, r.b.Bin(bv.OpSub, r.elab(x, w), r.b.Const(lim[0], w)), r.b.Const(lim[1]-lim[0]+1, w))
}

func (r *reader) compare(op bv.Op, x, y *expr, swap bool) bv.Term {
	b := r.b
	if op == bv.OpEq && x.bits != nil && y.isConst && !y.neg {
		// A field of bits is compared in its place.
		sh, w := bits.TrailingZeros64(x.bits.mask), b.Width(x.whole)
		if y.k > x.bits.mask>>sh {
			r.failAt(y.col, "%d: doesn't fit in the field", y.k)
		}
		return b.Bin(bv.OpEq, b.Bin(bv.OpAnd, x.whole, b.Const(x.bits.mask, w)), b.Const(y.k<<sh, w))
	}
	w := max(x.width, y.width)
	if w == 0 {
		w = 64
	}
	tx, ty := r.elab(x, w), r.elab(y, w)
	if swap {
		tx, ty = ty, tx
	}
	return b.Bin(op, tx, ty)
}

func (r *reader) sum() *expr {
	x := r.product()
	for {
		r.space()
		rest := r.s[r.at:]
		var op bv.Op
		switch {
		case strings.HasPrefix(rest, "+:"), strings.HasPrefix(rest, "||"):
			return x
		case strings.HasPrefix(rest, "+"):
			op = bv.OpAdd
		case strings.HasPrefix(rest, "-"):
			op = bv.OpSub
		case strings.HasPrefix(rest, "|"):
			op = bv.OpOr
		case strings.HasPrefix(rest, "^"):
			op = bv.OpXor
		default:
			return x
		}
		r.at++
		x = r.node(op, x, r.product(), x.col)
	}
}

var products = []struct {
	tok string
	op  bv.Op
}{{"s>>", bv.OpAShr}, {"s/", bv.OpSDiv}, {"s%", bv.OpSRem}, {"<<", bv.OpShl}, {">>", bv.OpLShr}, {"*", bv.OpMul},
	{"/", bv.OpUDiv}, {"%", bv.OpURem}, {"&", bv.OpAnd}}

func (r *reader) product() *expr {
	x := r.unary()
next:
	for {
		r.space()
		if strings.HasPrefix(r.s[r.at:], "&&") {
			return x
		}
		for _, p := range products {
			if r.is(p.tok) {
				x = r.node(p.op, x, r.unary(), x.col)
				continue next
			}
		}
		return x
	}
}

func (r *reader) unary() *expr {
	defer r.nest()()
	r.space()
	col := r.at
	switch {
	case r.is("!"):
		return r.leaf(r.b.Not(r.cond(r.unary())), col)
	case r.is("~"):
		return r.node(bv.OpNot, r.unary(), nil, col)
	case r.is("-"):
		e := r.unary()
		if e.isConst && !e.neg {
			e.neg, e.col = true, col
			return e
		}
		return r.node(bv.OpSub, &expr{isConst: true, col: col}, e, col)
	case r.is("("):
		e := r.expr()
		r.need(")")
		return e
	}
	if r.at < len(r.s) && r.s[r.at] >= '0' && r.s[r.at] <= '9' {
		return r.number()
	}
	return r.primary()
}

// number reads 12, 0xc or 10.0.0.1.
func (r *reader) number() *expr {
	col := r.at
	v := r.uint()
	if strings.HasPrefix(r.s[r.at:], ".") && !strings.HasPrefix(r.s[r.at:], "..") {
		for range 3 {
			if v > 0xffffffff>>8 || !strings.HasPrefix(r.s[r.at:], ".") {
				r.failAt(col, "address of four bytes expected")
			}
			r.at++
			v = v<<8 | uint64(r.small(255))
		}
		if v>>32 != 0 {
			r.failAt(col, "address of four bytes expected")
		}
	}
	return &expr{isConst: true, k: v, col: col}
}
