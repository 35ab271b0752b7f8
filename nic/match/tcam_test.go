package match

import (
	"cmp"
	"fmt"
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

// NewTCAM fills a ternary memory with the entries of conditions that are
// [Judged.Whole]; others are left out. With priority, inequalities are entries
// that deny, wherever that is less; conditions are then put in an order in which
// none denies what another below it permits, and a few may take more entries than
// [Judged.Priority] for it.
func NewTCAM(conds []*Judged, priority bool) (*TCAM, error) {
	o := &ordering{}
	n := uint64(0)
	for _, j := range conds {
		if j.Whole() {
			o.held = append(o.held, j)
			if n += j.Expanded; priority {
				n += j.Priority - j.Expanded
			}
		}
	}
	if n > maxTCAM {
		return nil, fmt.Errorf("match: tcam: %d entries: more than %d", n, maxTCAM)
	}
	t := &TCAM{Key: KeyOf(o.held)}
	t.words = t.Key.words()
	l := expanded
	if priority {
		l = wide
	}
	for i := range o.sort(l) {
		t.Paths = append(t.Paths, o.held[i].Path)
		for _, c := range o.denies[i] {
			t.add(c, -1)
		}
		for _, c := range o.permits[i] {
			t.add(c, o.held[i].Path)
		}
	}
	return t, nil
}

func (t *TCAM) add(c cube, action int32) {
	v, m := t.Key.place(c)
	t.value, t.mask, t.action = append(t.value, v...), append(t.mask, m...), append(t.action, action)
}

// entries are the products of the parts' entries.
func (j *Judged) entries(l level) (permit, deny []cube) {
	permit = []cube{{}}
	for _, p := range j.parts {
		permit = product(permit, p.at(l))
	}
	if l == expanded {
		return permit, nil
	}
	for i, p := range j.parts {
		if !p.byPriority() {
			continue
		}
		d := p.holes
		if l == narrow {
			d = p.deny
		}
		for k, q := range j.parts {
			if k != i && (l == narrow || len(q.at(l)) == 1) {
				d = product(d, q.at(l))
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

// ordering puts conditions in an order in which no entry that denies stands above
// one that another condition permits by, those with most packets first so far as
// that allows. Where conditions wait for each other in a ring, one of them denies
// less.
type ordering struct {
	held    []*Judged
	level   []level
	permits [][]cube
	denies  [][]cube
	waits   [][]int // for these to come before
	done    []bool
}

// sort gives the indexes of held in order.
func (o *ordering) sort(l level) func(yield func(int) bool) {
	n := len(o.held)
	o.level = make([]level, n)
	o.permits, o.denies = make([][]cube, n), make([][]cube, n)
	o.waits, o.done = make([][]int, n), make([]bool, n)
	rank := make([]int, n)
	for i, j := range o.held {
		rank[i], o.level[i] = i, l
		o.permits[i], o.denies[i] = j.entries(l)
	}
	slices.SortStableFunc(rank, func(x, y int) int {
		return cmp.Or(cmp.Compare(o.held[y].Packets, o.held[x].Packets), cmp.Compare(o.held[x].Path, o.held[y].Path))
	})
	for i := range n {
		o.wait(i)
	}
	return func(yield func(int) bool) {
		for range n {
			i := o.next(rank)
			o.done[i] = true
			if !yield(i) {
				return
			}
		}
	}
}

// next is the condition to come next.
func (o *ordering) next(rank []int) int {
	for {
		ring := -1
		for _, i := range rank {
			if o.done[i] {
				continue
			}
			if !slices.ContainsFunc(o.waits[i], func(k int) bool { return !o.done[k] }) {
				return i
			}
			if ring < 0 || o.level[i] < o.level[ring] {
				ring = i
			}
		}
		o.level[ring]++
		o.permits[ring], o.denies[ring] = o.held[ring].entries(o.level[ring])
		o.wait(ring)
	}
}

// wait finds the conditions that must come before i: those that hold for
// packets that i's entries deny.
func (o *ordering) wait(i int) {
	o.waits[i] = nil
	for k, j := range o.held {
		if i != k && !o.done[k] && slices.ContainsFunc(o.denies[i], func(d cube) bool {
			return !apart(d, j.equal) && slices.ContainsFunc(o.permits[k], func(p cube) bool {
				m, ok := meet(d, p)
				return ok && !slices.ContainsFunc(o.denies[k], func(c cube) bool { return covers(c, m) })
			})
		}) {
			o.waits[i] = append(o.waits[i], k)
		}
	}
}
