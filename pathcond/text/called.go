package text

import (
	"encoding/hex"
	"fmt"
	"strings"

	"jitnic/host/vm"
	"jitnic/pathcond"
	"jitnic/pathcond/bv"

	cebpf "github.com/cilium/ebpf"
)

func (p *printer) function(t bv.Term) string {
	b, c := p.b, p.c
	args := b.Args(t)
	id, arg := pathcond.FunParts(b.K(t))
	switch id {
	case pathcond.FunLoad:
		s, swapped := p.load(t)
		if swapped && b.Width(t) > 8 {
			return "le(" + s + ")"
		}
		return s
	case pathcond.FunLookup:
		return p.entry(arg, args)
	case pathcond.FunCount:
		return "map " + c.mapName(arg) + " count"
	case pathcond.FunRoom:
		return "map " + c.mapName(arg) + " room" + p.list(args)
	case pathcond.FunElem:
		return "map " + c.mapName(arg) + " elem" + p.list(args)
	case pathcond.FunKeyAt:
		return "map " + c.mapName(arg) + " key" + p.list(args)
	case pathcond.FunLookupOn:
		last := len(args) - 1
		return p.entry(arg, args[:last]) + " on" + p.list(args[last:])
	case pathcond.FunTimer:
		return "timer" + p.list(args)
	case pathcond.FunPresent:
		return p.entry(arg, args) + " occupied"
	case pathcond.FunOpaque:
		return fmt.Sprintf("opaque(%d, %d)", arg, b.Width(t))
	case pathcond.FunNumber:
		signed, left, n := pathcond.NumberParts(arg)
		flags, _ := b.IsConst(args[0])
		return fmt.Sprintf("%s[flags = %d, len = %d, %s].%s", pick(signed, "strtol", "strtoul"), flags, n, p.bytes(args[1:]), pick(left, "value", "rc"))
	case pathcond.FunConn:
		answer, tuple, opts := pathcond.ConnParts(arg)
		n, _ := pathcond.ConnBytes(tuple, opts)
		s := fmt.Sprintf("ct[tuple = %d, opts = %d]", tuple, opts)
		for _, part := range [][]bv.Term{args[:(n+7)/8], args[(n+7)/8:]} {
			if len(part) > 0 {
				s += "[" + p.bytes(part) + "]"
			}
		}
		return s + "." + connAnswers[answer]
	case pathcond.FunQuery:
		return "map " + c.mapName(arg) + " query" + p.list(args)
	case pathcond.FunCookie:
		gen, v6, n := pathcond.CookieParts(arg)
		addrs := pathcond.CookieAddrs(v6) / 8
		return fmt.Sprintf("syncookie.%s[len = %d, at %s][%s][%s]", cookieNames[gen][v6], n, p.expr(args[0], false).s, p.bytes(args[1:1+addrs]), p.bytes(args[1+addrs:]))
	case pathcond.FunText:
		return p.printed(arg, args)
	case pathcond.FunFib:
		flags, _ := b.IsConst(args[len(args)-1])
		s := fmt.Sprintf("fib[flags = %d, %s]", flags, p.bytes(args[:len(args)-1]))
		if arg == 0 {
			return s + ".rc"
		}
		return fmt.Sprintf("%s.w%d", s, arg-1)
	}
	return p.asItStands(t).s
}

// entry prints a look-up.
func (p *printer) entry(m int, key []bv.Term) string {
	c := p.c
	spec := c.S.Maps[m].Spec()
	if isIndexed(spec) && len(key) == 1 {
		form := p.form
		p.form = kindNumber
		s := p.expr(key[0], false).s
		p.form = form
		return fmt.Sprintf("map %s[%s]", c.mapName(m), s)
	}
	s := "map " + c.mapName(m)
	each := len(key)
	if spec.Type == cebpf.BloomFilter { // what is asked for, and what is put in before
		each = len(keyChunks(int(spec.ValueSize)))
	}
	for ; len(key) > 0; key = key[each:] {
		s += "[" + p.bytes(key[:each]) + "]"
	}
	return s
}

// list prints numbers between parentheses.
func (p *printer) list(args []bv.Term) string {
	s := "("
	for i, t := range args {
		s += pick(i > 0, ", ", "") + p.expr(t, false).s
	}
	return s + ")"
}

// printed prints what printing answers.
func (p *printer) printed(arg int, args []bv.Term) string {
	word, n, values, size := pathcond.TextParts(arg)
	chunks := len(keyChunks(n))
	s := fmt.Sprintf("trace_printk[len = %d, values = %d", n, values)
	if size >= 0 {
		s = fmt.Sprintf("snprintf[len = %d, values = %d, size = %d", n, values, size)
	}
	s += "][" + p.bytes(args[:chunks]) + "]"
	kinds := vm.ArgKinds(formatOf(p.b, args[:chunks]))
	args = args[chunks:]
	for i := range values {
		k := 0
		if i < len(kinds) {
			k = kinds[i].Bytes()
		}
		s += "["
		switch {
		case k == 0:
			s += p.expr(args[0], false).s
			args = args[1:]
		case k < 0:
			n, _ := p.b.IsConst(args[0])
			s += fmt.Sprintf("len = %d", n)
			if k, args = int(n), args[1:]; k > 0 {
				s += ", "
			}
		}
		if n := len(keyChunks(k)); k > 0 {
			s += p.bytes(args[:n])
			args = args[n:]
		}
		s += "]"
	}
	if size > 0 {
		s += "[" + p.bytes(args) + "]"
	}
	if word == 0 {
		return s + ".rc"
	}
	return fmt.Sprintf("%s.w%d", s, word-1)
}

// formatOf are the bytes of a format in chunks of 8; those up to where it is none.
func formatOf(b *bv.Builder, chunks []bv.Term) (format []byte) {
	for _, t := range chunks {
		v, ok := b.IsConst(t)
		if !ok {
			return format
		}
		for range b.Width(t) / 8 {
			format, v = append(format, byte(v)), v>>8
		}
	}
	return format
}

// cookieNames are the words for what is asked of SYN cookies: made or not, for
// IPv6 or not.
var cookieNames = map[bool]map[bool]string{true: {true: "make6", false: "make4"}, false: {true: "check6", false: "check4"}}

// connAnswers are the words for what a look-up of a connection answers.
var connAnswers = [...]string{pathcond.ConnAddr: "entry", pathcond.ConnError: "error", pathcond.ConnDir: "dir"}

// bytes prints key bytes in the order of memory.
func (p *printer) bytes(chunks []bv.Term) string {
	b := p.b
	form := p.form
	defer func() { p.form = form }()
	p.form = kindNumber
	var out []string
	var pending []byte
	flush := func() {
		if len(pending) > 0 {
			out = append(out, "hex("+hex.EncodeToString(pending)+")")
			pending = nil
		}
	}
	for _, t := range chunks {
		parts := p.parts(t, nil)
		if parts == nil || joinParts(b, append([]part(nil), parts...)) != t {
			parts = []part{{term: t}}
		}
		for _, q := range parts {
			if q.term == 0 {
				pending = append(pending, q.raw...)
				continue
			}
			flush()
			out = append(out, p.top(b.BSwap(q.term)))
		}
	}
	flush()
	return strings.Join(out, ", ")
}

// parts takes a term apart into whole bytes, lowest first; nil if it can't.
func (p *printer) parts(t bv.Term, out []part) []part {
	b := p.b
	w := b.Width(t)
	if w%8 != 0 {
		return nil
	}
	if _, named := p.names[t]; named {
		return append(out, part{term: t})
	}
	args := b.Args(t)
	switch b.Op(t) {
	case bv.OpConst:
		k := b.K(t)
		raw := make([]byte, w/8)
		for i := range raw {
			raw[i] = byte(k >> (8 * i))
		}
		return append(out, part{raw: raw})
	case bv.OpConcat:
		if b.Width(args[1])%8 != 0 {
			return append(out, part{term: t})
		}
		if out = p.parts(args[1], out); out == nil {
			return nil
		}
		return p.parts(args[0], out)
	case bv.OpZExt:
		if b.Width(args[0])%8 != 0 {
			return append(out, part{term: t})
		}
		if out = p.parts(args[0], out); out == nil {
			return nil
		}
		return append(out, part{raw: make([]byte, (w-b.Width(args[0]))/8)})
	}
	return append(out, part{term: t})
}
