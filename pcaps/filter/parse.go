package filter

import (
	"fmt"
	"strconv"
	"strings"
)

// An Error tells where an expression is wrong.
type Error struct {
	Expr   string
	Column int // 1-based, in bytes
	Msg    string
}

// Error is one line with the column.
func (e *Error) Error() string {
	return fmt.Sprintf("filter %q: column %d: %s", e.Expr, e.Column, e.Msg)
}

const (
	maxExpr  = 1 << 16 // bytes of an expression
	maxDepth = 100     // nested parentheses
	maxTags  = 16      // "vlan"s in an expression
)

// Compile translates an expression; the empty one matches every packet. The
// error is an *Error; a Wireshark display filter is answered with the words to
// use in its place.
func Compile(expr string) (*Program, error) {
	p, err := compile(expr)
	if err != nil {
		return nil, displayFilter(expr, err)
	}
	return p, nil
}

func compile(expr string) (*Program, *Error) { return (&parser{expr: expr, at: ethernet()}).compile() }

func (p *parser) compile() (out *Program, err *Error) {
	expr := p.expr
	defer func() {
		if r := recover(); r != nil {
			e, ok := r.(*Error)
			if !ok {
				panic(r)
			}
			out, err = nil, e
		}
	}()
	if len(expr) > maxExpr {
		p.fail(maxExpr, "expression longer than %d bytes", maxExpr)
	}
	p.lex()
	if len(p.toks) == 1 {
		return &Program{entry: accept}, nil
	}
	n := p.expression(false)
	if t := p.peek(); t.kind != end {
		p.fail(t.col, "unexpected %s", t)
	}
	out = assemble(n)
	out.Params = p.params
	return out, nil
}

const (
	end kind = iota
	word
	mark
	parameter // text is its name
)

// qualifiers are what stands before an id, kept for ids that have none.
type qualifiers struct {
	proto string // "" if none
	dir   direction
	typ   string // host, net, port, portrange, proto
}

type parser struct {
	expr  string
	toks  []token
	pos   int
	depth int
	at    at
	last  *qualifiers

	guards []*node // of the loads of the comparison being read

	generic bool // parameters may stand here
	shapes  map[string]Param
	params  []Param
}

func (p *parser) fail(col int, format string, args ...any) {
	panic(&Error{Expr: p.expr, Column: col + 1, Msg: fmt.Sprintf(format, args...)})
}

// expression = term { ("and" | "or") term }, from the left, same precedence.
// With ids set only ids may stand in it: the list in "port (80 or 443)".
func (p *parser) expression(ids bool) *node {
	n := p.term(ids)
	for {
		switch {
		case p.accept("and"):
			n = and(n, p.term(ids))
		case p.accept("or"):
			n = or(n, p.term(ids))
		default:
			return n
		}
	}
}

func (p *parser) term(ids bool) *node {
	negate := false
	for p.accept("not") {
		negate = !negate
	}
	var n *node
	if t := p.peek(); !ids {
		if n = p.comparison(); n != nil {
			if negate {
				return not(n)
			}
			return n
		}
		n = p.parens(t, ids)
	} else {
		n = p.parens(t, ids)
	}
	if negate {
		n = not(n)
	}
	return n
}

// parens is an expression in parentheses, or a primitive.
func (p *parser) parens(t token, ids bool) *node {
	var n *node
	if p.accept("(") {
		if p.depth++; p.depth > maxDepth {
			p.fail(t.col, "more than %d nested parentheses", maxDepth)
		}
		n = p.expression(ids)
		p.expect(")")
		p.depth--
	} else {
		n = p.primitive(ids)
	}
	if p.at.bad != "" {
		p.fail(t.col, "%s", p.at.bad)
	}
	return n
}

var protoWords = map[string]bool{
	"ether": true, "ip": true, "ip6": true, "arp": true, "rarp": true, "tcp": true, "udp": true,
	"sctp": true, "icmp": true, "icmp6": true, "igmp": true, "igrp": true, "pim": true, "vrrp": true,
	"ah": true, "esp": true, "carp": true, "link": true, "atalk": true, "aarp": true, "decnet": true, "lat": true, "sca": true,
	"moprc": true, "mopdl": true, "iso": true, "esis": true, "isis": true, "clnp": true, "l1": true, "l2": true, "iih": true,
	"lsp": true, "snp": true, "csnp": true, "psnp": true, "stp": true, "ipx": true, "netbeui": true,
}

// alien words are tcpdump's, but not ours.
var alien = map[string]bool{
	"gateway": true, "protochain": true, "inbound": true, "outbound": true, "ifindex": true, "wlan": true,
	"fddi": true, "tr": true, "ppp": true, "slip": true, "radio": true, "byte": true, "batadv": true, "ifname": true, "on": true,
	"rset": true, "ruleset": true, "rnr": true, "rulenum": true, "srnr": true, "subrulenum": true, "reason": true, "action": true,
	"lane": true, "metac": true, "bcc": true, "oam": true, "vpi": true, "vci": true,
}

var types = map[string]bool{"host": true, "net": true, "port": true, "portrange": true, "proto": true}

func (p *parser) primitive(ids bool) *node {
	t := p.peek()
	if t.kind == parameter {
		return p.bare(t)
	}
	if t.kind != word {
		p.fail(t.col, "primitive expected, not %s", t)
	}
	if t.esc {
		return p.bare(t)
	}
	if ids {
		if protoWords[t.text] || types[t.text] || t.text == "src" || t.text == "dst" || t.text == "vlan" || t.text == "len" || t.text == "less" || t.text == "greater" {
			p.fail(t.col, "only ids may stand here, not %s", t)
		}
		return p.bare(t)
	}
	switch t.text {
	case "vlan":
		p.take()
		if p.at.tags == maxTags {
			p.fail(t.col, "more than %d vlan tags", maxTags)
		}
		return p.at.vlan(int(p.optional(t, 4095)))
	case "mpls":
		p.take()
		if p.at.labels == maxTags {
			p.fail(t.col, "more than %d mpls labels", maxTags)
		}
		return p.at.mpls(p.optional(t, 1<<20-1))
	case "pppoed":
		p.take()
		return p.at.link(etherPPPoED)
	case "pppoes":
		p.take()
		return p.at.pppoes(p.optional(t, 1<<16-1))
	case "geneve":
		p.take()
		return p.at.geneve(p.optional(t, 1<<24-1))
	case "vxlan":
		p.take()
		return p.at.vxlan(p.optional(t, 1<<24-1))
	case "llc":
		p.take()
		k, ok := llcTypes[p.peek().text]
		if !ok || p.peek().kind != word {
			return p.at.llc()
		}
		p.take()
		return and(p.at.llc(), bits8(p.at.payload.add(2), k[0], k[1]))
	case "less", "greater":
		p.take()
		v := p.number("length", 1<<32-1)
		if t.text == "less" {
			return not(test(inst{mode: wireLen, rel: gt, val: v}))
		}
		return test(inst{mode: wireLen, rel: ge, val: v})
	case "broadcast", "multicast":
		p.take()
		return p.cast("ether", t)
	case "and", "or":
		p.fail(t.col, "primitive expected, not %s", t)
	}
	if alien[t.text] {
		p.fail(t.col, "%q is not supported", t.text)
	}
	if !protoWords[t.text] && t.text != "src" && t.text != "dst" && !types[t.text] {
		return p.bare(t)
	}
	return p.qualified()
}

// optional is a number up to most that may stand behind t; −1 where none does.
func (p *parser) optional(t token, most uint64) int64 {
	n := p.peek()
	if n.kind != word {
		return -1
	}
	v, err := strconv.ParseUint(n.text, 0, 32)
	if err != nil {
		return -1
	}
	if v > most {
		p.fail(n.col, "%s %d: more than %d", t.text, v, most)
	}
	p.take()
	return int64(v)
}

// qualified = [proto] [direction] [type] id, a proto alone, or a byte
// expression.
func (p *parser) qualified() *node {
	first := p.peek()
	var q qualifiers
	if protoWords[first.text] {
		q.proto = p.take().text
	}
	if q.proto == "link" {
		q.proto = "ether"
	}
	switch t := p.peek(); {
	case q.proto != "" && !t.esc && (t.text == "broadcast" || t.text == "multicast"):
		p.take()
		return p.cast(q.proto, t)
	}
	before := p.pos
	q.dir = p.direction()
	hasDir := p.pos > before
	if t := p.peek(); t.kind == word && !t.esc && types[t.text] {
		q.typ = p.take().text
		hasDir = true
	}
	if !hasDir {
		// A protocol by itself, unless an id follows: "ether 02:…" and
		// "ip 10.0.0.1" mean host, as in tcpdump.
		if t := p.peek(); t.kind != parameter && (t.kind != word || !t.esc && (t.text == "and" || t.text == "or" || t.text == "not")) {
			p.last = &q
			return p.alone(first)
		}
	}
	if q.typ == "" {
		q.typ = "host"
	}
	p.last = &q
	if t := p.peek(); p.accept("(") {
		if p.depth++; p.depth > maxDepth {
			p.fail(t.col, "more than %d nested parentheses", maxDepth)
		}
		n := p.expression(true)
		p.expect(")")
		p.depth--
		return n
	}
	t := p.peek()
	if t.kind != parameter && (t.kind != word || !t.esc && (t.text == "and" || t.text == "or" || t.text == "not")) {
		p.fail(t.col, "%s expected, not %s", q.typ, t)
	}
	return p.id(q, first)
}

func (p *parser) direction() direction {
	t := p.peek()
	if t.kind != word || t.esc || t.text != "src" && t.text != "dst" {
		return srcOrDst
	}
	p.take()
	op, other := p.peek(), p.ahead(1)
	if op.kind == word && (op.text == "or" || op.text == "and") && other.kind == word && !other.esc &&
		(other.text == "src" || other.text == "dst") && other.text != t.text {
		p.take()
		p.take()
		if op.text == "or" {
			return srcOrDst
		}
		return srcAndDst
	}
	if t.text == "src" {
		return srcOnly
	}
	return dstOnly
}

// bare is an id without qualifiers.
func (p *parser) bare(t token) *node {
	q := qualifiers{typ: "host"}
	if p.last != nil {
		q = *p.last
		if q.typ == "" {
			q.typ = "host"
		}
	}
	return p.id(q, t)
}

// alone is a protocol by itself.
func (p *parser) alone(t token) *node {
	if e, ok := ethertypes[t.text]; ok {
		return p.at.link(e)
	}
	if v, ok := osiProtocols[t.text]; ok {
		return p.at.osi(v)
	}
	if v, ok := isisTypes[t.text]; ok {
		return p.at.isis(v)
	}
	v, ok := protocols[t.text]
	if !ok {
		p.fail(t.col, "%q needs host, src, dst or proto", t.text)
	}
	switch t.text {
	case "icmp", "igmp", "igrp", "vrrp", "carp":
		return p.at.ipProto(v)
	case "icmp6":
		return p.at.ip6Proto(v)
	}
	return p.at.proto(v)
}

func (p *parser) cast(proto string, t token) *node {
	n := p.at.network()
	switch proto + " " + t.text {
	case "ether broadcast":
		return p.at.etherHost(dstOnly, [6]byte{255, 255, 255, 255, 255, 255})
	case "ether multicast":
		return bits8(p.at.header, 1, 1)
	case "ip multicast":
		return and(p.at.link(etherIPv4), test(inst{size: 1, reg: n.reg, off: n.k + 16, rel: ge, val: 224}))
	case "ip6 multicast":
		return and(p.at.link(etherIPv6), u8(n.add(24), 255))
	}
	p.fail(t.col, "%s %s is not supported", proto, t.text)
	return nil
}

// number takes a decimal, octal or hexadecimal number up to most.
func (p *parser) number(what string, most uint64) uint32 {
	t := p.peek()
	v, err := strconv.ParseUint(t.text, 0, 64)
	if t.kind != word || err != nil || strings.Contains(t.text, "_") {
		p.fail(t.col, "%s expected, not %s", what, t)
	}
	if v > most {
		p.fail(t.col, "%s %s: more than %d", what, t.text, most)
	}
	p.take()
	return uint32(v)
}
