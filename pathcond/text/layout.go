package text

import (
	"strconv"
	"strings"

	"jitnic/host/vm"
	"jitnic/pathcond"
	"jitnic/pathcond/bv"
)

// header is the layout of one protocol header: names for its bytes.
type header struct {
	name   string
	size   int // bytes that have names
	fields []headerField
}

// headerField is bytes [off, off+size) of a header. With a mask it is those bits
// of them, in network order.
type headerField struct {
	name      string
	off, size int
	mask      uint64
	kind      fieldKind
}

// fieldKind says how values of a field are best written.
type fieldKind uint8

const (
	kindNumber fieldKind = iota
	kindHex              // types, flags
	kindIPv4             // dotted
)

// The headers conditions name fields of.
var headers = []*header{
	{"eth", 14, []headerField{ // IEEE 802.3
		{"dst", 0, 6, 0, kindHex}, {"src", 6, 6, 0, kindHex}, {"type", 12, 2, 0, kindHex}}},
	{"vlan", 4, []headerField{ // IEEE 802.1Q, behind the type that announces it
		{"tci", 0, 2, 0, kindHex}, {"type", 2, 2, 0, kindHex}}},
	{"arp", 28, []headerField{ // RFC 826
		{"htype", 0, 2, 0, kindNumber}, {"ptype", 2, 2, 0, kindHex}, {"hlen", 4, 1, 0, kindNumber},
		{"plen", 5, 1, 0, kindNumber}, {"op", 6, 2, 0, kindNumber}, {"sha", 8, 6, 0, kindHex},
		{"spa", 14, 4, 0, kindIPv4}, {"tha", 18, 6, 0, kindHex}, {"tpa", 24, 4, 0, kindIPv4}}},
	{"ip", 20, []headerField{ // RFC 791
		{"version", 0, 1, 0xf0, kindNumber}, {"ihl", 0, 1, 0x0f, kindNumber}, {"vihl", 0, 1, 0, kindHex},
		{"tos", 1, 1, 0, kindHex}, {"len", 2, 2, 0, kindNumber}, {"id", 4, 2, 0, kindNumber},
		{"frag", 6, 2, 0, kindHex}, {"ttl", 8, 1, 0, kindNumber}, {"proto", 9, 1, 0, kindNumber},
		{"csum", 10, 2, 0, kindHex}, {"src", 12, 4, 0, kindIPv4}, {"dst", 16, 4, 0, kindIPv4}}},
	{"ip6", 40, []headerField{ // RFC 8200; vtf is version, traffic class and flow label
		{"version", 0, 4, 0xf0000000, kindNumber}, {"vtf", 0, 4, 0, kindHex}, {"len", 4, 2, 0, kindNumber},
		{"next", 6, 1, 0, kindNumber}, {"hops", 7, 1, 0, kindNumber}, {"src", 8, 16, 0, kindHex},
		{"dst", 24, 16, 0, kindHex}}},
	{"ext", 8, []headerField{ // RFC 8200, section 4: hop-by-hop, routing, destination options
		{"next", 0, 1, 0, kindNumber}, {"len", 1, 1, 0, kindNumber}}},
	{"frag", 8, []headerField{ // RFC 8200, section 4.5; off with its reserved bits and M
		{"next", 0, 1, 0, kindNumber}, {"off", 2, 2, 0, kindHex}, {"id", 4, 4, 0, kindHex}}},
	{"tcp", 20, []headerField{ // RFC 9293
		{"sport", 0, 2, 0, kindNumber}, {"dport", 2, 2, 0, kindNumber}, {"seq", 4, 4, 0, kindNumber},
		{"ack", 8, 4, 0, kindNumber}, {"doff", 12, 1, 0xf0, kindNumber}, {"offset", 12, 1, 0, kindHex}, {"flags", 13, 1, 0, kindHex},
		{"window", 14, 2, 0, kindNumber}, {"csum", 16, 2, 0, kindHex}, {"urg", 18, 2, 0, kindNumber}}},
	{"udp", 8, []headerField{ // RFC 768
		{"sport", 0, 2, 0, kindNumber}, {"dport", 2, 2, 0, kindNumber}, {"len", 4, 2, 0, kindNumber},
		{"csum", 6, 2, 0, kindHex}}},
	{"icmp", 8, icmpFields},  // RFC 792
	{"icmp6", 8, icmpFields}, // RFC 4443
	{"sctp", 12, []headerField{ // RFC 9260
		{"sport", 0, 2, 0, kindNumber}, {"dport", 2, 2, 0, kindNumber}, {"tag", 4, 4, 0, kindHex},
		{"csum", 8, 4, 0, kindHex}}},
	{"gre", 4, []headerField{ // RFC 2784
		{"flags", 0, 2, 0, kindHex}, {"type", 2, 2, 0, kindHex}}},
}

var icmpFields = []headerField{{"type", 0, 1, 0, kindNumber}, {"code", 1, 1, 0, kindNumber}, {"csum", 2, 2, 0, kindHex},
	{"id", 4, 2, 0, kindNumber}, {"seq", 6, 2, 0, kindNumber}}

func headerNamed(name string) *header {
	for _, h := range headers {
		if h.name == name {
			return h
		}
	}
	// vlan_2 is the second of its kind.
	if i := strings.IndexByte(name, '_'); i > 0 {
		if n, err := strconv.Atoi(name[i+1:]); err == nil && n > 1 && strconv.Itoa(n) == name[i+1:] {
			return headerNamed(name[:i])
		}
	}
	return nil
}

func (h *header) field(name string) *headerField {
	for i := range h.fields {
		if h.fields[i].name == name {
			return &h.fields[i]
		}
	}
	return nil
}

// Protocol numbers (IANA) that say which header comes next.
var protoHeaders = map[uint64]string{1: "icmp", 6: "tcp", 17: "udp", 47: "gre", 58: "icmp6", 132: "sctp"}

// placed is a header at its place: at address base + at, base 0 a constant.
type placed struct {
	name string
	h    *header
	base bv.Term
	at   uint64
}

// layout is the stack of headers that a condition lets one name.
type layout []placed

func (l *layout) add(h *header, base bv.Term, at uint64) {
	name := h.name
	n := 1
	for _, p := range *l {
		if p.h == h {
			n++
		}
	}
	if n > 1 {
		name += "_" + strconv.Itoa(n)
	}
	*l = append(*l, placed{name, h, base, at})
}

// data is the address of the first byte of every packet.
func (c words) data() uint64 { return c.S.Buf + vm.Headroom }

// ethernet is the layout every packet has.
func (c words) ethernet() layout {
	var l layout
	l.add(headerNamed("eth"), 0, c.data())
	return l
}

func (c words) at(base bv.Term, off uint64) bv.Term {
	if base == 0 {
		return c.B.Const(off, 64)
	}
	return c.B.Bin(bv.OpAdd, base, c.B.Const(off, 64))
}

// layoutOf finds where the headers lie that a condition speaks of: it follows
// the types and protocol numbers the condition fixes.
func (c words) layoutOf(cond []pathcond.Pred) layout {
	l := c.ethernet()
	if len(cond) == 0 {
		return l
	}
	w := &layoutWalk{c: c, f: pathcond.NewFacts(c.B), l: l, seen: map[bv.Term]bool{}}
	for _, p := range cond {
		w.f.Learn(p.Term, p.Want)
		w.bases(p.Term)
	}
	w.ether()
	return w.l
}

type layoutWalk struct {
	c    words
	f    *pathcond.Facts
	l    layout
	seen map[bv.Term]bool
	vars []bv.Term // variable parts of packet addresses in the condition, oldest first
}

// bases collects the variable parts of the packet addresses a term loads from.
func (w *layoutWalk) bases(t bv.Term) {
	if w.seen[t] {
		return
	}
	w.seen[t] = true
	b := w.c.B
	for _, a := range b.Args(t) {
		w.bases(a)
	}
	if b.Op(t) == bv.OpFun && b.K(t) == pathcond.FunLoad {
		base, off := b.SplitAdd(b.Args(t)[0])
		if d := off - w.c.data(); base != 0 && d <= vm.MaxLinear {
			for _, v := range w.vars {
				if v == base {
					return
				}
			}
			w.vars = append(w.vars, base)
		}
	}
}

// field is the value of n bytes at base + off in network order, if the
// condition fixes it.
func (w *layoutWalk) field(base bv.Term, off uint64, n int) (uint64, bool) {
	b := w.c.B
	t := b.BSwap(b.Fun(pathcond.FunLoad, 8*n, bv.Fact{}, w.c.at(base, off)))
	lo, hi := w.f.Bounds(t)
	return lo, lo == hi
}

// stride finds the variable part of an address that adds to base a length read
// at base + off, and to nothing else.
func (w *layoutWalk) stride(base bv.Term, off uint64) (bv.Term, bool) {
	b := w.c.B
	length := w.c.at(base, off)
	allowed := map[bv.Term]bool{length: true}
	if base != 0 {
		w.loads(base, func(a bv.Term) { allowed[a] = true })
	}
	for _, v := range w.vars {
		ok, has := true, false
		w.loads(v, func(a bv.Term) {
			ok = ok && allowed[a]
			has = has || a == length
		})
		if ok && has && b.Width(v) == 64 {
			return v, true
		}
	}
	return 0, false
}

// loads calls f with the address of each load in t; with 0 for anything else
// that isn't constant.
func (w *layoutWalk) loads(t bv.Term, f func(addr bv.Term)) {
	w.visit(t, f, map[bv.Term]bool{})
}

func (w *layoutWalk) visit(t bv.Term, f func(addr bv.Term), seen map[bv.Term]bool) {
	if seen[t] {
		return
	}
	seen[t] = true
	b := w.c.B
	switch b.Op(t) {
	case bv.OpInput:
		f(0)
	case bv.OpFun:
		if b.K(t) == pathcond.FunLoad {
			f(b.Args(t)[0])
		} else {
			f(0)
		}
	default:
		for _, a := range b.Args(t) {
			w.visit(a, f, seen)
		}
	}
}

func (w *layoutWalk) ether() {
	at := w.c.data() + 12 // of the type
	for range 4 {
		typ, ok := w.field(0, at, 2)
		if !ok {
			return
		}
		at += 2
		switch typ {
		case 0x8100, 0x88a8, 0x9100:
			w.l.add(headerNamed("vlan"), 0, at)
			at += 2
			continue
		case 0x0800:
			w.ipv4(0, at)
		case 0x86dd:
			w.ipv6(0, at)
		case 0x0806:
			w.l.add(headerNamed("arp"), 0, at)
		}
		return
	}
}

func (w *layoutWalk) ipv4(base bv.Term, at uint64) {
	b := w.c.B
	w.l.add(headerNamed("ip"), base, at)
	proto, ok := w.field(base, at+9, 1)
	if !ok {
		return
	}
	first := b.Fun(pathcond.FunLoad, 8, bv.Fact{}, w.c.at(base, at))
	ihl := b.Bin(bv.OpAnd, first, b.Const(15, 8))
	if v, ok := w.field(base, at, 1); ok {
		w.transport(proto, base, at+v&15*4)
	} else if lo, hi := w.f.Bounds(ihl); lo == hi {
		w.transport(proto, base, at+lo*4)
	} else if v, ok := w.stride(base, at); ok {
		w.transport(proto, v, at)
	} else {
		w.transport(proto, base, at+20)
	}
}

func (w *layoutWalk) ipv6(base bv.Term, at uint64) {
	w.l.add(headerNamed("ip6"), base, at)
	next, ok := w.field(base, at+6, 1)
	at += 40
	for range 8 {
		v, variable := w.stride(base, at+1)
		switch {
		case ok && next == 44:
			w.l.add(headerNamed("frag"), base, at)
			next, ok = w.field(base, at, 1)
			at += 8
		case variable && (!ok || next == 0 || next == 43 || next == 60 || next == 135):
			// Which one it is may not be fixed: they begin alike.
			w.l.add(headerNamed("ext"), base, at)
			next, ok = w.field(base, at, 1)
			if lo, _ := w.f.Bounds(v); lo < 8 { // the first 8 bytes aren't counted in
				at += 8
			}
			base = v
		case ok && (next == 0 || next == 43 || next == 60 || next == 135):
			w.l.add(headerNamed("ext"), base, at)
			return
		case ok:
			w.transport(next, base, at)
			return
		default:
			return
		}
	}
}

func (w *layoutWalk) transport(proto uint64, base bv.Term, at uint64) {
	if n, ok := protoHeaders[proto]; ok {
		w.l.add(headerNamed(n), base, at)
	}
}
