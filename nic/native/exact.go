package native

import (
	"cmp"
	"encoding/binary"
	"math/bits"
	"slices"
	"unsafe"

	"jitnic/host/maps"
	"jitnic/nic"
	"jitnic/nic/native/asm"
	"jitnic/pathcond/tree"
)

// Paths that are told apart by nothing but fields of the packet with a certain
// value each are found by one look-up of these fields, however many they are: a
// walk of halving compares guesses wrong at most of them, and its code alone would
// fill the caches. The look-up stands at the topmost node from which on fields
// decide. Where it finds nothing, the walk goes on from there; leaves that it
// would have found aren't written again. It is tuple space search (Srinivasan,
// Suri and Varghese, SIGCOMM 1999) with the one tuple that most paths have.

const (
	// exactAt is how many paths make a look-up worth its time (assumed: six
	// halvings, of which three are guessed wrong).
	exactAt = 64
	// maxPieces bounds the fields of a look-up.
	maxPieces = 8
)

// piece is some bits of a word at a fixed address.
type piece struct {
	at     uint64
	size   uint8
	known  uint64 // bits whose value the way tells
	value  uint64
	tested uint64 // bits that were looked at
}

// way are the fields that were tested from a node to another, by their place.
type way []piece

// test notes that bits of a field were looked at, and with known that they are v. A
// way that can't be, or that is too long to be told, is nil.
func (w way) test(f tree.Insn, known bool, v uint64) way {
	size, at, sh := spot(f.K, f.Sh, f.Mask)
	mask := f.Mask << sh
	out := append(make(way, 0, len(w)+1), w...)
	x := piece{at: at, size: uint8(size)}
	i, have := slices.BinarySearchFunc(out, x, byPlace)
	if !have {
		if len(out) == maxPieces {
			return nil
		}
		out = slices.Insert(out, i, x)
	}
	p := &out[i]
	p.tested |= mask
	if known {
		if v&^f.Mask != 0 || (p.value^v<<sh)&p.known&mask != 0 {
			return nil
		}
		p.known |= mask
		p.value |= v << sh
	}
	return out
}

// certain says whether all that was tested is known.
func (w way) certain() bool {
	return !slices.ContainsFunc(w, func(p piece) bool { return p.tested&^p.known != 0 })
}

// tuple names the bits that are known.
func (w way) tuple() string {
	var b []byte
	for _, p := range w {
		b = binary.AppendUvarint(binary.AppendUvarint(append(b, p.size), p.at), p.known)
	}
	return string(b)
}

func byPlace(a, b piece) int {
	return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.size, b.size))
}

// words is the key: two words of what is known, one behind the other. false
// where there is no room.
func (w way) words() (key [2]uint64, n int, ok bool) {
	used := 0
	for _, p := range w {
		k := bits.Len64(p.known)
		if used+k > 64 {
			if n++; n == len(key) {
				return key, n, false
			}
			used = 0
		}
		key[n] |= p.value << used
		used += k
	}
	return key, n + 1, true
}

// exactPath is a path by its fields.
type exactPath struct {
	way  way
	path nic.Path
	leaf edge
}

// edge is where a leaf hangs.
type edge struct {
	node tree.Ref
	k    uint64 // of the case
	side uint8  // 0 no, 1 yes, 2 case
}

// gather finds the leaves below r that nothing but fields lead to; nodes that ask
// for anything else end the search. It leaves c.fields as another node has them.
func (c *treeCompiler) gather(r tree.Ref, at edge, w way, out *[]exactPath) {
	if path, ok := tree.Leaf(r); ok {
		if path < nic.Untraceable && len(w) > 0 && w.certain() {
			*out = append(*out, exactPath{w, path, at})
		}
		return
	}
	if r == tree.Nothing || w == nil {
		return
	}
	n := c.t.Node(r)
	if !c.onlyFields(&n) {
		return
	}
	f, k, slot, ok := c.tests(&n)
	if !ok {
		return
	}
	oneBit := f.Mask&(f.Mask-1) == 0
	if len(n.Cases) > 0 {
		for _, x := range n.Cases {
			c.gather(x.To, edge{r, x.K, 2}, w.test(f, true, x.K), out)
		}
		c.gather(n.No, edge{r, 0, 0}, w.test(f, false, 0), out)
		return
	}
	if slot { // the field isn't 0
		c.gather(n.Yes, edge{r, 0, 1}, w.test(f, oneBit, f.Mask), out)
		c.gather(n.No, edge{r, 0, 0}, w.test(f, true, 0), out)
		return
	}
	c.gather(n.Yes, edge{r, 0, 1}, w.test(f, true, k), out)
	c.gather(n.No, edge{r, 0, 0}, w.test(f, oneBit, k^f.Mask), out)
}

// onlyFields notes in c.fields which fields a node's code loads; false where it
// does more.
func (c *treeCompiler) onlyFields(n *tree.Node) bool {
	only := true
	for i := range n.Code {
		in := &n.Code[i]
		for int(in.Dst) >= len(c.fields) {
			c.fields = append(c.fields, tree.Insn{})
		}
		c.fields[in.Dst] = tree.Insn{}
		if in.Op == tree.OpField {
			c.fields[in.Dst] = *in
		} else {
			only = false
		}
	}
	return only
}

// tests is the field that a node compares, with k or (slot) with nothing.
func (c *treeCompiler) tests(n *tree.Node) (f tree.Insn, k uint64, slot, ok bool) {
	switch n.Test {
	case tree.TestField:
		return tree.Insn{Op: tree.OpField, K: n.Addr, Sh: n.Sh, Mask: n.Mask}, n.K, false, n.Mask != 0
	case tree.TestEqK, tree.TestSlot:
		if int(n.A) >= len(c.fields) {
			return f, 0, false, false
		}
		f = c.fields[n.A]
		return f, n.K, n.Test == tree.TestSlot, f.Op == tree.OpField && f.Mask != 0
	}
	return f, 0, false, false
}

// exact writes a look-up of the fields by which most of the paths below r are
// known, where it pays. Control goes on behind where it finds none.
func (c *treeCompiler) exact(r tree.Ref) bool {
	var all []exactPath
	c.gather(r, edge{}, way{}, &all)
	by := map[string][]exactPath{}
	best := ""
	for _, p := range all {
		t := p.way.tuple()
		if by[t] = append(by[t], p); len(by[t]) > len(by[best]) || len(by[t]) == len(by[best]) && t < best {
			best = t
		}
	}
	paths := by[best]
	if len(paths) < exactAt || 2*len(paths) < len(all) {
		return false
	}
	_, words, ok := paths[0].way.words()
	if !ok {
		return false
	}
	table, placed := newExactTable(paths, words)
	c.tables, c.moves = append(c.tables, table.entries), append(c.moves, table.moves)
	for _, p := range placed {
		c.hashed[p.leaf] = true
		c.paths = max(c.paths, p.path+1)
	}
	x := exactMark{at: c.Len(), h: c.h, placed: placed}
	c.probeExact(paths[0].way, words, table)
	x.to = c.Len()
	c.exacts = append(c.exacts, x)
	return true
}

// left is what a child leads to where look-ups of fields have found nothing.
func (c *treeCompiler) left(at edge, r tree.Ref) tree.Ref {
	if len(c.hashed) > 0 && c.allHashed(at, r) {
		return tree.Nothing
	}
	return r
}

// allHashed says whether all paths below a child have been looked for.
func (c *treeCompiler) allHashed(at edge, r tree.Ref) bool {
	if _, ok := tree.Leaf(r); ok {
		return c.hashed[at]
	}
	if r == tree.Nothing {
		return true
	}
	if c.covered == nil {
		c.covered = make([]int8, c.t.Nodes())
	}
	if c.covered[r] == 0 {
		n := c.t.Node(r)
		all := c.allHashed(edge{r, 0, 0}, n.No)
		for _, x := range n.Cases {
			all = all && c.allHashed(edge{r, x.K, 2}, x.To)
		}
		all = all && (len(n.Cases) > 0 || c.allHashed(edge{r, 0, 1}, n.Yes))
		c.covered[r] = 1
		if all {
			c.covered[r] = 2
		}
	}
	return c.covered[r] == 2
}

// exactTable holds the paths by their key, each entry the key's words and then
// path+1, or 0: no entry. A key's place is its hash's low bits, changed by what its
// high bits find in moves, which is chosen so that every key has a place of its own
// (Fox, Heath, Chen and Daoud, SIGIR 1992): a search whose length varies would be
// guessed wrong by the processor at every fifth packet.
type exactTable struct {
	entries []uint64
	moves   []uint32 // in bytes of entries
	buckets int      // of keys that are moved alike: 1<<buckets
	mask    uint64
	stride  int // in words
}

// shift makes of an entry's number its place in bytes.
func (t *exactTable) shift() int { return 3 + bits.TrailingZeros(uint(t.stride)) }

// newExactTable makes a table of paths, and says which have got a place: two keys of
// a bucket whose low bits are the same can't both.
func newExactTable(paths []exactPath, words int) (t *exactTable, placed []exactPath) {
	n := bits.Len(uint(len(paths) + len(paths)/4))
	t = &exactTable{mask: 1<<n - 1, stride: 2 * words, buckets: max(n-3, 1)}
	t.entries = make([]uint64, t.stride<<n)
	t.moves = make([]uint32, 1<<t.buckets)
	type key struct {
		home  uint64
		path  int
		words [2]uint64
	}
	buckets := make([][]key, len(t.moves))
	for i, p := range paths {
		w, _, _ := p.way.words()
		h := exactHash(w, words)
		b := &buckets[h>>(64-t.buckets)]
		if !slices.ContainsFunc(*b, func(k key) bool { return k.home == h&t.mask }) {
			*b = append(*b, key{h & t.mask, i, w})
		}
	}
	order := make([]int, len(buckets))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return len(buckets[b]) - len(buckets[a]) })
	taken := make([]uint64, t.mask/64+1) // bits
	for _, i := range order {
		keys := buckets[i]
	moves:
		for move := range t.mask + 1 {
			for j := range keys {
				if i := keys[j].home ^ move; taken[i/64]>>(i%64)&1 != 0 {
					continue moves
				}
			}
			t.moves[i] = uint32(move << t.shift())
			for _, k := range keys {
				taken[(k.home^move)/64] |= 1 << ((k.home ^ move) % 64)
				e := t.entries[int(k.home^move)*t.stride:]
				copy(e[:words], k.words[:words])
				e[words] = uint64(paths[k.path].path) + 1
				placed = append(placed, paths[k.path])
			}
			break
		}
	}
	return t, placed
}

// exactHash is the hash of a key: wyhash's mixing of two words.
func exactHash(key [2]uint64, words int) uint64 {
	y := uint64(maps.HashP1)
	if words > 1 {
		y ^= key[1]
	}
	hi, lo := bits.Mul64(key[0]^maps.HashP0, y)
	return hi ^ lo
}

// probeExact writes the look-up. It uses registers 0, 1 and 3, T0 and T1, of which
// 1 may hold a slot.
func (c *treeCompiler) probeExact(w way, words int, t *exactTable) {
	const x, second, y, load = asm.R1, asm.R3, asm.T0, asm.R0
	spill := c.h[x] != 0
	none := c.NewLabel()
	if spill {
		c.Store(8, x, asm.At(asm.Ctx, offSave))
	}
	used, word, at := 0, 0, x // the word at hand, and its register: MulFold needs 3 only later
	for _, p := range w {
		k := bits.Len64(p.known)
		if used+k > 64 {
			c.Store(8, x, asm.At(asm.Ctx, offKey))
			used, word, at = 0, 1, second
		}
		d := load
		if used == 0 {
			d = at
		}
		c.field(d, p.at, 0, p.known)
		if used > 0 {
			c.OpK(asm.Lsh, true, d, int32(used))
			c.Op(asm.Or, true, at, d)
		}
		used += k
	}
	c.Store(8, at, asm.At(asm.Ctx, offKey+8*int32(word)))
	c.Imm(y, maps.HashP1)
	if word == 1 {
		c.Op(asm.Xor, true, y, second)
	}
	c.Imm(load, maps.HashP0)
	c.Op(asm.Xor, true, x, load)
	c.MulFold(x, y)
	c.Mov(true, load, x)
	c.OpK(asm.Rsh, true, load, int32(64-t.buckets))
	c.OpK(asm.Lsh, true, load, 2)
	c.Imm(asm.T1, uint64(uintptr(unsafe.Pointer(unsafe.SliceData(t.moves)))))
	c.Load(4, load, asm.Mem{Base: asm.T1, Index: load})
	c.OpK(asm.Lsh, true, x, int32(t.shift()))
	c.Op(asm.Xor, true, x, load)
	c.withK(asm.And, x, t.mask<<t.shift())
	c.Imm(asm.T1, uint64(uintptr(unsafe.Pointer(unsafe.SliceData(t.entries)))))
	c.Op(asm.Add, true, x, asm.T1)
	for i := range int32(words) {
		c.Load(8, load, asm.At(asm.Ctx, offKey+8*i))
		c.BrMem(asm.NE, load, asm.At(x, 8*i), none)
	}
	c.Load(8, load, asm.At(x, int32(8*words)))
	c.BrK(asm.EQ, true, load, 0, none)
	c.Load(8, asm.T1, asm.At(asm.Ctx, offOut))
	c.OpK(asm.Sub, true, load, 1)
	c.Store(4, load, asm.At(asm.T1, 0))
	c.OpK(asm.Add, true, asm.T1, 4)
	c.Store(8, asm.T1, asm.At(asm.Ctx, offOut))
	// Of one packet, all paths lead to the same place: the table is long, and where a path
	// stands in it seldom in a cache.
	one := c.NewLabel()
	c.Load(8, asm.T1, asm.At(asm.Ctx, offOne))
	c.BrK(asm.NE, true, asm.T1, 0, one)
	c.Load(8, asm.T1, asm.At(asm.Ctx, offTable))
	c.OpK(asm.Lsh, true, load, 3)
	c.JmpMem(asm.Mem{Base: asm.T1, Index: load})
	c.later = append(c.later, func() {
		c.Bind(one)
		c.JmpReg(asm.T1)
	})
	c.Bind(none)
	if spill {
		c.Load(8, x, asm.At(asm.Ctx, offSave))
	}
}
