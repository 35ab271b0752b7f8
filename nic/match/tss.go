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
	places map[int32]Place
}

// Place is where a path is found.
type Place struct {
	Probes     int // masks tried, its own the last
	Candidates int // looked at in its own table
	// Worst is the most candidates looked at in all tables, where every table
	// before has a key that the packet may have: the one of most candidates.
	Worst int
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
	t := &TSS{Key: analyserOf(conds).newKey(set), places: map[int32]Place{}}
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
		}
	}
	for i := range t.Tuples {
		for _, c := range t.Tuples[i].table {
			before := t.before(i, c[0].equal)
			for k, j := range c {
				t.places[j.Path] = Place{i + 1, k + 1, before + k + 1}
			}
		}
	}
	return t
}

// before is the most candidates that the first n tables have for a packet that
// matches c.
func (t *TSS) before(n int, c cube) (sum int) {
	for i := range n {
		most := 0
		for _, k := range t.Tuples[i].table {
			if len(k) > most && !apart(c, k[0].equal) {
				most = len(k)
			}
		}
		sum += most
	}
	return sum
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

// Place tells where a path is found; one that isn't, after all masks.
func (t *TSS) Place(path int32) Place {
	p, ok := t.places[path]
	if !ok {
		p.Probes = len(t.Tuples)
	}
	return p
}
