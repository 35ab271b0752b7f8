package maps

import (
	"jitnic/host/mem"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
)

// Spec is the blueprint of a map, as in cilium/ebpf: what an object file says
// of it. Sizes in bytes, Max in entries.
type Spec struct {
	Name      string
	Type      ebpf.MapType
	KeySize   uint32
	ValueSize uint32
	Max       uint32
	Flags     uint32 // BPF_F_* of uapi/linux/bpf.h
	Inner     *Spec  // of an array or hash of maps
	Contents  []Entry
	Key       btf.Type // nil where the object has no BTF for it
	Value     btf.Type
	ReadOnly  bool // .rodata: frozen, programs only read it
}

// Entry is one key and value to be put in before the first run. In a prog
// array the value names a program, in a map of maps a map.
type Entry struct {
	Key   []byte
	Value []byte
	Name  string // program or inner map, instead of Value
}

// Errno is the outcome of a map operation: 0 or a positive errno number. A
// program sees its negative, as from the kernel.
type Errno int

// Map is one realised map. Keys and values are slices of exactly the spec's
// sizes. Addresses are of the arena the map was made in; 0 is NULL. Errors and
// their order are the kernel's (kernel/bpf/hashtab.c, arraymap.c, lpm_trie.c,
// devmap.c, queue_stack_maps.c, bloom_filter.c). Not safe for concurrent use.
type Map interface {
	Spec() *Spec

	// Lookup is what bpf_map_lookup_elem does on CPU cpu: the address of the
	// value, or 0. An LRU map notes the use.
	Lookup(key []byte, cpu int) uint64
	// Peek finds what Lookup finds and changes nothing: conditions use it.
	Peek(key []byte, cpu int) uint64
	// Update is bpf_map_update_elem. value has ValueSize bytes.
	Update(key, value []byte, flags uint64, cpu int) Errno
	// UpdateResult is what Update would return now; it changes nothing.
	UpdateResult(key []byte, flags uint64, cpu int) Errno
	// Delete is bpf_map_delete_elem.
	Delete(key []byte) Errno

	// Len is the number of entries present.
	Len() int
	// Range calls f for every entry, in an order that depends only on the
	// operations so far; value has ValueSize bytes, or of a per-CPU map that
	// for each CPU in turn. It stops when f returns false.
	Range(f func(key, value []byte) bool)
}

// Sizer is met by maps that hold values in flat memory: how many bytes of
// arena a spec will take, with cpus CPUs. Used to size the arena.
//
//	func ArenaSize(s *Spec, cpus int) uint64
//	func New(s *Spec, a *mem.Arena, index, cpus int) (Map, error)
var _ = mem.KindMap
