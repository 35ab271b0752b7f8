package native

import (
	"bytes"
	"encoding/binary"
	"unsafe"

	"jitnic/host/maps"
	"jitnic/host/mem"
	"jitnic/pathcond/tree"
)

// A look-up that stands in a node walks the map's own memory. While the node is read
// back a twin stands there: a map of the same kind in memory of its own, which holds
// what the look-up asks for, or nearly that. So both outcomes are met, whatever the
// map itself holds, and what must be found is what the twin finds.

// twinEntries is how many entries a twin holds at most.
const twinEntries = 16

// twin is such a map: what code takes for one stands in other.
type twin struct {
	m      maps.Map
	at, is maps.Flat // where code looks for it, and where it is
	size   uint64    // of its elements
	cpu    int
	seed   uint64
	filled bool
	arena  *mem.Arena
}

// twin is the twin of a look-up's map, if code walks that one.
func (b *treeReader) twin(call *tree.Call) (*twin, error) {
	f, ok := maps.FlatOf(call.Map)
	if !ok || f.Kind == maps.FlatArray || !canLookUp(&f) || len(call.Args)*8 > maxKey {
		return nil, nil
	}
	t := b.twins[call.Map]
	if t == nil {
		var err error
		if t, err = newTwin(call.Map.Spec(), max(b.s.Opt.CPUs, 1)); err != nil {
			return nil, err
		}
		if b.twins == nil {
			b.twins = map[maps.Map]*twin{}
		}
		b.twins[call.Map] = t
	}
	t.at, t.cpu = f, int(b.x.cpu)
	if t.seed != b.seed {
		t.seed, t.filled = b.seed, false
	}
	return t, nil
}

func newTwin(of *maps.Spec, cpus int) (*twin, error) {
	spec := *of
	spec.Name, spec.Contents = of.Name+" (read back)", nil
	spec.Max = uint32(twinEntries * 4 * cpus) // an LRU may evict before half of them are taken
	t := &twin{}
	var err error
	if t.arena, err = mem.New(maps.ArenaSize(&spec, cpus)); err != nil {
		return nil, err
	}
	if t.m, err = maps.New(&spec, t.arena, 0, cpus); err != nil {
		t.arena.Close()
		return nil, err
	}
	t.is, _ = maps.FlatOf(t.m)
	t.size = t.arena.Find(t.is.Addr, 1).Size
	return t, nil
}

// freeTwins gives their memory back.
func (b *treeReader) freeTwins() {
	for _, t := range b.twins {
		t.arena.Close()
	}
	b.twins = nil
}

// looks is what a look-up of the key must find, as an address in the memory that code
// knows.
func (t *twin) looks(key []byte) uint64 {
	if !t.filled {
		t.fill(key)
	}
	if v := t.m.Peek(key, t.cpu); v != 0 {
		return v - t.is.Addr + t.at.Addr
	}
	return 0
}

// fill makes entries like the key: in every other set itself, others that differ in a
// bit, of a trie shorter and longer prefixes, too.
func (t *twin) fill(key []byte) {
	t.filled = true
	t.m.Range(func(k, _ []byte) bool {
		t.m.Delete(bytes.Clone(k))
		return true
	})
	value := make([]byte, t.m.Spec().ValueSize)
	put := func(k []byte) {
		for i := range value {
			value[i] = byte(drawn(t.seed, uint64(i)))
		}
		t.m.Update(k, value, 0, t.cpu)
	}
	if t.is.Kind == maps.FlatTrie {
		t.prefixes(key, put)
		return
	}
	for i := range uint64(twinEntries - 1) {
		k := bytes.Clone(key)
		h := drawn(t.seed, 1<<32+i)
		if i == 0 { // the last bit that counts, then any
			h = uint64(8*len(k) - 1)
		}
		h %= uint64(8 * len(k))
		k[h/8] ^= 1 << (h % 8)
		put(k)
	}
	if t.seed&1 == 0 {
		put(key)
	}
}

// prefixes has prefixes of a trie's key, some of them with a bit changed.
func (t *twin) prefixes(key []byte, put func(k []byte)) {
	const length = 4
	most := uint64(t.is.MaxBits)
	for i := range uint64(twinEntries) {
		k := bytes.Clone(key)
		h := drawn(t.seed, 1<<32+i)
		bits := h % (most + 1)
		if i < 2 {
			bits = most - i*t.seed%2
		}
		k[0], k[1], k[2], k[3] = byte(bits), byte(bits>>8), 0, 0
		if h>>32&1 != 0 && bits > 0 {
			at := h >> 40 % bits
			if h>>33&1 != 0 {
				at = bits - 1
			}
			k[length+at/8] ^= 0x80 >> (at % 8)
		}
		put(k)
	}
}

// elem is the number of the element that a value stands in.
func (t *twin) elem(value uint64) uint64 { return (value - t.at.Addr) / t.at.Stride }

// flat is a place in flat memory that code takes for one of the map's.
func (t *twin) flat(addr uint64, n int) (v uint64, ok bool) {
	d := addr - t.at.Addr
	if d >= t.size || d+uint64(n) > t.size {
		return 0, false
	}
	return little(t.arena.Bytes(t.is.Addr+d, uint64(n)), n), true
}

// load is a place in the map's bookkeeping, as code knows it.
func (t *twin) load(addr uint64, n int) (v uint64, ok bool) {
	for _, p := range [][2]unsafe.Pointer{{t.at.Slots, t.is.Slots}, {unsafe.Pointer(t.at.Mask), unsafe.Pointer(t.is.Mask)}, {t.at.Nodes, t.is.Nodes}, {unsafe.Pointer(t.at.Root), unsafe.Pointer(t.is.Root)}} {
		if p[0] != nil && addr == uint64(uintptr(p[0])) {
			addr = uint64(uintptr(p[1]))
			break
		}
	}
	for _, own := range ownParts(&t.is) {
		if d := addr - uint64(uintptr(own.at)); d < own.n && d+uint64(n) <= own.n {
			return little(unsafe.Slice((*byte)(own.at), own.n)[d:], n), true
		}
	}
	return 0, false
}

// key is the key of a look-up, by the values of its arguments.
func (b *treeReader) key(call *tree.Call) []byte {
	key := make([]byte, 0, 8*len(call.Args))
	for _, a := range call.Args {
		key = binary.LittleEndian.AppendUint64(key, b.v[a])
	}
	return key[:call.Map.Spec().KeySize]
}
