package match

import (
	"cmp"
	"encoding/binary"
	"slices"
)

// TSS is a tuple-space search (Srinivasan, Suri and Varghese, SIGCOMM 1999): one
// hash table for each mask of the conditions' masked-equality parts. A probe
// that finds its key names candidates, whose other predicates are then checked.
type TSS struct {
	Key    *Key
	Tuples []Tuple
	words  int
	buf    []byte
	pos    map[int32]int
	cand   map[int32]int
}

// Tuple is one mask with its table.
type Tuple struct {
	Bits    int    // that count
	Keys    int    // distinct entries
	Paths   int    // conditions with this mask
	Packets uint64 // that they stand for
	mask    []uint64
	table   map[string][]*Judged
}

// NewTSS makes the tables. Tuples stand in the order of the packets they answer
// for, as Open vSwitch ranks its subtables by hits; likewise the candidates of a
// key.
func NewTSS(conds []*Judged) *TSS {
	set := map[int32]bool{}
	for _, j := range conds {
		for _, l := range j.equal {
			set[l.key()] = true
		}
	}
	t := &TSS{Key: analyserOf(conds).newKey(set), pos: map[int32]int{}, cand: map[int32]int{}}
	t.words = t.Key.words()
	t.buf = make([]byte, 8*t.words)
	index := map[string]int{}
	for _, j := range conds {
		if j.Never {
			continue
		}
		value, mask := t.Key.place(j.equal)
		name := string(t.masked(mask, mask))
		i, ok := index[name]
		if !ok {
			i = len(t.Tuples)
			index[name] = i
			t.Tuples = append(t.Tuples, Tuple{Bits: len(j.equal), mask: mask, table: map[string][]*Judged{}})
		}
		u := &t.Tuples[i]
		u.Packets += j.Packets
		u.Paths++
		k := string(t.masked(value, mask))
		u.table[k] = append(u.table[k], j)
		u.Keys = len(u.table)
	}
	slices.SortStableFunc(t.Tuples, func(x, y Tuple) int { return cmp.Compare(y.Packets, x.Packets) })
	for i := range t.Tuples {
		for _, c := range t.Tuples[i].table {
			slices.SortStableFunc(c, func(x, y *Judged) int { return cmp.Compare(y.Packets, x.Packets) })
			for k, j := range c {
				t.pos[j.Path], t.cand[j.Path] = i, k
			}
		}
	}
	return t
}

// masked gives the bytes of key & mask; good until the next call.
func (t *TSS) masked(key, mask []uint64) []byte {
	for i := range mask {
		binary.LittleEndian.PutUint64(t.buf[8*i:], key[i]&mask[i])
	}
	return t.buf
}

// Entries is the number of keys in all tables.
func (t *TSS) Entries() (n int) {
	for i := range t.Tuples {
		n += t.Tuples[i].Keys
	}
	return n
}

// Place tells where a path is found at the earliest: the probes and, at the last
// of them, the candidates looked at.
func (t *TSS) Place(path int32) (probes, candidates int) {
	i, ok := t.pos[path]
	if !ok {
		return len(t.Tuples), 0
	}
	return i + 1, t.cand[path] + 1
}

// Lookup gives the path whose condition a packed key satisfies, or -1, with the
// probes made and the candidates looked at. residual is asked for a condition's
// other predicates.
func (t *TSS) Lookup(key []uint64, residual func(j *Judged) bool) (path int32, probes, candidates int) {
	for i := range t.Tuples {
		u := &t.Tuples[i]
		probes++
		for _, j := range u.table[string(t.masked(key, u.mask))] {
			candidates++
			if j.Unmasked == 0 || residual(j) {
				return j.Path, probes, candidates
			}
		}
	}
	return -1, probes, candidates
}
