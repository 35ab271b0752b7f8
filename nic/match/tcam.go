package match

import (
	"cmp"
	"slices"
)

// TCAM is a ternary memory with the entries of some conditions: the first entry
// whose masked bits are the key's answers. It is what the counts of [Judged]
// are checked with, bit for bit.
type TCAM struct {
	Key    *Key
	Paths  []int32 // that it holds, in the order of their entries
	words  int
	value  []uint64
	mask   []uint64
	action []int32 // path, or -1: none, whatever stands below
}

// Entries is the number of entries.
func (t *TCAM) Entries() int { return len(t.action) }

// Lookup gives the path of the first entry that matches a packed key and the
// entry's place; -1 for none.
func (t *TCAM) Lookup(key []uint64) (path int32, entry int) {
next:
	for i := range t.action {
		at := i * t.words
		for w := range t.words {
			if (key[w]^t.value[at+w])&t.mask[at+w] != 0 {
				continue next
			}
		}
		return t.action[i], i
	}
	return -1, -1
}

// KeyOf lays out what the entries of conditions look at.
func KeyOf(conds []*Judged) *Key {
	set := map[int32]bool{}
	for _, j := range conds {
		j.addBits(set)
	}
	return newKey(set)
}

func (j *Judged) addBits(set map[int32]bool) {
	for _, p := range j.parts {
		for _, b := range p.bits {
			set[b] = true
		}
	}
}

// Width is the number of bits the condition's entries look at by themselves,
// the packet length counted whole.
func (j *Judged) Width() int {
	set := map[int32]bool{}
	j.addBits(set)
	return newKey(set).Width()
}

// NewTCAM fills a ternary memory with the entries of conditions that are
// [Judged.Whole]; others are left out. With priority, inequalities are entries
// that deny, wherever that is less; conditions are then put in an order in which
// none denies what another below it permits.
func NewTCAM(conds []*Judged, priority bool) *TCAM {
	var held []*Judged
	for _, j := range conds {
		if j.Whole() {
			held = append(held, j)
		}
	}
	t := &TCAM{Key: KeyOf(held)}
	t.words = t.Key.words()
	denies := make([][]cube, len(held))
	permits := make([][]cube, len(held))
	for i, j := range held {
		permits[i], denies[i] = j.entries(priority)
	}
	for _, i := range orderEntries(held, permits, denies) {
		t.Paths = append(t.Paths, held[i].Path)
		for _, c := range denies[i] {
			t.add(c, -1)
		}
		for _, c := range permits[i] {
			t.add(c, held[i].Path)
		}
	}
	return t
}

func (t *TCAM) add(c cube, action int32) {
	v, m := t.Key.place(c)
	t.value, t.mask, t.action = append(t.value, v...), append(t.mask, m...), append(t.action, action)
}

// entries are the products of the parts' entries.
func (j *Judged) entries(priority bool) (permit, deny []cube) {
	permit = []cube{{}}
	use := make([][]cube, len(j.parts))
	for i, p := range j.parts {
		use[i] = p.expanded
		if priority && p.byPriority() {
			use[i] = p.permit
		}
		permit = product(permit, use[i])
	}
	if !priority {
		return permit, nil
	}
	for i, p := range j.parts {
		if !p.byPriority() {
			continue
		}
		d := p.deny
		for k := range j.parts {
			if k != i {
				d = product(d, use[k])
			}
		}
		deny = append(deny, d...)
	}
	return permit, deny
}

// product meets each with each: of parts, which share no bits.
func product(x, y []cube) []cube {
	out := make([]cube, 0, len(x)*len(y))
	for _, a := range x {
		for _, b := range y {
			if c, ok := meet(a, b); ok {
				out = append(out, c)
			}
		}
	}
	return out
}

// orderEntries puts conditions in an order in which no entry that denies stands
// above one that another condition permits by: the conditions
// with most packets first, so far as that allows. Where conditions wait for each
// other in a ring, one of them has its inequalities expanded instead.
func orderEntries(held []*Judged, permits, denies [][]cube) []int {
	n := len(held)
	before := make([]int, n) // conditions that must still come before
	after := make([][]int, n)
	blocks := func(i, k int) bool { // i denies what k permits
		for _, d := range denies[i] {
			if apart(d, held[k].equal) {
				continue
			}
			for _, p := range permits[k] {
				m, ok := meet(d, p)
				if ok && !slices.ContainsFunc(denies[k], func(c cube) bool { return covers(c, m) }) {
					return true
				}
			}
		}
		return false
	}
	for i := range n {
		if len(denies[i]) == 0 {
			continue
		}
		for k := range n {
			if i != k && blocks(i, k) {
				before[i]++
				after[k] = append(after[k], i)
			}
		}
	}
	rank := make([]int, n)
	for i := range rank {
		rank[i] = i
	}
	slices.SortStableFunc(rank, func(x, y int) int {
		return cmp.Or(cmp.Compare(held[y].Packets, held[x].Packets), cmp.Compare(held[x].Path, held[y].Path))
	})
	var out []int
	done := make([]bool, n)
	for len(out) < n {
		next := -1
		for _, i := range rank {
			if !done[i] && before[i] == 0 {
				next = i
				break
			}
		}
		if next < 0 { // a ring
			for _, i := range rank {
				if !done[i] && before[i] > 0 {
					next = i
					break
				}
			}
			permits[next], _ = held[next].entries(false)
			denies[next] = nil
		}
		done[next] = true
		out = append(out, next)
		for _, i := range after[next] {
			before[i]--
		}
	}
	return out
}
