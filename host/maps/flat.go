package maps

import (
	"unsafe"
)

// Flat is how a map lies in memory, for generated code that looks keys up
// without calling Lookup. What a field points to belongs to the map: it stays
// where it is as long as the map lives, though what stands there changes.
// Addresses of values and keys are the arena's; pointers are the process's.
type Flat struct {
	Kind    FlatKind
	Addr    uint64 // of the first element
	Stride  uint64 // from one element to the next, all of its CPUs included
	Value   uint64 // where in an element the value of CPU 0 begins
	Step    uint64 // from one CPU's value to the next; 0: one value for all
	KeySize uint32
	Max     uint32 // of an array: elements; of a trie: entries at most

	// Of a hash: slots of eight bytes, (element+1)<<32 | hash or 0, probed one
	// after the other from hash & mask (see store).
	Slots unsafe.Pointer // *[]uint64
	Mask  *uint32
	// Ref, of an LRU hash: a byte by element that a look-up sets to 1.
	Ref *bool

	// Of a trie (see lpm): nodes of TrieNode, the number of the root plus 1.
	Nodes   unsafe.Pointer // *[]lpmNode
	Root    *uint32
	MaxBits uint32
}

// FlatKind is the family of a flat map.
type FlatKind uint8

// The families.
const (
	FlatArray FlatKind = iota + 1
	FlatHash
	FlatTrie
)

// TrieNode is where the fields of a trie's node lie, in bytes. A node is an
// entry if State holds StateEntry; Child has two words, number plus 1 or 0.
var TrieNode = struct {
	Size, First, Bits, State, Child uintptr
	StateEntry                      uint8
}{
	unsafe.Sizeof(lpmNode{}), unsafe.Offsetof(lpmNode{}.first), unsafe.Offsetof(lpmNode{}.bits),
	unsafe.Offsetof(lpmNode{}.state), unsafe.Offsetof(lpmNode{}.child), uint8(lpmEntry),
}

// FlatOf says how m lies in memory, if it is of a type that generated code
// knows. CPUs count from 0 and must be less than the map's.
func FlatOf(m Map) (Flat, bool) {
	switch m := m.(type) {
	case *array:
		return Flat{Kind: FlatArray, Addr: m.addr, Stride: m.stride, KeySize: 4, Max: m.spec.Max}, true
	case *perCPUArray:
		return Flat{Kind: FlatArray, Addr: m.addr, Stride: m.stride * m.width, Step: m.stride, KeySize: 4, Max: m.spec.Max}, true
	case *hash:
		return m.flat(), true
	case *perCPUHash:
		return m.flat(), true
	case *lruHash:
		f := m.flat()
		f.Ref = &m.lru.ref[0]
		return f, true
	case *lruPerCPUHash:
		f := m.flat()
		f.Ref = &m.lru.ref[0]
		return f, true
	case *lpm:
		return Flat{
			Kind: FlatTrie, Addr: m.addr, Stride: m.stride, Value: m.val, KeySize: m.spec.KeySize,
			Nodes: unsafe.Pointer(&m.nodes), Root: &m.root, MaxBits: m.maxBits, Max: m.spec.Max,
		}, true
	}
	return Flat{}, false
}

// Cells are how an array of programs, maps, interfaces, CPUs or sockets lies in flat
// memory: eight bytes a cell, of which the first four are 0 where it is empty (see
// cells for what else they are).
type Cells struct {
	Addr uint64 // of the first
	Max  uint32 // how many
}

// CellsOf says where m's cells lie, if m has such: none of its programs, maps or
// targets stands elsewhere.
func CellsOf(m Map) (Cells, bool) {
	switch m := m.(type) {
	case *progArray:
		return Cells{m.addr, m.spec.Max}, true
	case *arrayOfMaps:
		return Cells{m.addr, m.spec.Max}, true
	case *redirectArray:
		return Cells{m.addr, m.spec.Max}, true
	}
	return Cells{}, false
}

// FlatRing is where a ring buffer keeps its positions, which grow for ever: those of the
// consumer and the producer, and that before which all is committed; records stand at
// Addr + position & Mask. Where that position is the producer's and no room is left up to the
// consumer's, Reserve does nothing but count a drop.
type FlatRing struct {
	Positions  *[3]uint64
	Drops      *uint64
	Addr, Mask uint64
}

// FlatRingOf says so of m, if it is a ring buffer.
func FlatRingOf(m Map) (FlatRing, bool) {
	r, ok := m.(*ring)
	if !ok {
		return FlatRing{}, false
	}
	return FlatRing{(*[3]uint64)(unsafe.Pointer(&r.cons)), &r.out.Drops, r.addr, r.mask}, true
}

// A record in a ring buffer has a header of so many bytes, and RingMost of its own at most.
const (
	RingHeader = ringHeader
	RingMost   = ringMost
)

// RingStep is how far a record of n bytes moves a position.
func RingStep(n uint64) uint64 { return step(n) }

func (m *store) flat() Flat {
	f := Flat{
		Kind: FlatHash, Addr: m.addr, Stride: m.stride, Value: m.val, KeySize: m.ks,
		Slots: unsafe.Pointer(&m.slots), Mask: &m.mask,
	}
	if IsPerCPU(m.spec) {
		f.Step = m.vstep
	}
	return f
}
