package match

import (
	"slices"

	"jitnic/pathcond"
	"jitnic/pathcond/bv"
)

// form is a predicate, or one conjunct of it, as entries of the key.
type form struct {
	class Class
	cubes []cube // what it holds for, where the class is ternary
	hole  cube   // NotEqual: what it doesn't hold for
}

// masked says whether one entry is all of it: a masked equality, whatever it
// looks like. A number below a power of two is one, too.
func (f *form) masked() bool { return f.class.Ternary() && len(f.cubes) == 1 }

// interval is a range of numbers.
type interval struct{ lo, hi uint64 }

// forms takes a predicate that is to be true, or false, apart into conjuncts.
func (r *reader) forms(t bv.Term, want bool) []form {
	if r.a.reads(t)&readsVariable != 0 {
		return r.conjuncts(t, want)
	}
	// The same in every condition, but that more loads may turn out lengths.
	key := pathcond.Pred{Term: t, Want: want}
	f, ok := r.a.forms[key]
	if !ok {
		f = r.conjuncts(t, want)
		if !r.a.opt.Parser || !slices.ContainsFunc(f, func(f form) bool { return f.class == Relation }) {
			r.a.forms[key] = f
		}
	}
	return f
}

func (r *reader) conjuncts(t bv.Term, want bool) []form {
	b := r.a.b
	switch args := b.Args(t); {
	case b.Op(t) == bv.OpNot:
		return r.forms(args[0], !want)
	case b.Op(t) == bv.OpAnd && b.Width(t) == 1 && want:
		return append(r.forms(args[0], true), r.forms(args[1], true)...)
	case b.Op(t) == bv.OpOr && b.Width(t) == 1 && !want:
		return append(r.forms(args[0], false), r.forms(args[1], false)...)
	}
	return []form{r.form(t, want)}
}

func (r *reader) form(t bv.Term, want bool) form {
	switch f := r.a.reads(t); {
	case f&readsState != 0:
		return form{class: State}
	case f&readsLatched != 0:
		return form{class: Latched}
	}
	if c, never, ok := r.equality(t, 1); ok {
		return equality(c, never, want)
	}
	if cubes, ok := r.ordered(t, want); ok {
		return form{class: Range, cubes: cubes}
	}
	if cubes, ok := r.table(t, want); ok {
		return form{class: Table, cubes: cubes}
	}
	if at, ok := r.a.lengthCheck(t); ok {
		return form{class: Equal, cubes: []cube{{literal(at, want)}}}
	}
	return form{class: Relation}
}

// equality is the form of a masked equality that is to hold, or not. never: it
// can't hold.
func equality(c cube, never, want bool) form {
	switch {
	case never && want:
		return form{class: Equal}
	case never:
		return form{class: Equal, cubes: []cube{{}}}
	case want:
		return form{class: Equal, cubes: []cube{c}}
	case len(c) < 2: // the bit has the other value; or nothing is left
		return form{class: Equal, cubes: complement(c)}
	}
	return form{class: NotEqual, cubes: complement(c), hole: c}
}

// equality takes t == k as bits of the key that have given values. never: no
// key has them.
func (r *reader) equality(t bv.Term, k uint64) (c cube, never, ok bool) {
	var lits []lit
	if ok = r.equal(t, k, &lits, &never); !ok {
		return nil, false, false
	}
	c, possible := newCube(lits)
	return c, never || !possible, true
}

func (r *reader) equal(t bv.Term, k uint64, lits *[]lit, never *bool) bool {
	b := r.a.b
	v := r.wires(t, false)
	if allWired(v) {
		for i, w := range v {
			set := k>>i&1 == 1
			switch {
			case w.isKey():
				*lits = append(*lits, literal(w.key(), set != w.inverted()))
			case w != constWire(k>>i):
				*never = true
			}
		}
		return true
	}
	args := b.Args(t)
	m := bv.Mask(b.Width(t))
	switch b.Op(t) {
	case bv.OpNot:
		return r.equal(args[0], ^k&m, lits, never)
	case bv.OpEq:
		if k == 1 {
			if c, ok := number(r.wires(args[1], false)); ok {
				return r.equal(args[0], c, lits, never)
			}
		}
	case bv.OpOr: // all bits 0: both are
		if k == 0 {
			return r.equal(args[0], 0, lits, never) && r.equal(args[1], 0, lits, never)
		}
	case bv.OpAnd: // all bits 1: both are
		if k == m {
			return r.equal(args[0], m, lits, never) && r.equal(args[1], m, lits, never)
		}
	case bv.OpConcat:
		n := b.Width(args[1])
		return r.equal(args[0], k>>n, lits, never) && r.equal(args[1], k&bv.Mask(n), lits, never)
	case bv.OpZExt:
		n := b.Width(args[0])
		if k > bv.Mask(n) {
			*never = true
			return true
		}
		return r.equal(args[0], k, lits, never)
	case bv.OpAdd:
		if c, ok := number(r.wires(args[1], false)); ok {
			return r.equal(args[0], (k-c)&m, lits, never)
		}
	case bv.OpXor:
		if c, ok := number(r.wires(args[1], false)); ok {
			return r.equal(args[0], k^c, lits, never)
		}
	}
	return false
}

// ordered takes a comparison with a constant as a range of what is wired.
func (r *reader) ordered(t bv.Term, want bool) ([]cube, bool) {
	b := r.a.b
	args := b.Args(t)
	op := b.Op(t)
	if op != bv.OpULt && op != bv.OpULe && op != bv.OpSLt && op != bv.OpSLe {
		return nil, false
	}
	x, y := args[0], args[1]
	m := bv.Mask(b.Width(x))
	var bias uint64 // signed order is unsigned order with the sign bit turned
	if op == bv.OpSLt || op == bv.OpSLe {
		bias = m>>1 + 1
	}
	strict := op == bv.OpULt || op == bv.OpSLt
	in := interval{0, m}
	var of bv.Term
	if k, ok := number(r.wires(y, false)); ok { // x < k
		of, k = x, k^bias
		if strict {
			if k == 0 {
				return whole(!want), true
			}
			k--
		}
		in.hi = k
	} else if k, ok := number(r.wires(x, false)); ok { // k < y
		of, k = y, k^bias
		if strict {
			if k == m {
				return whole(!want), true
			}
			k++
		}
		in.lo = k
	} else {
		return nil, false
	}
	set := []interval{in}
	if !want {
		set = without(in, m)
	}
	set = rotate(set, -bias, m) // x + bias was compared
	v, set := r.plain(of, set)
	if v == nil {
		return nil, false
	}
	// The ranges are no neighbours, so the least prefixes of each are the least
	// of all.
	var out []cube
	for _, s := range set {
		out = append(out, rangeCubes(v, s.lo, s.hi)...)
	}
	return out, true
}

func whole(empty bool) []cube {
	if empty {
		return []cube{{}}
	}
	return nil
}

// without is what is not in the range, of numbers up to m.
func without(in interval, m uint64) (out []interval) {
	if in.lo > 0 {
		out = append(out, interval{0, in.lo - 1})
	}
	if in.hi < m {
		out = append(out, interval{in.hi + 1, m})
	}
	return out
}

// rotate adds d to all numbers of the ranges, modulo m + 1.
func rotate(in []interval, d, m uint64) (out []interval) {
	if d&m == 0 {
		return in
	}
	for _, s := range in {
		if s.lo == 0 && s.hi == m {
			return in
		}
		lo, hi := (s.lo+d)&m, (s.hi+d)&m
		if lo <= hi {
			out = append(out, interval{lo, hi})
			continue
		}
		out = append(out, interval{lo, m}, interval{0, hi})
	}
	return out
}

// plain takes away what is added to a wired number and widens it: ranges of t
// become ranges of its wires; nil where it has none.
func (r *reader) plain(t bv.Term, set []interval) ([]wire, []interval) {
	b := r.a.b
	for {
		if v := r.wires(t, false); allWired(v) {
			return v, set
		}
		m := bv.Mask(b.Width(t))
		args := b.Args(t)
		switch b.Op(t) {
		case bv.OpAdd:
			c, ok := number(r.wires(args[1], false))
			if !ok {
				return nil, nil
			}
			t, set = args[0], rotate(set, -c, m)
		case bv.OpZExt:
			t = args[0]
			m = bv.Mask(b.Width(t))
			var cut []interval
			for _, s := range set {
				if s.lo <= m {
					cut = append(cut, interval{s.lo, min(s.hi, m)})
				}
			}
			set = cut
		default:
			return nil, nil
		}
	}
}

// table expresses a predicate that few bits decide value by value.
func (r *reader) table(t bv.Term, want bool) ([]cube, bool) {
	set := map[int32]bool{}
	if !r.support(t, set, map[bv.Term]bool{}, maxTable) || len(set) > maxTable {
		return nil, false
	}
	constant := r.a.reads(t)&readsVariable == 0
	key := pathcond.Pred{Term: t, Want: want}
	if c, ok := r.a.tables[key]; ok && constant {
		return c, true
	}
	bits := make([]int32, 0, len(set))
	for k := range set {
		if k >= keyParsed {
			return nil, false // its bits can't be set one by one
		}
		bits = append(bits, k)
	}
	slices.Sort(bits)
	e := r.a.keyEnv()
	for k, v := range r.known {
		e.set(k, v)
	}
	holds := make([]bool, 1<<len(bits))
	for x := range holds {
		for i, k := range bits {
			e.set(k, x>>(len(bits)-1-i)&1 == 1)
		}
		r.a.ev.Reset()
		holds[x] = (r.a.ev.Eval(t) != 0) == want
	}
	c := tableCubes(bits, holds)
	if constant {
		r.a.tables[key] = c
	}
	return c, true
}

// tableCubes are the entries of the values marked, of bits with the highest
// first.
func tableCubes(bits []int32, holds []bool) []cube {
	if !slices.Contains(holds, true) {
		return nil
	}
	if !slices.Contains(holds, false) {
		return []cube{{}}
	}
	n := len(holds) / 2
	return join(bits[0], tableCubes(bits[1:], holds[:n]), tableCubes(bits[1:], holds[n:]))
}
