package pathcond

import (
	"math"
	"math/bits"

	"jitnic/pathcond/bv"
)

// Facts is what the predicates of a path so far say: which predicates hold,
// and unsigned bounds of terms. It decides later predicates that follow.
type Facts struct {
	b     *bv.Builder
	over  *Facts // what it knows besides; nil: nothing
	truth map[bv.Term]bool
	iv    map[bv.Term]interval
	gap   map[pair]gap
	bits  map[bv.Term]fixedBits
}

// fixedBits says that the bits of mask have the value val.
type fixedBits struct{ mask, val uint64 }

// pair names two terms whose difference is bounded: low < high as numbers.
type pair struct{ low, high bv.Term }

// gap says least <= low - high < below, as integers.
type gap struct{ least, below int64 }

type interval struct{ min, max uint64 }

func NewFacts(b *bv.Builder) *Facts { return &Facts{b: b} }

// keep puts something into a map of facts; most facts that are made for a moment
// keep little, or nothing.
func keep[K comparable, V any](in *map[K]V, k K, v V) {
	if *in == nil {
		*in = map[K]V{}
	}
	(*in)[k] = v
}

// child knows what f does, and learns by itself. f may learn nothing meanwhile.
func (f *Facts) child() *Facts {
	c := NewFacts(f.b)
	c.over = f
	return c
}

// of finds what is known of something, here or above.
func of[K comparable, V any](f *Facts, in func(f *Facts) map[K]V, k K) (V, bool) {
	for ; f != nil; f = f.over {
		if v, ok := in(f)[k]; ok {
			return v, true
		}
	}
	var none V
	return none, false
}

func truths(f *Facts) map[bv.Term]bool        { return f.truth }
func intervals(f *Facts) map[bv.Term]interval { return f.iv }
func gaps(f *Facts) map[pair]gap              { return f.gap }
func masks(f *Facts) map[bv.Term]fixedBits    { return f.bits }

// hasGaps and hasBits say whether any are known.
func (f *Facts) hasGaps() bool {
	for ; f != nil; f = f.over {
		if len(f.gap) > 0 {
			return true
		}
	}
	return false
}

func (f *Facts) hasBits() bool {
	for ; f != nil; f = f.over {
		if len(f.bits) > 0 {
			return true
		}
	}
	return false
}

// learn notes that p holds.
func (f *Facts) learn(p bv.Term) {
	if f.b.Op(p) == bv.OpNot {
		f.Learn(f.b.Args(p)[0], false)
		return
	}
	f.Learn(p, true)
}

// Bounds are the term's unsigned bounds on this path.
func (f *Facts) Bounds(t bv.Term) (uint64, uint64) { return f.boundsDepth(t, 8) }

func (f *Facts) boundsDepth(t bv.Term, depth int) (lo, hi uint64) {
	b := f.b
	lo, hi = b.Bounds(t)
	if iv, ok := of(f, intervals, t); ok {
		lo, hi = max(lo, iv.min), min(hi, iv.max)
	}
	if depth == 0 || lo == hi {
		return lo, hi
	}
	args := b.Args(t)
	w := b.Width(t)
	m := bv.Mask(w)
	var l, h uint64 = 0, m
	switch b.Op(t) {
	case bv.OpZExt:
		l, h = f.boundsDepth(args[0], depth-1)
	case bv.OpAdd:
		l0, h0 := f.boundsDepth(args[0], depth-1)
		l1, h1 := f.boundsDepth(args[1], depth-1)
		if s, c := bits.Add64(h0, h1, 0); c == 0 && s <= m {
			l, h = l0+l1, s
		} else if l0 == h0 && l1 == h1 {
			l = (l0 + l1) & m
			h = l
		}
	case bv.OpSub:
		l0, h0 := f.boundsDepth(args[0], depth-1)
		l1, h1 := f.boundsDepth(args[1], depth-1)
		if l0 >= h1 {
			l, h = l0-h1, h0-l1
		}
	case bv.OpShl:
		if k, ok := b.IsConst(args[1]); ok && k < uint64(w) {
			l0, h0 := f.boundsDepth(args[0], depth-1)
			if bits.LeadingZeros64(h0)-(64-w) >= int(k) {
				l, h = l0<<k, h0<<k
			}
		}
	case bv.OpConcat:
		l0, h0 := f.boundsDepth(args[0], depth-1)
		l1, h1 := f.boundsDepth(args[1], depth-1)
		wl := uint(b.Width(args[1]))
		l, h = l0<<wl|l1, h0<<wl|h1
	case bv.OpExtract:
		l0, h0 := f.boundsDepth(args[0], depth-1)
		k := uint(b.K(t))
		if h0>>k <= m {
			l, h = l0>>k, h0>>k
		}
	case bv.OpBSwap:
		if l0, h0 := f.boundsDepth(args[0], depth-1); l0 == h0 {
			l = bits.ReverseBytes64(l0) >> (64 - w)
			h = l
		}
	case bv.OpAnd:
		l0, h0 := f.boundsDepth(args[0], depth-1)
		l1, h1 := f.boundsDepth(args[1], depth-1)
		h = min(h0, h1)
		if l0 == h0 && l1 == h1 {
			l, h = l0&l1, l0&l1
		}
	case bv.OpIte:
		if v, ok := f.Known(args[0]); ok {
			if v {
				l, h = f.boundsDepth(args[1], depth-1)
			} else {
				l, h = f.boundsDepth(args[2], depth-1)
			}
		}
	}
	lo, hi = max(lo, l), min(hi, h)
	return lo, hi
}

// differs takes x < y, both of a variable part and a constant, as a bound of the
// difference of the variable parts: x < y iff diff(p) < d, or iff not, where
// swapped. Bounds checks of one header have that form: len < base + 20.
func (f *Facts) differs(x, y bv.Term) (p pair, d int64, swapped, ok bool) {
	xb, xc := f.b.SplitAdd(x)
	yb, yc := f.b.SplitAdd(y)
	const far = 1 << 40
	if xb == 0 || yb == 0 || xb == yb || xc > far || yc > far || !f.exact(xb, xc) || !f.exact(yb, yc) {
		return pair{}, 0, false, false
	}
	d = int64(yc) - int64(xc) // xb - yb < d
	if xb < yb {
		return pair{xb, yb}, d, false, true
	}
	return pair{yb, xb}, 1 - d, true, true // not yb - xb < 1 - d
}

// exact says whether base + c is that sum as integers, on this path.
func (f *Facts) exact(base bv.Term, c uint64) bool {
	_, hi := f.Bounds(base)
	return hi <= 1<<62 && hi+c <= bv.Mask(f.b.Width(base))
}

// Known says whether the predicates so far decide p, and how; val is false where they
// don't.
func (f *Facts) Known(p bv.Term) (val, ok bool) {
	b := f.b
	if c, k := b.IsConst(p); k {
		return c == 1, true
	}
	if v, k := of(f, truths, p); k {
		return v, true
	}
	args := b.Args(p)
	switch b.Op(p) {
	case bv.OpNot:
		v, k := f.Known(args[0])
		return k && !v, k
	case bv.OpAnd:
		v0, k0 := f.Known(args[0])
		v1, k1 := f.Known(args[1])
		if k0 && !v0 || k1 && !v1 {
			return false, true
		}
		both := k0 && k1
		return both, both
	case bv.OpULt:
		xl, xh := f.Bounds(args[0])
		yl, yh := f.Bounds(args[1])
		if xh < yl {
			return true, true
		}
		if xl >= yh {
			return false, true
		}
		if !f.hasGaps() {
			break
		}
		if p, d, swapped, ok := f.differs(args[0], args[1]); ok {
			if g, ok := of(f, gaps, p); ok && d >= g.below {
				return !swapped, true
			} else if ok && d <= g.least {
				return swapped, true
			}
		}
	case bv.OpEq:
		xl, xh := f.Bounds(args[0])
		yl, yh := f.Bounds(args[1])
		if xh < yl || yh < xl {
			return false, true
		}
		if xl == xh && yl == yh && xl == yl {
			return true, true
		}
		if f.apart(args[0], args[1]) || f.apart(args[1], args[0]) {
			return false, true
		}
		if x, c, ok := f.masked(args[0]); ok && yl == yh && f.hasBits() {
			g, _ := of(f, masks, x)
			if g.mask&c&(g.val^yl) != 0 {
				return false, true
			}
			if c&^g.mask == 0 {
				return true, true
			}
		}
	case bv.OpSLt:
		sign := uint64(1) << (b.Width(args[0]) - 1)
		xl, xh := f.Bounds(args[0])
		yl, yh := f.Bounds(args[1])
		if (xh < sign || xl >= sign) && (yh < sign || yl >= sign) {
			xl, xh, yl, yh = xl^sign, xh^sign, yl^sign, yh^sign
			if xh < yl {
				return true, true
			}
			if xl >= yh {
				return false, true
			}
		}
	}
	return false, false
}

// apart says whether x - y is known not to be 0: the simplifier writes
// "x - y == 0" as "x == y", and "x - y == 7" as it stands.
func (f *Facts) apart(x, y bv.Term) bool {
	if _, ok := f.b.IsConst(x); ok {
		return false
	}
	if _, ok := f.b.IsConst(y); ok {
		return false
	}
	lo, _ := f.Bounds(f.b.Bin(bv.OpSub, x, y))
	return lo > 0
}

// masked takes a term as x & c.
func (f *Facts) masked(t bv.Term) (x bv.Term, c uint64, ok bool) {
	if f.b.Op(t) != bv.OpAnd {
		return 0, 0, false
	}
	args := f.b.Args(t)
	c, ok = f.b.IsConst(args[1])
	return args[0], c, ok
}

// Learn notes that p has value val on this path.
func (f *Facts) Learn(p bv.Term, val bool) {
	b := f.b
	if _, k := b.IsConst(p); k {
		return
	}
	keep(&f.truth, p, val)
	keep(&f.iv, p, interval{bv.Bit(val), bv.Bit(val)})
	args := b.Args(p)
	switch b.Op(p) {
	case bv.OpNot:
		f.Learn(args[0], !val)
	case bv.OpAnd:
		if val {
			f.Learn(args[0], true)
			f.Learn(args[1], true)
		}
	case bv.OpULt:
		if p, d, swapped, ok := f.differs(args[0], args[1]); ok {
			g, ok := of(f, gaps, p)
			if !ok {
				g = gap{math.MinInt64, math.MaxInt64}
			}
			if val != swapped {
				g.below = min(g.below, d)
			} else {
				g.least = max(g.least, d)
			}
			keep(&f.gap, p, g)
		}
		xl, xh := f.Bounds(args[0])
		yl, yh := f.Bounds(args[1])
		if val { // x < y
			if yh > 0 {
				f.narrow(args[0], 0, yh-1)
			}
			if xl < ^uint64(0) {
				f.narrow(args[1], xl+1, ^uint64(0))
			}
		} else { // y <= x
			f.narrow(args[0], yl, ^uint64(0))
			f.narrow(args[1], 0, xh)
		}
	case bv.OpEq:
		xl, xh := f.Bounds(args[0])
		yl, yh := f.Bounds(args[1])
		if x, c, ok := f.masked(args[0]); ok && val && yl == yh {
			g, _ := of(f, masks, x)
			keep(&f.bits, x, fixedBits{g.mask | c, g.val&^c | yl})
		}
		if val {
			f.narrow(args[0], yl, yh)
			f.narrow(args[1], xl, xh)
			if xl != xh && yl != yh { // see apart
				f.narrow(b.Bin(bv.OpSub, args[0], args[1]), 0, 0)
				f.narrow(b.Bin(bv.OpSub, args[1], args[0]), 0, 0)
			}
		} else if yl == yh {
			if xl == yl {
				f.narrow(args[0], xl+1, ^uint64(0))
			} else if xh == yl {
				f.narrow(args[0], 0, xh-1)
			}
		}
	}
}

// narrow intersects the bounds of t, and of what t is made of where that
// follows.
func (f *Facts) narrow(t bv.Term, lo, hi uint64) {
	b := f.b
	if _, k := b.IsConst(t); k {
		return
	}
	l, h := f.Bounds(t)
	nl, nh := max(l, lo), min(h, hi)
	if nl > nh || (nl == l && nh == h) {
		return
	}
	keep(&f.iv, t, interval{nl, nh})
	args := b.Args(t)
	switch b.Op(t) {
	case bv.OpZExt:
		f.narrow(args[0], nl, nh)
	case bv.OpAdd:
		if c, ok := b.IsConst(args[1]); ok {
			_, h0 := f.Bounds(args[0])
			if s, cy := bits.Add64(h0, c, 0); cy == 0 && s <= bv.Mask(b.Width(t)) {
				if nh >= c {
					lo := uint64(0)
					if nl > c {
						lo = nl - c
					}
					f.narrow(args[0], lo, nh-c)
				}
			}
		}
	case bv.OpConcat:
		if nl == nh {
			wl := b.Width(args[1])
			f.narrow(args[0], nl>>wl, nl>>wl)
			f.narrow(args[1], nl&bv.Mask(wl), nl&bv.Mask(wl))
		}
	case bv.OpShl:
		if k, ok := b.IsConst(args[1]); ok {
			_, h0 := f.Bounds(args[0])
			if k < 64 && bits.LeadingZeros64(h0)-(64-b.Width(t)) >= int(k) {
				f.narrow(args[0], (nl+(1<<k-1))>>k, nh>>k)
			}
		}
	}
}

// fixed rewrites t with what the path has made constant.
func (f *Facts) fixed(t bv.Term) bv.Term {
	b := f.b
	if _, ok := b.IsConst(t); ok {
		return t
	}
	if lo, hi := f.Bounds(t); lo == hi {
		return b.Const(lo, b.Width(t))
	}
	switch args := b.Args(t); {
	case b.Op(t) == bv.OpZExt && b.Width(args[0]) == 1: // a truth as a number
		// Not among the bounds: comparisons of comparisons would be gone through
		// again at each level.
		if v, ok := f.Known(args[0]); ok {
			return b.Const(bv.Bit(v), b.Width(t))
		}
	case b.Op(t) == bv.OpAdd:
		a0, a1 := args[0], args[1]
		sum := b.Bin(bv.OpAdd, f.fixed(a0), f.fixed(a1))
		if lo, hi := f.Bounds(sum); lo == hi {
			return b.Const(lo, b.Width(t))
		}
		return sum
	}
	return t
}
