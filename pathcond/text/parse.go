package text

import (
	"fmt"
	"strconv"
	"strings"

	"jitnic/host/ebpf"
	"jitnic/host/vm"
	"jitnic/pathcond"
	"jitnic/pathcond/bv"
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
