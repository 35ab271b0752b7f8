package filter

import (
	"math"
	"strconv"
	"strings"
)

// arith is an arithmetic expression over a packet: unsigned, 32 bits wide.
type arith struct {
	op   byte   // 'k' a constant, 'n' the length, 'l' a load, 'p' a parameter, '~' a minus sign, else a binary operator
	k    uint32 // of 'k', and the word of 'p'
	a, b *arith
	from place // of 'l': where index is counted from
	ihl  bool  // of 'l': and behind the IPv4 header that stands there
	size uint8 // of 'l'
}

// shift operators by one letter.
const (
	opLsh = 'L'
	opRsh = 'R'
)

// levels are the binary operators from the loosest to the tightest, as
// libpcap's grammar.y declares them. '^' and '%' have no place there: yacc lets
// them take all that follows.
var levels = []map[string]byte{{"|": '|'}, {"&": '&'}, {"<<": opLsh, ">>": opRsh}, {"+": '+', "-": '-'}, {"*": '*', "/": '/'}}

// relations are the comparisons, with what has to be compared instead.
var relations = map[string]struct {
	rel    relation
	negate bool
}{"=": {eq, false}, "==": {eq, false}, "!=": {eq, true}, ">": {gt, false}, ">=": {ge, false}, "<": {ge, true}, "<=": {gt, true}}

// comparison is arith relop arith, or nil where none stands here; then nothing
// was taken.
func (p *parser) comparison() (n *node) {
	t := p.peek()
	first := t.kind == parameter || t.text == "(" || t.text == "-" || t.text == "len" || startsWithDigit(t.text) || protoWords[t.text] && p.ahead(1).text == "["
	if t.kind == end || t.esc || !first {
		return nil
	}
	pos, toks, guards := p.pos, p.toks, p.guards
	p.guards = nil
	defer func() { p.guards = guards }()
	// What begins like a number may be an id, and a parenthesis may hold
	// anything: whether it is arithmetic shows in the comparison behind it.
	sure := t.kind != parameter && (t.text == "len" || t.text == "-" || protoWords[t.text])
	left, ok := p.attempt(sure)
	if _, is := relations[p.peek().text]; !ok || p.peek().kind != mark || !is {
		if ok && sure {
			p.fail(p.peek().col, "comparison expected, not %s", p.peek())
		}
		p.pos, p.toks = pos, toks
		return nil
	}
	r := relations[p.take().text]
	right := p.arithmetic(0)
	n = compare(left, right, r.rel)
	if x := n.test.x; x != nil && max(deepest(x.left), deepest(x.right)) > maxStack {
		p.fail(t.col, "arithmetic that needs more than %d values at once", maxStack)
	}
	if r.negate {
		n = not(n)
	}
	return and(append(p.guards, n)...)
}

// attempt parses arithmetic; unless sure, what is none is no error.
func (p *parser) attempt(sure bool) (e *arith, ok bool) {
	depth := p.depth
	defer func() {
		if r := recover(); r != nil {
			if _, is := r.(*Error); !is || sure {
				panic(r)
			}
			p.depth, e, ok = depth, nil, false
		}
	}()
	return p.arithmetic(0), true
}

func (p *parser) arithmetic(level int) *arith {
	if level == len(levels) {
		return p.greedy()
	}
	e := p.arithmetic(level + 1)
	for {
		t := p.peek()
		op, ok := levels[level][t.text]
		if t.kind != mark || !ok {
			return e
		}
		p.take()
		e = p.binary(op, e, p.right(level+1), t)
	}
}

// greedy is a factor, and behind '^' or '%' all that follows.
func (p *parser) greedy() *arith {
	e := p.factor()
	if t := p.peek(); t.kind == mark && (t.text == "^" || t.text == "%") {
		p.take()
		return p.binary(t.text[0], e, p.right(0), t)
	}
	return e
}

// right is the right operand of an operator. libpcap (gencode.c, gen_arth) looks
// at what makes the left one meaningful only, and so do we: "ip[2:2] - tcp[0]"
// asks for no TCP.
func (p *parser) right(level int) *arith {
	n := len(p.guards)
	e := p.arithmetic(level)
	p.guards = p.guards[:n]
	return e
}

func (p *parser) binary(op byte, a, b *arith, t token) *arith {
	if b.op == 'k' {
		switch {
		case b.k == 0 && (op == '/' || op == '%'):
			p.fail(t.col, "division by zero")
		case b.k > 31 && (op == opLsh || op == opRsh):
			p.fail(t.col, "shift by more than 31 bits")
		}
		if a.op == 'k' {
			v, _ := apply(op, a.k, b.k)
			return &arith{op: 'k', k: v}
		}
	}
	return &arith{op: op, a: a, b: b}
}

func (p *parser) factor() *arith {
	t := p.peek()
	if p.depth++; p.depth > maxDepth {
		p.fail(t.col, "more than %d nested parentheses", maxDepth)
	}
	defer func() { p.depth-- }()
	switch {
	case p.accept("("):
		e := p.arithmetic(0)
		p.expect(")")
		return e
	case t.kind == mark && t.text == "-":
		p.take()
		if e := p.factor(); e.op == 'k' {
			return &arith{op: 'k', k: -e.k}
		} else {
			return &arith{op: '~', a: e}
		}
	case t.kind == word && !t.esc && t.text == "len":
		p.take()
		return &arith{op: 'n'}
	case t.kind == word && !t.esc && protoWords[t.text] && p.ahead(1).text == "[":
		p.take()
		return p.load(t)
	}
	return p.constant()
}

// constant is a number, or one of libpcap's names for numbers.
func (p *parser) constant() *arith {
	t := p.peek()
	if t.kind == parameter {
		return &arith{op: 'p', k: uint32(p.param(Number)-1) * ParamWords}
	}
	if v, ok := constants[t.text]; ok && t.kind == word {
		p.take()
		return &arith{op: 'k', k: v}
	}
	// "100/2" is one word, as "10.0.0.0/8" is.
	if a, b, ok := strings.Cut(t.text, "/"); ok && t.kind == word && a != "" && b != "" {
		cut := []token{{kind: word, text: a, col: t.col}, {kind: mark, text: "/", col: t.col + len(a)}, {kind: word, text: b, col: t.col + len(a) + 1}}
		p.toks = append(append(append([]token(nil), p.toks[:p.pos]...), cut...), p.toks[p.pos+1:]...)
	}
	return &arith{op: 'k', k: p.number("number", math.MaxUint32)}
}

// load is PROTO[offset] or PROTO[offset:size]; what makes the load meaningful
// goes to the guards.
func (p *parser) load(proto token) *arith {
	p.expect("[")
	e := &arith{op: 'l', size: 1}
	e.a = p.arithmetic(0)
	if p.accept(":") {
		t := p.take()
		n, err := strconv.Atoi(t.text)
		if err != nil || n != 1 && n != 2 && n != 4 {
			p.fail(t.col, "size %s: not 1, 2 or 4", t)
		}
		e.size = uint8(n)
	}
	p.expect("]")
	a := &p.at
	switch proto.text {
	case "ether", "link":
		e.from = a.header
	case "icmp6":
		// Not behind a fragment header: the offset is fixed.
		p.guards = append(p.guards, a.link(etherIPv6), u8(a.network().add(6), protoICMP6))
		e.from = a.network().add(40)
	default:
		if t, ok := ethertypes[proto.text]; ok {
			p.guards = append(p.guards, a.link(t))
			e.from = a.network()
			break
		}
		v, ok := protocols[proto.text]
		if !ok {
			p.fail(proto.col, "%s[…] is not supported", proto.text)
		}
		p.guards = append(p.guards, a.ipProto(v), a.notFragment())
		e.from, e.ihl = a.network(), true
	}
	return e
}

// compare makes one comparison: of bytes at a fixed place with a constant in
// one instruction, of anything else computed.
func compare(left, right *arith, rel relation) *node {
	if in, ok := plainTest(left); ok && right.op == 'k' {
		in.rel, in.val = rel, right.k
		return &node{op: '=', test: in}
	}
	return &node{op: '=', test: inst{mode: computed, rel: rel, x: &sides{left.code(nil), right.code(nil)}}}
}

// plainTest is a load at a constant offset, or the length, perhaps masked.
func plainTest(e *arith) (inst, bool) {
	in := inst{mask: ^uint32(0)}
	if e.op == '&' && e.b.op == 'k' {
		in.mask = e.b.k
		e = e.a
	}
	switch {
	case e.op == 'n':
		in.mode = wireLen
		return in, true
	case e.op == 'l' && e.a.op == 'k' && e.a.k < 1<<20:
		in.size, in.reg, in.off = e.size, e.from.reg, e.from.k+e.a.k
		if e.ihl {
			in.mode, in.ip = afterIPv4, e.from.k
		}
		return in, true
	}
	return in, false
}

// code appends the expression in postfix order.
func (e *arith) code(out []step) []step {
	switch e.op {
	case 'k':
		return append(out, step{op: 'k', k: e.k})
	case 'n':
		return append(out, step{op: 'n'})
	case 'p':
		return append(out, step{op: 'p', k: e.k})
	case '~':
		return append(e.a.code(out), step{op: '~'})
	case 'l':
		out = append(e.a.code(out), step{op: 'k', k: e.from.k}, step{op: '+'})
		if e.from.reg != 0 {
			out = append(out, step{op: 'r', k: uint32(e.from.reg)}, step{op: '+'})
		}
		if e.ihl {
			out = append(out, step{op: 'k', k: e.from.k})
			if e.from.reg != 0 {
				out = append(out, step{op: 'r', k: uint32(e.from.reg)}, step{op: '+'})
			}
			out = append(out, step{op: 'h'}, step{op: '+'})
		}
		return append(out, step{op: 'l', k: uint32(e.size)})
	}
	return append(e.b.code(e.a.code(out)), step{op: e.op})
}
