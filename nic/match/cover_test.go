package match

import (
	"math/bits"
	"testing"

	"pgregory.net/rapid"
)

// Counts worked out by hand.
func TestPrefixes(t *testing.T) {
	for _, c := range []struct {
		lo, hi uint64
		width  int
		want   int
	}{
		{1, 14, 4, 6}, // 0001 001* 01** 10** 110* 1110: the worst of 4 bits, 2w-2
		{0, 15, 4, 1},
		{5, 5, 4, 1},
		{8, 15, 4, 1},
		{1, 15, 4, 4},
		{3, 2, 4, 0},
		{1, 65534, 16, 30},
		{0, 1023, 16, 1},     // privileged ports
		{1024, 65535, 16, 6}, // and the others
		{54, 65535, 16, 12},  // room for Ethernet, IPv6 and TCP's first bytes
		{1, 1<<32 - 2, 32, 62},
		{1, ^uint64(0) - 1, 64, 126},
	} {
		if got := Prefixes(c.lo, c.hi, c.width); got != c.want {
			t.Errorf("%d..%d of %d bits: %d prefixes, want %d", c.lo, c.hi, c.width, got, c.want)
		}
	}
}

// matches says whether the number, highest bit of the key first, is in the cube.
func (c cube) matches(v uint64, width int) bool {
	for _, l := range c {
		if v>>(width-1-int(l.key()))&1 != uint64(l&1) {
			return false
		}
	}
	return true
}

// A range's prefixes hold for its numbers and no others, each number once; no
// two of them make one, and no fewer could do: there are as many as blocks that
// stand by themselves, counted another way.
func TestPrefixesExactAndMinimal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := rapid.IntRange(1, 10).Draw(t, "width")
		m := uint64(1)<<w - 1
		lo, hi := rapid.Uint64Range(0, m).Draw(t, "lo"), rapid.Uint64Range(0, m).Draw(t, "hi")
		if lo > hi {
			lo, hi = hi, lo
		}
		v := make([]wire, w)
		for i := range v {
			v[i] = bitOf(int32(w - 1 - i))
		}
		cubes := rangeCubes(v, lo, hi)
		for x := range m + 1 {
			n := 0
			for _, c := range cubes {
				if c.matches(x, w) {
					n++
				}
			}
			if want := x >= lo && x <= hi; (n == 1) != want || n > 1 {
				t.Fatalf("%d..%d of %d bits: %d is in %d prefixes", lo, hi, w, x, n)
			}
		}
		// Largest aligned blocks from the left: the textbook's greedy split.
		want := 0
		for x := lo; x <= hi; {
			size := x & -x
			if x == 0 {
				size = m + 1
			}
			for size > hi-x+1 {
				size /= 2
			}
			want++
			x += size
		}
		if len(cubes) != want || w > 1 && len(cubes) > max(1, 2*w-2) {
			t.Fatalf("%d..%d of %d bits: %d prefixes, want %d", lo, hi, w, len(cubes), want)
		}
		if s := spans(keyBits(w), cubes); s != 1 {
			t.Fatalf("%d..%d: %d spans", lo, hi, s)
		}
	})
}

func keyBits(w int) []int32 {
	out := make([]int32, w)
	for i := range out {
		out[i] = int32(i)
	}
	return out
}

// A cover of what several lists of entries allow together holds for exactly
// that, and of prefixes of one field it is the least number of prefixes: the
// blocks of the set that are in no larger block.
func TestCover(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const w = 6
		var lists [][]cube
		prefixes := rapid.Bool().Draw(t, "prefixes")
		for range rapid.IntRange(1, 4).Draw(t, "lists") {
			var l []cube
			for range rapid.IntRange(0, 5).Draw(t, "cubes") {
				value := rapid.Uint64Range(0, 1<<w-1).Draw(t, "value")
				mask := rapid.Uint64Range(0, 1<<w-1).Draw(t, "mask")
				if prefixes {
					mask = (1<<w - 1) &^ (1<<bits.Len64(mask) - 1)
				}
				var c cube
				for k := range int32(w) {
					if mask>>(w-1-k)&1 == 1 {
						c = append(c, literal(k, value>>(w-1-k)&1 == 1))
					}
				}
				l = append(l, c)
			}
			lists = append(lists, l)
		}
		work := maxWork
		got, ok := cover(lists, &work)
		if !ok {
			t.Fatal("too much work")
		}
		var set [1 << w]bool
		for v := range uint64(1 << w) {
			want := true
			for _, l := range lists {
				some := false
				for _, c := range l {
					some = some || c.matches(v, w)
				}
				want = want && some
			}
			set[v] = want
			has := false
			for _, c := range got {
				has = has || c.matches(v, w)
			}
			if has != want {
				t.Fatalf("%v: %d: %v, want %v", lists, v, has, want)
			}
		}
		blocks := 0
		for size := 1; size <= 1<<w; size *= 2 {
			full := func(x, size int) bool {
				for _, b := range set[x : x+size] {
					if !b {
						return false
					}
				}
				return true
			}
			for x := 0; x < 1<<w; x += size {
				if full(x, size) && (size == 1<<w || !full(x&^(2*size-1), 2*size)) {
					blocks++
				}
			}
		}
		if len(got) > blocks {
			t.Fatalf("%d entries, %d prefixes would do", len(got), blocks)
		}
		if c := tableCubes(keyBits(w), set[:]); len(c) != len(got) {
			t.Fatalf("as a table %d entries, as a cover %d", len(c), len(got))
		}
	})
}

// What doesn't match c matches exactly one of the complement's entries.
func TestComplement(t *testing.T) {
	c := cube{literal(0, true), literal(2, false), literal(5, true)}
	n := complement(c)
	if len(n) != 3 {
		t.Fatalf("%d entries", len(n))
	}
	for v := range uint64(64) {
		k := 0
		for _, x := range n {
			if x.matches(v, 6) {
				k++
			}
		}
		if c.matches(v, 6) && k != 0 || !c.matches(v, 6) && k != 1 {
			t.Errorf("%06b matches %d entries of the complement", v, k)
		}
	}
}

// Prefixes counts the entries of a range lo..hi of a width-bit field: the least
// number of prefixes that make it up, at most 2·width − 2 (Srinivasan et al.,
// SIGCOMM 1998). It is 0 where lo > hi.
func Prefixes(lo, hi uint64, width int) int {
	v := make([]wire, width)
	for i := range v {
		v[i] = bitOf(int32(width - 1 - i))
	}
	return len(rangeCubes(v, lo, hi))
}
