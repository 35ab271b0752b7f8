package fastpath

import (
	"cmp"
	"math"
	"slices"

	"jitnic/host/ebpf"
	"jitnic/pathcond"
	"jitnic/pathcond/bv"
	"jitnic/pathcond/tree"
)

// The tree asks in the program's order all that its paths ask. Of that the fast path
// leaves out what a later question answers, asks for the hottest value first, and
// goes straight on where most packets go.

// heat is how many packets the paths below a place have.
func (b *builder) heat(r tree.Ref) uint64 {
	if n, ok := b.heats[r]; ok || r == tree.Nothing {
		return n
	}
	var n uint64
	for id := range b.t.Below(r) {
		n += b.leaves[id].Packets
	}
	b.heats[r] = n
	return n
}

// next is where the questions at a place begin: it leaves out those whose one answer
// leads to the original, if below every leaf has a question that gives the other.
// No look-up may come between: a packet that misses must not have touched more than
// it does in the original.
func (b *builder) next(r tree.Ref) tree.Ref {
	if _, ok := tree.Leaf(r); ok || r == tree.Nothing {
		return r
	}
	if to, ok := b.nexts[r]; ok {
		return to
	}
	b.nexts[r] = r
	n := b.t.Node(r)
	if len(n.Cases) > 0 || (n.Yes == tree.Nothing) == (n.No == tree.Nothing) {
		return r
	}
	to, want := n.Yes, true
	if n.Yes == tree.Nothing {
		to, want = n.No, false
	}
	if !b.looksUp(n.Term) && b.answered(to, n.Term, want) {
		b.nexts[r] = b.next(to)
	}
	return b.nexts[r]
}

// answered says whether every way from r on has a question after which a predicate
// is known to have a value.
func (b *builder) answered(r tree.Ref, t bv.Term, want bool) bool {
	if r == tree.Nothing {
		return true
	}
	if _, ok := tree.Leaf(r); ok {
		return false
	}
	n := b.t.Node(r)
	if b.looksUp(n.Term) {
		return false
	}
	if len(n.Cases) > 0 {
		x, _, _ := b.sole(n.Term)
		for _, c := range n.Cases {
			if !b.holds(t, want, span{x, c.K, c.K}) && !b.answered(c.To, t, want) {
				return false
			}
		}
		return b.answered(n.No, t, want)
	}
	yes, okYes := b.spanOf(n.Term, true)
	no, okNo := b.spanOf(n.Term, false)
	return (okYes && b.holds(t, want, yes) || b.answered(n.Yes, t, want)) && (okNo && b.holds(t, want, no) || b.answered(n.No, t, want))
}

// looksUp says whether a predicate needs a look-up, or a clock, that a call makes.
func (b *builder) looksUp(t bv.Term) (found bool) {
	b.b.Walk(t, map[bv.Term]bool{}, func(x bv.Term) bool {
		switch b.b.Op(x) {
		case bv.OpFun:
			id, _ := pathcond.FunParts(b.b.K(x))
			found = found || id != pathcond.FunLoad
		case bv.OpInput:
			found = found || clocks[b.b.K(x)] != 0
		}
		return !found
	})
	return found
}

// span are the values of a term from low to high.
type span struct {
	x         bv.Term
	low, high uint64
}

// sole takes a comparison of one term with a constant apart; extended terms are as
// good as what they extend. left: the term stands on the left.
func (b *builder) sole(t bv.Term) (x bv.Term, k uint64, left bool) {
	a := b.b.Args(t)
	if len(a) != 2 {
		return 0, 0, false
	}
	k, ok := b.b.IsConst(a[1])
	if x, left = a[0], true; !ok {
		if k, ok = b.b.IsConst(a[0]); !ok {
			return 0, 0, false
		}
		x, left = a[1], false
	}
	for b.b.Op(x) == bv.OpZExt {
		x = b.b.Args(x)[0]
	}
	return x, k, left
}

// spanOf are the values with which a comparison has a value, where they are in a row.
func (b *builder) spanOf(t bv.Term, want bool) (span, bool) {
	for b.b.Op(t) == bv.OpNot {
		t, want = b.b.Args(t)[0], !want
	}
	op := b.b.Op(t)
	if op != bv.OpEq && op != bv.OpULt && op != bv.OpULe {
		return span{}, false
	}
	x, k, left := b.sole(t)
	if x == 0 {
		return span{}, false
	}
	most := bv.Mask(b.b.Width(x))
	s := span{x, 0, most}
	switch {
	case op == bv.OpEq:
		s.low, s.high = k, k
		return s, want && k <= most
	case left == want: // x < k, or not k < x
		if s.high = k; (op == bv.OpULt) == want {
			if k == 0 {
				return s, false
			}
			s.high = k - 1
		}
	default: // x >= k, or k < x
		if s.low = k; (op == bv.OpULt) == want {
			if k == math.MaxUint64 {
				return s, false
			}
			s.low = k + 1
		}
	}
	s.high = min(s.high, most)
	return s, s.low <= s.high
}

// holds says whether a predicate has a value for all of a span.
func (b *builder) holds(t bv.Term, want bool, s span) bool {
	for b.b.Op(t) == bv.OpNot {
		t, want = b.b.Args(t)[0], !want
	}
	if x, k, _ := b.sole(t); b.b.Op(t) == bv.OpEq && x == s.x && x != 0 && !want {
		return k < s.low || k > s.high
	}
	all, ok := b.spanOf(t, want)
	return ok && all.x == s.x && all.low <= s.low && all.high >= s.high
}

// choose orders the cases of a chain: those that are worth a comparison of their own
// come first, the hottest first; rest are halved by value. Where what is left goes to
// the original, so do cases that lead there.
func (b *builder) choose(n *tree.Node) (first, rest []tree.Case) {
	left := b.heat(n.No)
	for _, c := range n.Cases {
		if n.No != tree.Nothing || c.To != tree.Nothing {
			rest = append(rest, c)
			left += b.heat(c.To)
		}
	}
	slices.SortStableFunc(rest, func(x, y tree.Case) int { return cmp.Compare(b.heat(y.To), b.heat(x.To)) })
	for len(rest) > 0 && 3*b.heat(rest[0].To) >= left && left > 0 {
		left -= b.heat(rest[0].To)
		first, rest = append(first, rest[0]), rest[1:]
	}
	slices.SortFunc(rest, func(x, y tree.Case) int { return cmp.Compare(x.K, y.K) })
	return first, rest
}

// settled reads a stack slot where the instruction before has just written it: the
// register still has it.
func (b *builder) settled(d uint8, off int16) bool {
	i := len(b.code) - 1
	if i < 0 || slices.Contains(b.labels, len(b.code)) {
		return false
	}
	in := b.code[i]
	if in.Op != ebpf.ClassSTX|ebpf.ModeMEM|ebpf.SizeDW || in.Dst != 10 || in.Off != off {
		return false
	}
	if in.Src != d {
		b.mov(d, in.Src)
	}
	return true
}
