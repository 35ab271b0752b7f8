package pathcond

import (
	"jitnic/pathcond/bv"

	cebpf "github.com/cilium/ebpf"
)

// Versions counts, for every map key that some specialised trace depends on,
// how often the entry has changed. A condition says "the entry is as it was" by
// comparing the counter, which costs one load however large the entry.
type Versions struct {
	Counter []uint64
	keys    []watched
	index   map[string]int
	byMap   map[int]int // how many keys of the map are watched
	buf     []byte
}

type watched struct {
	m   int
	key string
}

// NewVersions returns counters of no keys.
func NewVersions() *Versions { return &Versions{index: map[string]int{}, byMap: map[int]int{}} }

func (v *Versions) name(m int, key []byte) []byte {
	v.buf = append(v.buf[:0], byte(m), byte(m>>8), byte(m>>16))
	return append(v.buf, key...)
}

// Watch gives the counter of a key, making it if need be.
func (v *Versions) Watch(m int, key []byte) int {
	n := v.name(m, key)
	if i, ok := v.index[string(n)]; ok {
		return i
	}
	i := len(v.Counter)
	v.Counter = append(v.Counter, 0)
	v.keys = append(v.keys, watched{m, string(key)})
	v.index[string(n)] = i
	v.byMap[m]++
	return i
}

// WatchEmpty gives the counter of a map that has no entry: any write counts. ok is
// false where a key of the map is watched, as conditions that ask for a key and
// one that doesn't could both hold.
func (v *Versions) WatchEmpty(m int) (counter int, ok bool) {
	_, there := v.index[string(v.name(m, nil))]
	if v.byMap[m] > int(bv.Bit(there)) {
		return 0, false
	}
	return v.Watch(m, nil), true
}

// Wrote notes a write to a key, or with no key to any of the map: its counter, or -1
// where nobody watches it.
func (v *Versions) Wrote(m int, key []byte) int {
	if v.byMap[m] == 0 {
		return -1
	}
	i, ok := v.index[string(v.name(m, key))]
	if !ok {
		return -1
	}
	v.Counter[i]++
	return i
}

// WatchedOf lists the counters of a map, for changes that can't be attributed
// to one key (a longer prefix in a trie answers for keys below it).
func (v *Versions) WatchedOf(m int) (out []int) {
	for i := range v.keys {
		if v.keys[i].m == m {
			out = append(out, i)
		}
	}
	return out
}

// Watching says whether any key of the map is watched.
func (v *Versions) Watching(m int) bool { return v.byMap[m] > 0 }

// Key is the map and key of counter i.
func (v *Versions) Key(i int) (m int, key string) { return v.keys[i].m, v.keys[i].key }

// versionedLookup folds a look-up to its result: the key is fixed, and the
// entry's version guards it.
func (x *exec) versionedLookup(i int, key []bv.Term, concrete []byte, ret uint64) bv.Term {
	for k, is := range chunksOf(concrete) {
		x.fixParts(key[k], is)
	}
	v := x.c.Versions
	w := v.Watch(i, concrete)
	if x.c.Barred != nil && x.c.Barred(w) {
		// The entry changes too often to be folded: look it up as it is. The
		// key stays fixed, so that this path and specialised ones of other
		// keys can't both match.
		x.path.Plain = append(x.path.Plain, w)
		return x.genericLookup(i, key, concrete, ret)
	}
	x.unchanged(w)
	if x.entries == nil {
		x.entries = map[uint64]bool{}
	}
	if ret != 0 {
		x.entries[ret] = true
	}
	return x.b.Const(ret, 64)
}

// emptyLookup folds a look-up in a map without entries, in which no key finds
// anything: the version of the whole map guards it.
func (x *exec) emptyLookup(i int) (bv.Term, bool) {
	if t := x.s.Maps[i].Spec().Type; t != cebpf.Hash && t != cebpf.LPMTrie || x.c.preLen[i] > 0 {
		return 0, false
	}
	w, ok := x.c.Versions.WatchEmpty(i)
	if !ok || x.c.Barred != nil && x.c.Barred(w) {
		return 0, false
	}
	x.unchanged(w)
	return x.b.Const(0, 64), true
}

// unchanged adds the predicate that what the counter is of is as it was.
func (x *exec) unchanged(w int) {
	x.decide(x.b.Bin(bv.OpEq, x.input(InVersion+uint64(w), 64, bv.Fact{}), x.b.Const(x.c.Versions.Counter[w], 64)), true, WhyVersion)
	x.path.Watched = append(x.path.Watched, w)
	x.path.Ways = append(x.path.Ways, x.way(w))
}

// way hashes how the path came to look up the key of counter w.
func (x *exec) way(w int) uint64 {
	h := x.hash()
	h.add(uint64(w))
	for _, p := range x.path.Cond {
		if p.Why != WhyVersion {
			h.add(uint64(p.Term)<<1 | bv.Bit(p.Want))
		}
	}
	return uint64(h)
}

// hash is FNV-1a over words.
type hash uint64

// hash begins one of what is in the path's table.
func (x *exec) hash() hash { return 14695981039346656037 ^ hash(x.path.Table) }

func (h *hash) add(v uint64) { *h = (*h ^ hash(v)) * 1099511628211 }

// fixParts fixes a key field by field where its term shows fields: each is
// then a comparison at a fixed place, and keys that differ in one share the
// others.
func (x *exec) fixParts(t bv.Term, concrete uint64) {
	switch args := x.b.Args(t); x.b.Op(t) {
	case bv.OpZExt:
		x.fixParts(args[0], concrete)
	case bv.OpConcat:
		wl := x.b.Width(args[1])
		x.fixParts(args[0], concrete>>wl)
		x.fixParts(args[1], concrete&bv.Mask(wl))
	default:
		x.fix(t, concrete, WhyKey)
	}
}

// versioned says whether the address lies in a value that a version guards.
func (x *exec) versioned(i int, concrete uint64) bool {
	if len(x.entries) == 0 {
		return false
	}
	o, ok := x.s.Maps[i].(interface{ ValueOf(uint64) uint64 })
	return ok && x.entries[o.ValueOf(concrete)]
}
