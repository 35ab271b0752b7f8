package text

import (
	"encoding/hex"
	"fmt"
	"math/bits"
	"slices"
	"strconv"
	"strings"

	"jitnic/host/ebpf"
	"jitnic/host/maps"
	"jitnic/host/vm"
	"jitnic/pathcond"
	"jitnic/pathcond/bv"

	cebpf "github.com/cilium/ebpf"
)

// Parse reads a condition of c in the form [Format] prints, one statement a line
// or separated by semicolons:
//
//	layout ip@14 tcp@(14 + (ip.vihl & 0xf) * 4)
//	let flow = map flows[ip.src, ip.dst, hex(0600)]
//	eth.type == 0x0800
//	flow present
//	flow.state >= 2 && pkt.len < tcp.start + 20
//
// Numbers are unsigned; operands of different widths meet at the wider one.
// Packet fields are in network order, le(...) turns them round, map values are
// in the machine's order. The error is an *ebpf.SyntaxError.
func Parse(c *pathcond.Compiler, text string) ([]pathcond.Pred, error) {
	sc := newScope(words{c})
	var out []pathcond.Pred
	for n, line := range strings.Split(text, "\n") {
		line = ebpf.StripComment(line)
		col := 0
		for _, part := range strings.Split(line, ";") {
			p, ok, err := sc.statement(part)
			if err != nil {
				err.Line = n + 1
				err.Col += col
				return nil, err
			}
			if ok {
				out = append(out, p)
			}
			col += len(part) + 1
		}
	}
	return out, nil
}

// scope is what the names in a condition mean.
type scope struct {
	c    words
	lets map[string]bv.Term
	l    layout
}

func newScope(c words) *scope {
	return &scope{c: c, lets: map[string]bv.Term{}, l: c.ethernet()}
}

func (sc *scope) header(name string) *placed {
	for i := range sc.l {
		if sc.l[i].name == name {
			return &sc.l[i]
		}
	}
	return nil
}

// statement reads one statement: a layout, a let, or a predicate (ok).
func (sc *scope) statement(s string) (p pathcond.Pred, ok bool, err *ebpf.SyntaxError) {
	r := &reader{sc: sc, b: sc.c.B, s: s}
	defer func() {
		if e := recover(); e != nil {
			se, is := e.(*ebpf.SyntaxError)
			if !is {
				panic(e)
			}
			p, ok, err = pathcond.Pred{}, false, se
		}
	}()
	if r.end() {
		return pathcond.Pred{}, false, nil
	}
	switch {
	case r.isWord("layout"):
		for !r.end() {
			r.place()
		}
	case r.isWord("let"):
		r.space()
		at := r.at
		name := r.ident()
		if sc.lets[name] != 0 || sc.header(name) != nil || reserved[name] || isCast(name) > 0 {
			r.at = at
			r.fail("name %q: taken", name)
		}
		r.need("=")
		sc.lets[name] = r.value(0)
		r.last()
	default:
		t := r.predicate()
		r.last()
		p = pathcond.Pred{Term: t, Want: true}
		if r.b.Op(t) == bv.OpNot {
			p.Term, p.Want = r.b.Args(t)[0], false
		}
		return p, true, nil
	}
	return pathcond.Pred{}, false, nil
}

var reserved = map[string]bool{"pkt": true, "map": true, "prog": true, "ct": true, "fib": true, "strtol": true, "strtoul": true, "timer": true, "time": true, "boot": true,
	"jiffies": true, "cpu": true, "ifindex": true, "rxq": true, "egress": true, "rand": true, "le": true, "bswap": true,
	"bits": true, "cat": true, "mem": true, "opaque": true, "raw": true, "true": true, "false": true, "hex": true,
	"layout": true, "let": true, "s": true, "in": true, "not": true}

// isCast gives the width of a cast's name, as in u32.
func isCast(name string) int {
	if len(name) < 2 || len(name) > 3 || (name[0] != 'u' && name[0] != 's') || name[1] == '0' {
		return 0
	}
	n, err := strconv.Atoi(name[1:])
	if err != nil || n < 1 || n > 64 {
		return 0
	}
	return n
}

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

// reader reads one statement. Failures leave it by panic with a *SyntaxError,
// caught in statement.
type reader struct {
	sc    *scope
	b     *bv.Builder
	s     string
	at    int
	depth int
}

const maxNesting = 1000

func (r *reader) fail(format string, args ...any) {
	panic(&ebpf.SyntaxError{Col: r.at + 1, Msg: fmt.Sprintf(format, args...)})
}

func (r *reader) failAt(col int, format string, args ...any) {
	r.at = col
	r.fail(format, args...)
}

func (r *reader) space() {
	for r.at < len(r.s) && (r.s[r.at] == ' ' || r.s[r.at] == '\t' || r.s[r.at] == '\r') {
		r.at++
	}
}

func (r *reader) end() bool {
	r.space()
	return r.at >= len(r.s)
}

func (r *reader) last() {
	if !r.end() {
		r.fail("end of line expected")
	}
}

// is takes punctuation if it comes next.
func (r *reader) is(tok string) bool {
	r.space()
	if !strings.HasPrefix(r.s[r.at:], tok) {
		return false
	}
	r.at += len(tok)
	return true
}

func (r *reader) need(tok string) {
	if !r.is(tok) {
		r.fail("%q expected", tok)
	}
}

func (r *reader) peekWord() string {
	r.space()
	i := r.at
	for i < len(r.s) && wordByte(r.s[i]) {
		i++
	}
	return r.s[r.at:i]
}

func (r *reader) isWord(w string) bool {
	if r.peekWord() != w {
		return false
	}
	r.at += len(w)
	return true
}

func wordByte(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

func (r *reader) ident() string {
	w := r.peekWord()
	if w == "" || w[0] >= '0' && w[0] <= '9' {
		r.fail("name expected")
	}
	r.at += len(w)
	return w
}

func (r *reader) uint() uint64 {
	w := r.peekWord()
	v, err := strconv.ParseUint(w, 0, 64)
	if err != nil || strings.Contains(w, "_") {
		r.fail("number expected")
	}
	r.at += len(w)
	return v
}

// small reads a number up to max.
func (r *reader) small(max uint64) int {
	r.space()
	at := r.at
	v := r.uint()
	if v > max {
		r.failAt(at, "number up to %d expected", max)
	}
	return int(v)
}

// place reads one header of a layout: name@offset or name@(expression).
func (r *reader) place() {
	at := r.at
	name := r.ident()
	h := headerNamed(name)
	if h == nil {
		r.failAt(at, "header %q: not known", name)
	}
	if r.sc.header(name) != nil || r.sc.lets[name] != 0 {
		r.failAt(at, "header %q: placed already", name)
	}
	r.need("@")
	var off bv.Term
	if r.is("(") {
		off = r.value(64)
		r.need(")")
	} else {
		off = r.b.Const(uint64(r.small(vm.MaxLinear)), 64)
	}
	base, k := r.b.SplitAdd(r.sc.c.at2(off, r.sc.c.data()))
	r.sc.l = append(r.sc.l, placed{name, h, base, k})
	r.space()
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

// expr reads: c ? x : y, lowest in precedence.
func (r *reader) expr() *expr {
	r.depth++
	if r.depth > maxNesting {
		r.fail("nested too deep")
	}
	defer func() { r.depth-- }()
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
	r.depth++
	if r.depth > maxNesting {
		r.fail("nested too deep")
	}
	defer func() { r.depth-- }()
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

// primary reads a leaf that begins with a name.
func (r *reader) primary() *expr {
	col := r.at
	name := r.ident()
	leaf := func(t bv.Term) *expr { return r.leaf(t, col) }
	b := r.b
	if n := isCast(name); n > 0 && r.is("(") {
		e := r.expr()
		r.need(")")
		return leaf(r.cast(e, n, name[0] == 's', col))
	}
	switch name {
	case "pkt":
		if r.is(".") {
			if !r.isWord("len") {
				r.fail("len expected")
			}
			return leaf(r.sc.c.inputTerm(pathcond.InLen))
		}
		return leaf(r.slice(0, r.sc.c.data(), vm.MaxLinear, true))
	case "mem":
		return leaf(r.slice(0, 0, ^uint64(0), false))
	case "map":
		return r.mapExpr(col)
	case "prog":
		r.need("(")
		at := r.at
		n := r.ident()
		r.need(")")
		for i, p := range r.sc.c.Obj.Programs {
			if p.Name == n {
				return leaf(b.Const(uint64(i)+1, 64))
			}
		}
		r.failAt(at, "program %q: not known", n)
	case "strtol", "strtoul":
		return leaf(r.number64(name == "strtol"))
	case "ct":
		return leaf(r.conn())
	case "syncookie":
		return leaf(r.cookie())
	case "snprintf", "trace_printk":
		return leaf(r.printed(name == "snprintf"))
	case "timer":
		return leaf(b.Fun(pathcond.FunTimer, 64, bv.Fact{}, r.numbers(1, 1)...))
	case "fib":
		return leaf(r.fib())
	case "time":
		if r.is(".") {
			if !r.isWord("coarse") {
				r.fail("coarse expected")
			}
			return leaf(r.sc.c.inputTerm(pathcond.InCoarse))
		}
		return leaf(r.sc.c.inputTerm(pathcond.InTime))
	case "rand":
		r.need("[")
		n := r.small(pathcond.MaxRand - 1)
		r.need("]")
		return leaf(r.sc.c.inputTerm(pathcond.InRand + uint64(n)))
	case "le", "bswap":
		r.need("(")
		e := r.expr()
		r.need(")")
		if e.width == 0 || e.width%8 != 0 {
			r.failAt(e.col, "whole bytes expected")
		}
		return leaf(r.swap(r.elab(e, e.width)))
	case "bits":
		r.need("(")
		t := r.value(0)
		r.need(",")
		lo := r.small(63)
		r.need(",")
		n := r.small(64)
		r.need(")")
		if n == 0 || lo+n > b.Width(t) {
			r.failAt(col, "bits %d to %d: not in a value of %d bits", lo, lo+n, b.Width(t))
		}
		return leaf(b.Extract(t, lo, n))
	case "cat":
		r.need("(")
		t := r.value(0)
		for r.is(",") {
			at := r.at
			u := r.value(0)
			if b.Width(t)+b.Width(u) > 64 {
				r.failAt(at, "more than 64 bits")
			}
			t = b.Concat(t, u)
		}
		r.need(")")
		return leaf(t)
	case "opaque":
		r.need("(")
		k := r.small(1 << 30)
		r.need(",")
		n := r.small(64)
		r.need(")")
		if n == 0 {
			r.fail("a width of 0")
		}
		return leaf(b.Fun(pathcond.Fun(pathcond.FunOpaque, k), n, bv.Fact{Opaque: true}))
	case "raw":
		return leaf(r.raw(col))
	case "true", "false":
		return leaf(b.Bool(name == "true"))
	}
	if id, ok := inputNamed[name]; ok {
		return leaf(r.sc.c.inputTerm(id))
	}
	if p := r.sc.header(name); p != nil {
		return r.headerExpr(p, col)
	}
	if t := r.sc.lets[name]; t != 0 {
		if m, elem, key, off, ok := r.sc.c.elementOf(t); ok && off == 0 && elem == t {
			return leaf(r.postfix(m, elem, key))
		}
		return leaf(t)
	}
	r.failAt(col, "name %q: not known", name)
	return nil
}

// cast is the value of e in n bits.
func (r *reader) cast(e *expr, n int, signed bool, col int) bv.Term {
	w := e.width
	if w == 0 {
		w = n
	}
	t := r.elab(e, w)
	switch {
	case w > n && signed:
		r.failAt(col, "a value of %d bits where up to %d are expected", w, n)
	case w > n:
		return r.b.Extract(t, 0, n)
	case signed:
		return r.b.SExt(t, n)
	}
	return r.b.ZExt(t, n)
}

// swap reverses bytes.
func (r *reader) swap(t bv.Term) bv.Term { return r.b.BSwap(t) }

var inputNamed = map[string]uint64{"boot": pathcond.InBoot, "jiffies": pathcond.InJiffies, "cpu": pathcond.InCPU, "ifindex": pathcond.InIfindex,
	"rxq": pathcond.InQueue, "egress": pathcond.InEgress, "frags": pathcond.InFrags, "tag": pathcond.InTag}

// inputTerm is an input with its width and what is known of it.
func (c words) inputTerm(id uint64) bv.Term {
	switch {
	case id == pathcond.InLen:
		return c.B.Input(id, 64, bv.Fact{Min: vm.MinPacket, Max: vm.MaxLinear})
	case id == pathcond.InFrags:
		return c.B.Input(id, 64, bv.Fact{Max: vm.MaxPacket - vm.MaxLinear})
	case id == pathcond.InTag:
		return c.B.Input(id, 64, bv.Fact{Max: 1<<33 - 1})
	case id == pathcond.InCPU:
		return c.B.Input(id, 64, bv.Fact{Max: uint64(max(c.S.Opt.CPUs, 1)) - 1})
	case id == pathcond.InIfindex, id == pathcond.InQueue, id == pathcond.InEgress, id >= pathcond.InRand && id < pathcond.InRand+pathcond.MaxRand:
		return c.B.Input(id, 32, bv.Fact{})
	}
	return c.B.Input(id, 64, bv.Fact{})
}

// headerLength is the length of an IPv4 header in bytes, in 32 bits, as
// compilers make it of the first byte: ip.hlen.
func headerLength(b *bv.Builder, vihl bv.Term) bv.Term {
	return b.Bin(bv.OpAnd, b.Bin(bv.OpShl, b.ZExt(vihl, 32), b.Const(2, 32)), b.Const(60, 32))
}

// load is n bytes at an address, as the machine reads them; swapped for
// network order.
func (r *reader) load(addr bv.Term, n int, swapped bool) bv.Term {
	t := r.b.Fun(pathcond.FunLoad, 8*n, bv.Fact{}, addr)
	if swapped {
		t = r.swap(t)
	}
	return t
}

// slice reads [a:b], bytes of constant places, or [x +: n], n bytes at x, of
// memory that begins at base + at and has limit bytes.
func (r *reader) slice(base bv.Term, at, limit uint64, swapped bool) bv.Term {
	r.need("[")
	e := r.expr()
	c := r.sc.c
	var addr bv.Term
	n := 0
	if r.is("+:") {
		addr = c.at2(r.elab(e, 64), at)
		if base != 0 {
			addr = r.b.Bin(bv.OpAdd, addr, base)
		}
		n = r.small(8)
	} else {
		r.need(":")
		end := r.uint()
		if !e.isConst || e.neg {
			r.failAt(e.col, "a number expected; or [x +: n]")
		}
		if end < e.k || end-e.k > 8 || end > limit {
			r.failAt(e.col, "bytes %d to %d: not there", e.k, end)
		}
		n = int(end - e.k)
		addr = c.at(base, at+e.k)
	}
	if n != 1 && n != 2 && n != 4 && n != 8 {
		r.failAt(e.col, "%d bytes: a load has 1, 2, 4 or 8", n)
	}
	r.need("]")
	return r.load(addr, n, swapped)
}

// headerExpr reads what follows the name of a header.
func (r *reader) headerExpr(p *placed, col int) *expr {
	c := r.sc.c
	if !r.is(".") {
		return r.leaf(r.slice(p.base, p.at, uint64(p.h.size), true), col)
	}
	at := r.at
	name := r.ident()
	if name == "hlen" && p.h.name == "ip" {
		return r.leaf(headerLength(r.b, r.load(c.at(p.base, p.at), 1, false)), col)
	}
	if name == "start" {
		return r.leaf(c.at(p.base, p.at-c.data()), col)
	}
	f := p.h.field(name)
	if f == nil {
		r.failAt(at, "header %s has no field %q", p.h.name, name)
	}
	start := p.at + uint64(f.off)
	if r.at < len(r.s) && r.s[r.at] == '[' {
		return r.leaf(r.slice(p.base, start, uint64(f.size), true), col)
	}
	if f.mask != 0 {
		whole := r.load(c.at(p.base, start), f.size, true)
		w := 8 * f.size
		masked := r.b.Bin(bv.OpAnd, whole, r.b.Const(f.mask, w))
		e := r.leaf(r.b.Bin(bv.OpLShr, masked, r.b.Const(uint64(bits.TrailingZeros64(f.mask)), w)), col)
		e.bits, e.whole = f, whole
		return e
	}
	if f.size > 8 || f.size == 6 {
		r.failAt(at, "field %q has %d bytes: name a part of it, as in %s.%s[0:4]", name, f.size, p.name, name)
	}
	return r.leaf(r.load(c.at(p.base, start), f.size, true), col)
}

// mapExpr reads what follows "map".
func (r *reader) mapExpr(col int) *expr {
	c := r.sc.c
	paren := r.is("(")
	r.space()
	at := r.at
	i := r.at
	for i < len(r.s) && (wordByte(r.s[i]) || r.s[i] == '.' || r.s[i] == '@') {
		i++
	}
	name := r.s[r.at:i]
	m, ok := c.mapNamed(name)
	if !ok {
		r.failAt(at, "map %q: not known", name)
	}
	r.at = i
	if paren {
		r.need(")")
		return r.leaf(r.b.Const(vm.MapPtr(m), 64), col)
	}
	if r.isWord("count") {
		return r.leaf(r.b.Fun(pathcond.Fun(pathcond.FunCount, m), 64, bv.Fact{Max: uint64(c.S.Maps[m].Spec().Max)}), col)
	}
	if r.isWord("version") {
		return r.leaf(r.version(m, nil, at), col)
	}
	for _, f := range mapFuncs {
		if f.of(c.S.Maps[m].Spec().Type) && r.isWord(f.word) {
			return r.leaf(r.b.Fun(pathcond.Fun(f.id, m), 64, bv.Fact{}, r.numbers(f.least, f.most)...), col)
		}
	}
	r.need("[")
	spec := c.S.Maps[m].Spec()
	var key []bv.Term
	switch {
	case spec.Type == cebpf.BloomFilter && spec.ValueSize <= maxKey:
		key = r.bytes(int(spec.ValueSize)) // what is asked for is a value
	case spec.KeySize == 0 || spec.KeySize > maxKey:
		r.failAt(at, "map %q has no keys to look up", name)
	case isIndexed(spec):
		key = []bv.Term{r.value(32)}
	default:
		key = r.bytes(int(spec.KeySize))
	}
	r.need("]")
	for spec.Type == cebpf.BloomFilter && r.is("[") { // what is put in before it is asked
		if key = append(key, r.bytes(int(spec.ValueSize))...); 8*len(key) > pathcond.MaxAsked {
			r.fail("too many values")
		}
		r.need("]")
	}
	if r.isWord("version") {
		return r.leaf(r.version(m, key, at), col)
	}
	if maps.IsPerCPU(spec) && r.isWord("on") {
		key = append(key, r.numbers(1, 1)...)
		return r.leaf(r.postfix(m, r.b.Fun(pathcond.Fun(pathcond.FunLookupOn, m), 64, bv.Fact{}, key...), key), col)
	}
	if w := r.peekWord(); w == "occupied" || w == "vacant" {
		if _, ok := c.S.Maps[m].(maps.Redirects); (!ok || !isIndexed(spec)) && spec.Type != cebpf.BloomFilter {
			r.failAt(at, "map %q holds no targets of redirects", name)
		}
		r.isWord(w)
		t := r.b.Fun(pathcond.Fun(pathcond.FunPresent, m), 1, bv.Fact{}, key...)
		if w == "vacant" {
			t = r.b.Not(t)
		}
		return r.leaf(t, col)
	}
	if spec.Type == cebpf.BloomFilter {
		r.fail("\"occupied\" or \"vacant\" expected")
	}
	return r.leaf(r.postfix(m, c.Element(m, key), key), col)
}

// mapFuncs are the words for what is asked of maps with numbers.
var mapFuncs = []struct {
	word        string
	id          uint64
	of          func(cebpf.MapType) bool
	least, most int // numbers
}{
	{"query", pathcond.FunQuery, isRing, 1, 1 + maps.MaxRingOps},
	{"room", pathcond.FunRoom, isRing, 1, 1 + maps.MaxRingOps},
	{"elem", pathcond.FunElem, func(t cebpf.MapType) bool { return t == cebpf.Queue || t == cebpf.Stack }, 2, 2},
	{"key", pathcond.FunKeyAt, func(t cebpf.MapType) bool { return t == cebpf.Hash || t == cebpf.PerCPUHash }, 2, 2},
}

func isRing(t cebpf.MapType) bool { return t == cebpf.RingBuf }

// numbers reads a list of numbers of 64 bits between parentheses.
func (r *reader) numbers(least, most int) (out []bv.Term) {
	r.need("(")
	for {
		out = append(out, r.value(64))
		if len(out) == most || len(out) >= least && !r.is(",") {
			break
		} else if len(out) < least {
			r.need(",")
		}
	}
	r.need(")")
	return out
}

const maxKey = 512 // bytes (MAX_BPF_STACK: a key stands on the stack)

// postfix reads what is asked of an entry: nothing (its address), present,
// absent, a member or bytes of the value.
func (r *reader) postfix(m int, elem bv.Term, key []bv.Term) bv.Term {
	b, c := r.b, r.sc.c
	spec := c.S.Maps[m].Spec()
	switch {
	case r.isWord("present"):
		return b.Not(b.Bin(bv.OpEq, elem, b.Const(0, 64)))
	case r.isWord("absent"):
		return b.Bin(bv.OpEq, elem, b.Const(0, 64))
	}
	base, k := b.SplitAdd(elem)
	if r.at < len(r.s) && r.s[r.at] == '[' {
		return r.slice(base, k, uint64(spec.ValueSize), false)
	}
	if r.at+1 < len(r.s) && r.s[r.at] == '.' && wordByte(r.s[r.at+1]) {
		r.at++
		at := r.at
		path := r.ident()
		for r.at+1 < len(r.s) && r.s[r.at] == '.' && wordByte(r.s[r.at+1]) {
			r.at++
			path += "." + r.ident()
		}
		off, n, ok := memberNamed(spec.Value, path)
		if !ok || n != 1 && n != 2 && n != 4 && n != 8 || off+n > uint64(spec.ValueSize) {
			r.failAt(at, "values of map %q have no member %q of 1, 2, 4 or 8 bytes", spec.Name, path)
		}
		return r.load(c.at(base, k+off), int(n), false)
	}
	return elem
}

// version is the version counter of a constant key.
func (r *reader) version(m int, key []bv.Term, at int) bv.Term {
	var raw []byte
	for _, t := range key {
		v, ok := r.b.IsConst(t)
		if !ok {
			r.failAt(at, "a version has a constant key")
		}
		for range r.b.Width(t) / 8 {
			raw = append(raw, byte(v))
			v >>= 8
		}
	}
	return r.sc.c.inputTerm(pathcond.InVersion + uint64(r.sc.c.Versions.Watch(m, raw)))
}

// part is some bytes of a key, in the order of memory.
type part struct {
	term bv.Term // little-endian
	raw  []byte  // constant, if term is 0
}

// bytes reads n bytes as a list of values in network order and hex(...)
// constants, and makes their terms of up to 8 bytes.
func (r *reader) bytes(n int) []bv.Term {
	var parts []part
	total := 0
	for {
		r.space()
		at := r.at
		if r.isWord("hex") {
			r.need("(")
			r.space()
			i := r.at
			for i < len(r.s) && wordByte(r.s[i]) {
				i++
			}
			raw, err := hex.DecodeString(r.s[r.at:i])
			if err != nil {
				r.fail("hex digits expected, two a byte")
			}
			r.at = i
			r.need(")")
			parts = append(parts, part{raw: raw})
			total += len(raw)
		} else {
			e := r.expr()
			if e.width == 0 || e.width%8 != 0 {
				r.failAt(at, "whole bytes expected: write constants as hex(...) or u32(...)")
			}
			parts = append(parts, part{term: r.swap(r.elab(e, e.width))})
			total += e.width / 8
		}
		if total > n {
			r.failAt(at, "more than %d bytes", n)
		}
		if !r.is(",") {
			break
		}
	}
	if total != n {
		r.fail("%d bytes where %d are expected", total, n)
	}
	var out []bv.Term
	for _, w := range keyChunks(n) {
		var in []part
		for have := 0; have < w; {
			p := &parts[0]
			if p.term != 0 {
				if have += r.b.Width(p.term); have > w {
					r.fail("a value crosses bytes %d and %d", 8*len(out)+7, 8*len(out)+8)
				}
				in = append(in, *p)
				parts = parts[1:]
				continue
			}
			k := min(len(p.raw), (w-have)/8)
			in = append(in, part{raw: p.raw[:k]})
			have += 8 * k
			p.raw = p.raw[k:]
			if len(p.raw) == 0 {
				parts = parts[1:]
			}
		}
		out = append(out, joinParts(r.b, in))
	}
	return out
}

// joinParts makes the term of up to 8 bytes of parts.
func joinParts(b *bv.Builder, parts []part) bv.Term {
	var merged []part
	for _, p := range parts {
		if p.term == 0 && len(p.raw) == 0 {
			continue
		}
		if n := len(merged); p.term == 0 && n > 0 && merged[n-1].term == 0 {
			merged[n-1].raw = append(append([]byte(nil), merged[n-1].raw...), p.raw...)
			continue
		}
		merged = append(merged, p)
	}
	var t bv.Term
	for i := len(merged) - 1; i >= 0; i-- {
		u := merged[i].term
		if u == 0 {
			var v uint64
			for j := len(merged[i].raw) - 1; j >= 0; j-- {
				v = v<<8 | uint64(merged[i].raw[j])
			}
			u = b.Const(v, 8*len(merged[i].raw))
		}
		if t == 0 {
			t = u
		} else {
			t = b.Concat(t, u)
		}
	}
	return t
}

// fib reads [flags = N, 64 bytes].rc or .w0 to .w7: bpf_fib_lookup's return
// code, or a word of the struct it leaves.
// number64 is what strtol or strtoul makes of bytes.
func (r *reader) number64(signed bool) bv.Term {
	r.need("[")
	flags := r.named("flags", ^uint64(0))
	r.need(",")
	at := r.at
	n := int(r.named("len", pathcond.MaxNumber))
	if n == 0 {
		r.failAt(at, "a length from 1 expected")
	}
	r.need(",")
	args := append([]bv.Term{r.b.Const(flags, 64)}, r.bytes(n)...)
	r.need("]")
	r.need(".")
	at = r.at
	w := r.ident()
	if w != "rc" && w != "value" {
		r.failAt(at, "rc or value expected")
	}
	return r.b.Fun(pathcond.Fun(pathcond.FunNumber, pathcond.Number(signed, w == "value", n)), 64, bv.Fact{}, args...)
}

// conn reads [tuple = N, opts = M][bytes][bytes].entry, .error or .dir: what
// bpf_xdp_ct_lookup answers to a tuple and options of so many bytes.
func (r *reader) conn() bv.Term {
	const most = 1 << 8
	r.need("[")
	tuple := int(r.named("tuple", most))
	r.need(",")
	opts := int(r.named("opts", most))
	r.need("]")
	n, m := pathcond.ConnBytes(tuple, opts)
	var args []bv.Term
	for _, k := range []int{n, m} {
		if k > 0 {
			r.need("[")
			args = append(args, r.bytes(k)...)
			r.need("]")
		}
	}
	r.need(".")
	at := r.at
	answer := slices.Index(connAnswers[:], r.ident())
	if answer < 0 {
		r.failAt(at, "entry, error or dir expected")
	}
	return r.b.Fun(pathcond.Fun(pathcond.FunConn, pathcond.Conn(answer, tuple, opts)), 64, bv.Fact{}, args...)
}

// cookie reads .make4[len = N, at TIME][addresses][header] and its like: what a SYN
// cookie helper answers to addresses and a TCP header of N bytes.
func (r *reader) cookie() bv.Term {
	r.need(".")
	at := r.at
	name := r.ident()
	for gen, versions := range cookieNames {
		for v6, is := range versions {
			if name != is {
				continue
			}
			r.need("[")
			n := int(r.named("len", pathcond.MaxTCP))
			if n < pathcond.MinTCP {
				r.failAt(at, "a TCP header has %d bytes or more", pathcond.MinTCP)
			}
			r.need(",")
			if !r.isWord("at") {
				r.fail("at expected")
			}
			args := []bv.Term{r.value(64)}
			r.need("]")
			for _, k := range []int{pathcond.CookieAddrs(v6), n} {
				r.need("[")
				args = append(args, r.bytes(k)...)
				r.need("]")
			}
			return r.b.Fun(pathcond.Fun(pathcond.FunCookie, pathcond.Cookie(gen, v6, n)), 64, bv.Fact{}, args...)
		}
	}
	r.failAt(at, "make4, make6, check4 or check6 expected")
	return 0
}

// printed reads [len = N, values = K, size = M][format][value]…[bytes before].rc, or
// .w0 and so on: what printing K values by a format of N bytes answers, or a word
// of the buffer of M bytes after it. A value shown as a string is [len = L, bytes].
func (r *reader) printed(buffer bool) bv.Term {
	r.need("[")
	n := int(r.named("len", pathcond.MaxFormat))
	r.need(",")
	values := int(r.named("values", pathcond.MaxValues))
	size := -1
	if buffer {
		r.need(",")
		size = int(r.named("size", pathcond.MaxText))
	}
	r.need("]")
	r.need("[")
	at := r.at
	args := r.bytes(n)
	r.need("]")
	format := formatOf(r.b, args)
	if len(format) != n {
		r.failAt(at, "a format is constant")
	}
	kinds := vm.ArgKinds(format)
	for i := range values {
		r.need("[")
		k := 0
		if i < len(kinds) {
			k = kinds[i].Bytes()
		}
		if k < 0 {
			k = int(r.named("len", pathcond.MaxText))
			if args = append(args, r.b.Const(uint64(k), 64)); k > 0 {
				r.need(",")
			}
		} else if k == 0 {
			args = append(args, r.value(64))
		}
		if k > 0 {
			args = append(args, r.bytes(k)...)
		}
		r.need("]")
	}
	if size > 0 {
		r.need("[")
		args = append(args, r.bytes(size)...)
		r.need("]")
	}
	r.need(".")
	at = r.at
	word, w := 0, r.ident()
	if w != "rc" {
		i, err := strconv.Atoi(strings.TrimPrefix(w, "w"))
		if err != nil || w[0] != 'w' || i < 0 || 8*i >= size {
			r.failAt(at, "rc, or w0 and so on of the buffer expected")
		}
		word = i + 1
	}
	return r.b.Fun(pathcond.Fun(pathcond.FunText, pathcond.Text(word, n, values, size)), 64, bv.Fact{}, args...)
}

// named is "name = number".
func (r *reader) named(name string, most uint64) uint64 {
	if !r.isWord(name) {
		r.fail("%s expected", name)
	}
	r.need("=")
	r.space()
	at := r.at
	v := r.uint()
	if v > most {
		r.failAt(at, "number up to %d expected", most)
	}
	return v
}

func (r *reader) fib() bv.Term {
	r.need("[")
	if !r.isWord("flags") {
		r.fail("flags expected")
	}
	r.need("=")
	flags := r.b.Const(r.uint(), 64)
	r.need(",")
	args := append(r.bytes(64), flags)
	r.need("]")
	r.need(".")
	at := r.at
	w := r.ident()
	if w == "rc" {
		return r.b.Fun(pathcond.Fun(pathcond.FunFib, 0), 64, bv.Fact{}, args...)
	}
	if len(w) == 2 && w[0] == 'w' && w[1] >= '0' && w[1] < '8' {
		return r.b.Fun(pathcond.Fun(pathcond.FunFib, int(w[1]-'0')+1), 64, bv.Fact{}, args...)
	}
	r.failAt(at, "rc or w0 to w7 expected")
	return 0
}

// raw reads an operation as it stands: raw(op width k, arguments).
func (r *reader) raw(col int) bv.Term {
	r.need("(")
	at := r.at
	op := bv.OpNamed(r.ident())
	if op == bv.OpInvalid {
		r.failAt(at, "no such operation")
	}
	width := r.small(64)
	k := r.uint()
	var args []bv.Term
	for r.is(",") {
		args = append(args, r.value(0))
		if len(args) > 512 {
			r.fail("too many arguments")
		}
	}
	r.need(")")
	if op == bv.OpFun {
		// The evaluator trusts the arguments of a function.
		if id, _ := pathcond.FunParts(k); id != pathcond.FunLoad || len(args) != 1 || r.b.Width(args[0]) != 64 || width%8 != 0 {
			r.failAt(col, "functions have forms of their own")
		}
	}
	if op == bv.OpInput {
		if t := r.sc.c.inputTerm(k); r.b.Width(t) != width || k >= pathcond.InVersion {
			r.failAt(col, "no such input")
		}
	}
	t, err := r.b.Make(op, width, k, args...)
	if err != nil {
		r.failAt(col, "%v", err)
	}
	return t
}
