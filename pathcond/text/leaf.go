package text

import (
	"math/bits"
	"slices"

	"jitnic/host/loader"
	"jitnic/host/vm"
	"jitnic/pathcond"
	"jitnic/pathcond/bv"
)

// leaves are the words that leaves begin with, and what reads the rest of them.
// (Not in its declaration: what reads them reads expressions again.)
var leaves map[string]func(r *reader, col int) bv.Term

func init() {
	leaves = map[string]func(r *reader, col int) bv.Term{
		"pkt": func(r *reader, _ int) bv.Term {
			if r.member("len") {
				return r.sc.c.inputTerm(pathcond.InLen)
			}
			return r.slice(0, r.sc.c.data(), vm.MaxLinear, true)
		},
		"time": func(r *reader, _ int) bv.Term {
			if r.member("coarse") {
				return r.sc.c.inputTerm(pathcond.InCoarse)
			}
			return r.sc.c.inputTerm(pathcond.InTime)
		},
		"rand": func(r *reader, _ int) bv.Term {
			r.need("[")
			n := r.small(pathcond.MaxRand - 1)
			r.need("]")
			return r.sc.c.inputTerm(pathcond.InRand + uint64(n))
		},
		"mem":          func(r *reader, _ int) bv.Term { return r.slice(0, 0, ^uint64(0), false) },
		"map":          (*reader).mapExpr,
		"prog":         func(r *reader, _ int) bv.Term { return r.program() },
		"strtol":       func(r *reader, _ int) bv.Term { return r.number64(true) },
		"strtoul":      func(r *reader, _ int) bv.Term { return r.number64(false) },
		"ct":           func(r *reader, _ int) bv.Term { return r.conn() },
		"syncookie":    func(r *reader, _ int) bv.Term { return r.cookie() },
		"snprintf":     func(r *reader, _ int) bv.Term { return r.printed(true) },
		"trace_printk": func(r *reader, _ int) bv.Term { return r.printed(false) },
		"timer": func(r *reader, _ int) bv.Term {
			return r.b.Fun(pathcond.FunTimer, 64, bv.Fact{}, r.numbers(1, 1)...)
		},
		"fib":    func(r *reader, _ int) bv.Term { return r.fib() },
		"le":     func(r *reader, _ int) bv.Term { return r.reversed() },
		"bswap":  func(r *reader, _ int) bv.Term { return r.reversed() },
		"bits":   (*reader).bits,
		"cat":    func(r *reader, _ int) bv.Term { return r.cat() },
		"opaque": func(r *reader, _ int) bv.Term { return r.opaque() },
		"raw":    (*reader).raw,
		"true":   func(r *reader, _ int) bv.Term { return r.b.Bool(true) },
		"false":  func(r *reader, _ int) bv.Term { return r.b.Bool(false) },
	}
	for name, id := range inputNamed {
		leaves[name] = func(r *reader, _ int) bv.Term { return r.sc.c.inputTerm(id) }
	}
}

// primary reads a leaf that begins with a name.
func (r *reader) primary() *expr {
	col := r.at
	name := r.ident()
	if n := isCast(name); n > 0 && r.is("(") {
		e := r.expr()
		r.need(")")
		return r.leaf(r.cast(e, n, name[0] == 's', col), col)
	}
	if read := leaves[name]; read != nil {
		return r.leaf(read(r, col), col)
	}
	if p := r.sc.header(name); p != nil {
		return r.headerExpr(p, col)
	}
	t := r.sc.lets[name]
	if t == 0 {
		r.failAt(col, "name %q: not known", name)
	}
	if m, elem, key, off, ok := r.sc.c.elementOf(t); ok && off == 0 && elem == t {
		t = r.postfix(m, elem, key)
	}
	return r.leaf(t, col)
}

// member reads .name, or nothing.
func (r *reader) member(name string) bool {
	if !r.is(".") {
		return false
	}
	if !r.isWord(name) {
		r.fail("%s expected", name)
	}
	return true
}

func (r *reader) program() bv.Term {
	r.need("(")
	at := r.at
	name := r.ident()
	r.need(")")
	i := slices.IndexFunc(r.sc.c.Obj.Programs, func(p *loader.Program) bool { return p.Name == name })
	if i < 0 {
		r.failAt(at, "program %q: not known", name)
	}
	return r.b.Const(uint64(i)+1, 64)
}

// reversed reads a value of whole bytes, and reverses them.
func (r *reader) reversed() bv.Term {
	r.need("(")
	e := r.expr()
	r.need(")")
	if e.width == 0 || e.width%8 != 0 {
		r.failAt(e.col, "whole bytes expected")
	}
	return r.b.BSwap(r.elab(e, e.width))
}

func (r *reader) bits(col int) bv.Term {
	r.need("(")
	t := r.value(0)
	r.need(",")
	lo := r.small(63)
	r.need(",")
	n := r.small(64)
	r.need(")")
	if n == 0 || lo+n > r.b.Width(t) {
		r.failAt(col, "bits %d to %d: not in a value of %d bits", lo, lo+n, r.b.Width(t))
	}
	return r.b.Extract(t, lo, n)
}

func (r *reader) cat() bv.Term {
	r.need("(")
	t := r.value(0)
	for r.is(",") {
		at := r.at
		u := r.value(0)
		if r.b.Width(t)+r.b.Width(u) > 64 {
			r.failAt(at, "more than 64 bits")
		}
		t = r.b.Concat(t, u)
	}
	r.need(")")
	return t
}

func (r *reader) opaque() bv.Term {
	r.need("(")
	k := r.small(1 << 30)
	r.need(",")
	n := r.small(64)
	r.need(")")
	if n == 0 {
		r.fail("a width of 0")
	}
	return r.b.Fun(pathcond.Fun(pathcond.FunOpaque, k), n, bv.Fact{Opaque: true})
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
		t = r.b.BSwap(t)
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
