package text

import (
	"fmt"
	"math/bits"
	"strings"

	"jitnic/host/vm"
	"jitnic/pathcond"
	"jitnic/pathcond/bv"

	cebpf "github.com/cilium/ebpf"
)

// pred prints a predicate that is to be true, or false.
func (p *printer) pred(t bv.Term, want bool) string {
	b := p.b
	args := b.Args(t)
	if n, ok := p.names[t]; ok {
		if want {
			return n
		}
		return "!" + n
	}
	if !p.exact {
		switch b.Op(t) {
		case bv.OpNot:
			return p.pred(args[0], !want)
		case bv.OpAnd:
			if want {
				return p.operand(args[0], true, bv.OpAnd) + " && " + p.operand(args[1], true, bv.OpInvalid)
			}
			return p.operand(args[0], false, bv.OpOr) + " || " + p.operand(args[1], false, bv.OpInvalid)
		case bv.OpEq:
			return p.equal(args[0], args[1], want)
		case bv.OpULt:
			if _, k := b.IsConst(args[0]); k {
				return p.compare(args[1], args[0], pick(want, ">", "<="))
			}
			if s, ok := p.within(args[0], args[1], want); ok {
				return s
			}
			return p.compare(args[0], args[1], pick(want, "<", ">="))
		case bv.OpSLt:
			if _, k := b.IsConst(args[0]); k {
				return p.compare(args[1], args[0], pick(want, "s>", "s<="))
			}
			return p.compare(args[0], args[1], pick(want, "s<", "s>="))
		case bv.OpConst:
			return pick((b.K(t) == 1) == want, "true", "false")
		case bv.OpFun:
			if id, m := pathcond.FunParts(b.K(t)); id == pathcond.FunPresent {
				return p.entry(m, args) + pick(want, " occupied", " vacant")
			}
		}
	}
	s := p.expr(t, false)
	if want {
		if s.nat != 1 {
			return p.top(t)
		}
		return s.s
	}
	return "!" + s.paren()
}

func pick(c bool, x, y string) string {
	if c {
		return x
	}
	return y
}

// operand prints one side of a conjunction or disjunction, to be true or false.
// op says which it may itself be without parentheses: that on its left.
func (p *printer) operand(t bv.Term, want bool, op bv.Op) string {
	s := p.pred(t, want)
	b := p.b
	if _, named := p.names[t]; named {
		return s
	}
	for b.Op(t) == bv.OpNot {
		t, want = b.Args(t)[0], !want
	}
	switch b.Op(t) {
	case bv.OpAnd:
		if want && op == bv.OpAnd || !want && op == bv.OpOr {
			return s
		}
		return "(" + s + ")"
	case bv.OpIte, bv.OpOr, bv.OpXor:
		return "(" + s + ")"
	}
	return s
}

// compare prints x sym y, with a width that is plain.
func (p *printer) compare(x, y bv.Term, sym string) string {
	w := p.b.Width(x)
	p.form = p.formOf(x)
	defer func() { p.form = kindNumber }()
	xs, ys := p.side(x, false), p.side(y, false)
	if max(xs.nat, ys.nat) != w {
		xs, ys = p.side(x, true), p.side(y, true)
	}
	if max(xs.nat, ys.nat) != w {
		xs = leafText(fmt.Sprintf("u%d(%s)", w, xs.s), w)
	}
	return xs.s + " " + sym + " " + ys.s
}

// within prints x - a < n as a range.
func (p *printer) within(x, y bv.Term, want bool) (string, bool) {
	b := p.b
	n, ok := b.IsConst(y)
	base, c := b.SplitAdd(x)
	_, named := p.names[x]
	w := b.Width(x)
	lo := -c & bv.Mask(w)
	if !ok || n == 0 || named || base == 0 || c == 0 || lo >= bv.Mask(w)/2 && lo > c || lo+n-1 < lo || lo+n-1 > bv.Mask(w) {
		return "", false
	}
	p.form = p.formOf(base)
	defer func() { p.form = kindNumber }()
	r := p.side(base, false)
	if r.nat != w {
		r = leafText(fmt.Sprintf("u%d(%s)", w, p.top(base)), w)
		if b.Op(base) == bv.OpZExt {
			r = leafText(fmt.Sprintf("u%d(%s)", w, p.top(b.Args(base)[0])), w)
		}
	}
	return fmt.Sprintf("%s %s %s..%s", r.s, pick(want, "in", "not in"), p.constant(lo, w).s, p.constant(lo+n-1, w).s), true
}

func (p *printer) side(t bv.Term, force bool) text {
	r := p.expr(t, force)
	if p.b.Op(t) == bv.OpIte {
		r.s = r.paren()
	}
	return r
}

// formOf is how constants that a term is compared with are written.
func (p *printer) formOf(t bv.Term) fieldKind {
	b := p.b
	switch b.Op(t) {
	case bv.OpZExt, bv.OpBSwap:
		return p.formOf(b.Args(t)[0])
	case bv.OpAnd:
		if _, named := p.names[t]; !named && p.lengthOf(t) == nil {
			return kindHex
		}
	}
	if _, f := p.fieldOf(t); f != nil {
		return f.kind
	}
	return kindNumber
}

// equal prints an equality.
func (p *printer) equal(x, y bv.Term, want bool) string {
	b := p.b
	sym := pick(want, "==", "!=")
	k, isConst := b.IsConst(y)
	if isConst {
		if s, ok := p.bitField(x, k, sym); ok {
			return s
		}
		if s, ok := p.lookedUp(x, k, want); ok {
			return s
		}
	}
	// Bytes of the packet are compared in network order.
	swapped := func(x, y bv.Term) string {
		p.form = p.formOf(x)
		defer func() { p.form = kindNumber }()
		return p.expr(b.BSwap(x), false).s + " " + sym + " " + p.expr(b.BSwap(y), false).s
	}
	if p.wire(x) && (isConst || p.wire(y)) {
		return swapped(x, y)
	}
	if _, named := p.names[x]; isConst && !named && b.Op(x) == bv.OpAnd {
		if a := b.Args(x); p.wire(a[0]) {
			if mask, ok := b.IsConst(a[1]); ok {
				w := b.Width(x)
				m, _ := b.IsConst(b.BSwap(b.Const(mask, w)))
				k, _ := b.IsConst(b.BSwap(y))
				p.form = kindHex
				defer func() { p.form = kindNumber }()
				return fmt.Sprintf("%s & %s %s %s", p.expr(b.BSwap(a[0]), false).s, p.constant(m, w).s, sym, p.constant(k, w).s)
			}
		}
	}
	return p.compare(x, y, sym)
}

// bitField prints the comparison of some bits of a field that have a name.
func (p *printer) bitField(x bv.Term, k uint64, sym string) (string, bool) {
	b := p.b
	if b.Op(x) != bv.OpAnd {
		return "", false
	}
	a := b.Args(x)
	if _, ok := b.IsConst(a[1]); !ok || b.Op(a[0]) != bv.OpFun || b.K(a[0]) != pathcond.FunLoad {
		return "", false
	}
	w := b.Width(x)
	mask, _ := b.IsConst(b.BSwap(a[1]))
	k, _ = b.IsConst(b.BSwap(b.Const(k, w)))
	base, at := b.SplitAdd(b.Args(a[0])[0])
	for i := len(p.sc.l) - 1; i >= 0; i-- {
		h := &p.sc.l[i]
		for j := range h.h.fields {
			f := &h.h.fields[j]
			if f.mask != 0 && f.mask == mask && 8*f.size == w && h.base == base && at-h.at == uint64(f.off) {
				return fmt.Sprintf("%s.%s %s %d", h.name, f.name, sym, k>>bits.TrailingZeros64(mask)), true
			}
		}
	}
	return "", false
}

// lookedUp prints what a look-up gave: nothing, something, a certain map or
// program.
func (p *printer) lookedUp(x bv.Term, k uint64, want bool) (string, bool) {
	b := p.b
	if b.Op(x) != bv.OpFun {
		return "", false
	}
	id, m := pathcond.FunParts(b.K(x))
	if id != pathcond.FunLookup {
		return "", false
	}
	s := p.expr(x, false).s
	if k == 0 {
		return s + pick(want, " absent", " present"), true
	}
	if i, ok := vm.MapOf(k); ok && i < len(p.c.S.Maps) {
		return s + pick(want, " == ", " != ") + "map(" + p.c.mapName(i) + ")", true
	}
	if t := p.c.S.Maps[m].Spec().Type; t == cebpf.ProgramArray && k-1 < uint64(len(p.c.Obj.Programs)) {
		name := p.c.Obj.Programs[k-1].Name
		if p.c.Obj.Named(name) == p.c.Obj.Programs[k-1] && fieldWord(name) && !strings.Contains(name, ".") {
			return s + pick(want, " == ", " != ") + "prog(" + name + ")", true
		}
	}
	return "", false
}
