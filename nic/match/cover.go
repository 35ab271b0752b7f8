package match

import (
	"slices"
)

// rangeCubes are the entries that the number v makes, lowest bit first, is in
// lo..hi. Where its bits are all different and none is constant they are the
// maximal prefixes inside, which no fewer can replace.
func rangeCubes(v []wire, lo, hi uint64) []cube {
	var out []cube
	var lits []lit
	var walk func(n int, high uint64)
	walk = func(n int, high uint64) {
		l, h := limits(v, n)
		l, h = l|high, h|high
		switch {
		case h < lo || l > hi:
			return
		case lo <= l && h <= hi:
			if c, ok := newCube(lits); ok {
				out = append(out, c)
			}
			return
		}
		n--
		for b := range uint64(2) {
			w := v[n]
			if w.known() {
				if uint64(w) == b {
					walk(n, high|b<<n)
				}
				continue
			}
			// A bit that stands twice has one value.
			other := literal(w.key(), (b == 1) == w.inverted())
			if slices.Contains(lits, other) {
				continue
			}
			lits = append(lits, other^1)
			walk(n, high|b<<n)
			lits = lits[:len(lits)-1]
		}
	}
	walk(len(v), 0)
	return out
}

// maxWork bounds the steps of one cover; past it a condition has too many
// entries to be worth counting.
const maxWork = 1 << 16

// cover gives entries of what matches one cube of each of the lists, and
// nothing else: the key's bits are decided one after the other, and what both
// halves have in common is one entry. Of prefixes of one field it is the least
// number of prefixes. False where it would take more than *work steps.
func cover(lists [][]cube, work *int) ([]cube, bool) {
	if *work--; *work < 0 {
		return nil, false
	}
	rest := lists[:0:0]
	bit := int32(-1)
	for _, l := range lists {
		if len(l) == 0 {
			return nil, true
		}
		first, always := int32(-1), false
		for _, c := range l {
			if len(c) == 0 {
				always = true
				break
			}
			if first < 0 || c[0].key() < first {
				first = c[0].key()
			}
		}
		if always {
			continue
		}
		if rest = append(rest, l); bit < 0 || first < bit {
			bit = first
		}
	}
	if len(rest) == 0 {
		return []cube{{}}, true
	}
	var half [2][]cube
	for v := range half {
		cut := make([][]cube, len(rest))
		for i, l := range rest {
			for _, c := range l {
				switch {
				case c[0].key() != bit:
					cut[i] = append(cut[i], c)
				case c[0] == literal(bit, v == 1):
					cut[i] = append(cut[i], c[1:])
				}
			}
		}
		var ok bool
		if half[v], ok = cover(cut, work); !ok {
			return nil, false
		}
	}
	return join(bit, half[0], half[1]), true
}

// join puts a bit before the entries of both of its halves; those that are in
// both don't need it.
func join(bit int32, half0, half1 []cube) []cube {
	in1 := make(map[string]bool, len(half1))
	for _, c := range half1 {
		in1[c.name()] = true
	}
	var out []cube
	both := map[string]bool{}
	for _, c := range half0 {
		if n := c.name(); in1[n] {
			both[n] = true
			out = append(out, c)
			continue
		}
		out = append(out, append(cube{literal(bit, false)}, c...))
	}
	for _, c := range half1 {
		if !both[c.name()] {
			out = append(out, append(cube{literal(bit, true)}, c...))
		}
	}
	return out
}

// spans counts the ranges that entries make up, neighbours joined: what a
// matcher takes that encodes ranges itself. Entries that are no prefixes of the
// bits given (in the order of their weight) count one each.
func spans(bits []int32, cubes []cube) int {
	type span struct{ lo, hi string }
	all := make([]span, 0, len(cubes))
	for _, c := range cubes {
		lo, hi := make([]byte, len(bits)), make([]byte, len(bits))
		for i := range hi {
			hi[i] = 1
		}
		for i, l := range c {
			if i >= len(bits) || l.key() != bits[i] {
				return len(cubes)
			}
			lo[i], hi[i] = byte(l&1), byte(l&1)
		}
		all = append(all, span{string(lo), string(hi)})
	}
	slices.SortFunc(all, func(x, y span) int {
		if x.lo < y.lo {
			return -1
		}
		return 1
	})
	n := 0
	for i := range all {
		if i == 0 || successor(all[i-1].hi) != all[i].lo {
			n++
		}
	}
	return n
}

// successor is the next number of as many binary digits; none of all ones.
func successor(s string) string {
	b := []byte(s)
	for i := len(b) - 1; i >= 0; i-- {
		if b[i] == 0 {
			b[i] = 1
			return string(b)
		}
		b[i] = 0
	}
	return ""
}
