package rules

import (
	"fmt"
	"math/bits"
	"strconv"
	"strings"

	"jitnic/pathcond/bv"
)

// expr is a constant of a rule: a number, a capital letter, or what is computed
// of them. Numbers are 64 bits wide and wrap; shift counts are taken mod 64.
//
//	I+J  I-J  I*J  I<<J  I>>J  I&J  I^J  I|J  -I  ~I  log2(I)
//
// Precedence is C's. log2 is the number of the highest bit set, -1 of 0.
type expr struct {
	op   byte // 'k' number, 'v' letter, 'n' minus, '~', 'L' log2, '<' and '>' shifts, else the operator
	k    int64
	v    byte
	a, b *expr
}

func num(k int64) *expr         { return &expr{op: 'k', k: k} }
func letter(v byte) *expr       { return &expr{op: 'v', v: v} }
func un(op byte, a *expr) *expr { return &expr{op: op, a: a} }
func bi(op byte, a, b *expr) *expr {
	if a.op == 'k' && b.op == 'k' {
		e := &expr{op: op, a: a, b: b}
		v, _ := e.eval(nil)
		return num(v)
	}
	return &expr{op: op, a: a, b: b}
}

// plus is a+k, written short.
func plus(a *expr, k int64) *expr {
	switch {
	case k == 0:
		return a
	case a.op == 'k':
		return num(a.k + k)
	case k < 0 && k != -1<<63:
		return &expr{op: '-', a: a, b: num(-k)}
	}
	return &expr{op: '+', a: a, b: num(k)}
}

var exprPrec = map[byte]int{'|': 1, '^': 2, '&': 3, '<': 4, '>': 4, '+': 5, '-': 5, '*': 6}

type exprParser struct {
	s   string
	pos int
}

// parseExpr reads one whole constant.
func parseExpr(s string) (*expr, error) {
	p := &exprParser{s: strings.ReplaceAll(s, " ", "")}
	e, err := p.binary(1)
	if err == nil && p.pos < len(p.s) {
		err = fmt.Errorf("%q: %q does not belong there", s, p.s[p.pos:])
	}
	if err != nil {
		return nil, err
	}
	return e, nil
}

func (p *exprParser) binary(prec int) (*expr, error) {
	a, err := p.unary(0)
	if err != nil {
		return nil, err
	}
	for p.pos < len(p.s) {
		op := p.s[p.pos]
		n := 1
		if op == '<' || op == '>' {
			if n = 2; p.pos+1 >= len(p.s) || p.s[p.pos+1] != op {
				break
			}
		}
		q, ok := exprPrec[op]
		if !ok || q < prec {
			break
		}
		p.pos += n
		b, err := p.binary(q + 1)
		if err != nil {
			return nil, err
		}
		a = &expr{op: op, a: a, b: b}
	}
	return a, nil
}

func (p *exprParser) unary(depth int) (*expr, error) {
	if p.pos >= len(p.s) || depth > 64 {
		return nil, fmt.Errorf("%q: a constant ends too early", p.s)
	}
	c := p.s[p.pos]
	switch {
	case c == '-' || c == '~':
		p.pos++
		a, err := p.unary(depth + 1)
		if err != nil {
			return nil, err
		}
		if a.op == 'k' && c == '-' {
			return num(-a.k), nil
		}
		if c == '-' {
			c = 'n'
		}
		return un(c, a), nil
	case c == '(':
		p.pos++
		a, err := p.binary(1)
		if err != nil {
			return nil, err
		}
		if p.pos >= len(p.s) || p.s[p.pos] != ')' {
			return nil, fmt.Errorf("%q: no closing bracket", p.s)
		}
		p.pos++
		return a, nil
	case strings.HasPrefix(p.s[p.pos:], "log2("):
		p.pos += 4
		a, err := p.unary(depth + 1)
		if err != nil {
			return nil, err
		}
		return un('L', a), nil
	case c >= 'A' && c <= 'Z':
		p.pos++
		return letter(c), nil
	case c >= '0' && c <= '9':
		n := p.pos
		for n < len(p.s) && (p.s[n] >= '0' && p.s[n] <= '9' || p.s[n] >= 'a' && p.s[n] <= 'f' || p.s[n] == 'x') {
			n++
		}
		v, err := strconv.ParseUint(p.s[p.pos:n], 0, 64)
		if err != nil {
			return nil, fmt.Errorf("%q: not a number", p.s[p.pos:n])
		}
		p.pos = n
		return num(int64(v)), nil
	}
	return nil, fmt.Errorf("%q: %q is no constant", p.s, p.s[p.pos:])
}

// String writes the expression so that parseExpr reads it back.
func (e *expr) String() string {
	switch e.op {
	case 'k':
		return strconv.FormatInt(e.k, 10)
	case 'v':
		return string(e.v)
	case 'n', '~':
		c := "-"
		if e.op == '~' {
			c = "~"
		}
		return c + e.a.inner(7)
	case 'L':
		return "log2(" + e.a.String() + ")"
	}
	op := string(e.op)
	if e.op == '<' || e.op == '>' {
		op += op
	}
	q := exprPrec[e.op]
	return e.a.inner(q) + op + e.b.inner(q+1)
}

func (e *expr) inner(prec int) string {
	s := e.String()
	if q, ok := exprPrec[e.op]; ok && q < prec || e.op == 'k' && e.k < 0 {
		return "(" + s + ")"
	}
	return s
}

// vars adds the letters of e to set.
func (e *expr) vars(set *uint32) {
	if e.op == 'v' {
		*set |= 1 << (e.v - 'A')
	}
	if e.a != nil {
		e.a.vars(set)
	}
	if e.b != nil {
		e.b.vars(set)
	}
}

// bindings are the values of the capital letters.
type bindings struct {
	set uint32
	v   [26]int64
}

func (b *bindings) get(c byte) (int64, bool) {
	if b == nil {
		return 0, false
	}
	return b.v[c-'A'], b.set>>(c-'A')&1 != 0
}

func (b *bindings) put(c byte, v int64) {
	b.set |= 1 << (c - 'A')
	b.v[c-'A'] = v
}

// eval computes e; false where a letter has no value.
func (e *expr) eval(b *bindings) (int64, bool) {
	switch e.op {
	case 'k':
		return e.k, true
	case 'v':
		return b.get(e.v)
	}
	x, ok := e.a.eval(b)
	if !ok {
		return 0, false
	}
	switch e.op {
	case 'n':
		return -x, true
	case '~':
		return ^x, true
	case 'L':
		return int64(bits.Len64(uint64(x))) - 1, true
	}
	y, ok := e.b.eval(b)
	if !ok {
		return 0, false
	}
	switch e.op {
	case '+':
		return x + y, true
	case '-':
		return x - y, true
	case '*':
		return x * y, true
	case '&':
		return x & y, true
	case '|':
		return x | y, true
	case '^':
		return x ^ y, true
	case '<':
		return x << (uint64(y) & 63), true
	}
	return int64(uint64(x) >> (uint64(y) & 63)), true
}

// term is e in a proof; vars gives each letter's term of 64 bits.
func (e *expr) term(b *bv.Builder, vars *[26]bv.Term) bv.Term {
	switch e.op {
	case 'k':
		return b.Const(uint64(e.k), 64)
	case 'v':
		return vars[e.v-'A']
	}
	x := e.a.term(b, vars)
	switch e.op {
	case 'n':
		return b.Neg(x)
	case '~':
		return b.Not(x)
	case 'L':
		t := b.Const(^uint64(0), 64)
		for i := 0; i < 64; i++ {
			t = b.Ite(b.Bin(bv.OpEq, b.Extract(x, i, 1), b.Const(1, 1)), b.Const(uint64(i), 64), t)
		}
		return t
	}
	y := e.b.term(b, vars)
	switch e.op {
	case '+':
		return b.Bin(bv.OpAdd, x, y)
	case '-':
		return b.Bin(bv.OpSub, x, y)
	case '*':
		return b.Bin(bv.OpMul, x, y)
	case '&':
		return b.Bin(bv.OpAnd, x, y)
	case '|':
		return b.Bin(bv.OpOr, x, y)
	case '^':
		return b.Bin(bv.OpXor, x, y)
	case '<':
		return b.Bin(bv.OpShl, x, b.Bin(bv.OpAnd, y, b.Const(63, 64)))
	}
	return b.Bin(bv.OpLShr, x, b.Bin(bv.OpAnd, y, b.Const(63, 64)))
}
