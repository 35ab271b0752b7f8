package match

import (
	"slices"
)

// lit is one bit of the key with the value it must have: bit<<1 | value.
type lit int32

func literal(k int32, v bool) lit {
	if v {
		return lit(k<<1 | 1)
	}
	return lit(k << 1)
}

func (l lit) key() int32 { return int32(l >> 1) }

// cube is a ternary entry: the bits that count, by their number. The empty cube
// is the entry that everything matches.
type cube []lit

// meet is the entry of what matches both, if anything does.
func meet(x, y cube) (cube, bool) {
	out := make(cube, 0, len(x)+len(y))
	for len(x) > 0 && len(y) > 0 {
		switch {
		case x[0] == y[0]:
			out = append(out, x[0])
			x, y = x[1:], y[1:]
		case x[0].key() == y[0].key():
			return nil, false
		case x[0] < y[0]:
			out = append(out, x[0])
			x = x[1:]
		default:
			out = append(out, y[0])
			y = y[1:]
		}
	}
	return append(append(out, x...), y...), true
}

// apart says whether nothing matches both.
func apart(x, y cube) bool {
	for len(x) > 0 && len(y) > 0 {
		switch {
		case x[0] == y[0]:
			x, y = x[1:], y[1:]
		case x[0].key() == y[0].key():
			return true
		case x[0] < y[0]:
			x = x[1:]
		default:
			y = y[1:]
		}
	}
	return false
}

// covers says whether all that matches y matches x.
func covers(x, y cube) bool {
	for _, l := range x {
		for len(y) > 0 && y[0] < l {
			y = y[1:]
		}
		if len(y) == 0 || y[0] != l {
			return false
		}
	}
	return true
}

// newCube makes an entry of literals in any order; false where they contradict
// each other.
func newCube(ls []lit) (cube, bool) {
	c := cube(slices.Clone(ls))
	slices.Sort(c)
	c = slices.Compact(c)
	for i := 1; i < len(c); i++ {
		if c[i].key() == c[i-1].key() {
			return nil, false
		}
	}
	return c, true
}

// complement are the entries of what c does not match: one for each bit, which
// differs where those before it agree.
func complement(c cube) []cube {
	out := make([]cube, 0, len(c))
	for i := range c {
		x := slices.Clone(c[:i+1])
		x[i] ^= 1
		out = append(out, x)
	}
	return out
}

// name is the cube as a map's key.
func (c cube) name() string {
	b := make([]byte, 0, 4*len(c))
	for _, l := range c {
		b = append(b, byte(l), byte(l>>8), byte(l>>16), byte(l>>24))
	}
	return string(b)
}

// mask is the bits that count, as a map's key.
func (c cube) mask() string {
	b := make([]byte, 0, 4*len(c))
	for _, l := range c {
		k := l.key()
		b = append(b, byte(k), byte(k>>8), byte(k>>16), byte(k>>24))
	}
	return string(b)
}
