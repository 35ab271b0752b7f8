package maps

import (
	"jitnic/host/mem"
	"slices"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
)

// Numbers is what names of maps mean in the text of a program with these specs,
// as ebpf.Parser asks.
func Numbers(specs []*Spec) func(name string) (int, bool) {
	return func(name string) (int, bool) {
		i := slices.IndexFunc(specs, func(s *Spec) bool { return s.Name == name })
		return i, i >= 0
	}
}

// Spec is the blueprint of a map, as in cilium/ebpf: what an object file says
// of it. Sizes in bytes, Max in entries.
type Spec struct {
	Name      string
	Type      ebpf.MapType
	KeySize   uint32
	ValueSize uint32
	Max       uint32
	Flags     uint32 // BPF_F_* of uapi/linux/bpf.h
	Extra     uint64 // map_extra: of a bloom filter its hash functions, 0 for 5
	Inner     *Spec  // of an array or hash of maps
	Untold    bool   // nobody said what Inner is: it stands for any, and no map can come in
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

// Map is one realised map. Keys and values are slices of exactly the spec's
// sizes. Addresses are of the arena the map was made in; 0 is NULL. Errors and
// their order are the kernel's (kernel/bpf/hashtab.c, arraymap.c, lpm_trie.c,
// devmap.c, queue_stack_maps.c, bloom_filter.c). Not safe for concurrent use.
type Map interface {
	Spec() *Spec

	// Lookup is what bpf_map_lookup_elem does on CPU cpu: the address of the
	// value, or 0. An LRU map notes the use. With another cpu it is
	// bpf_map_lookup_percpu_elem; a cpu that isn't there gives 0.
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
	// for each CPU in turn, each rounded up to 8 bytes as in bpf(2). It stops
	// when f returns false. f may delete the entry it is called with.
	Range(f func(key, value []byte) bool)
}

// PerCPU is met by maps with a value for each CPU.
type PerCPU interface {
	Map
	// UpdateAll is what bpf(2)'s BPF_MAP_UPDATE_ELEM does: values holds each
	// CPU's value in turn, each rounded up to 8 bytes.
	UpdateAll(key, values []byte, flags uint64) Errno
}

// Notifier is met by every map. f is called after a key was updated, deleted
// or evicted, with the key, which it must not keep; queues and rings give an
// empty one. Stores through value pointers go unnoticed: whoever stores asks
// the map's Owner which key that touched. nil ends it; it costs nothing then.
type Notifier interface {
	OnWrite(f func(key []byte))
}

// Owner is met by maps whose values programs point into.
type Owner interface {
	// KeyOf is the key whose present value holds address addr, or nil: an
	// address of a value that was replaced or deleted since belongs to no
	// key. The slice is good until the next call.
	KeyOf(addr uint64) []byte
	// ValueOf is the address of the first byte of the value (of one CPU)
	// that holds addr, live or not, or 0.
	ValueOf(addr uint64) uint64
}

// copier is met by every map: it takes over the whole state of src, a map of
// the same spec and as many CPUs.
type copier interface {
	copyFrom(src Map)
}

// base is what all map types share.
type base struct {
	spec    *Spec
	mem     []byte // all of the map's flat memory
	addr    uint64 // where mem begins
	cpus    int
	onWrite func(key []byte)
}

func (b *base) Spec() *Spec                { return b.spec }
func (b *base) OnWrite(f func(key []byte)) { b.onWrite = f }

// alloc takes size bytes of the arena.
func (b *base) alloc(a *mem.Arena, kind mem.Kind, index int, size uint64) error {
	addr, err := a.Alloc(kind, index, size)
	if err != nil {
		return err
	}
	b.addr = addr
	b.mem = a.Bytes(addr, size)
	return nil
}

// round8 rounds up to a multiple of 8, as every value's storage is.
func round8(n uint32) uint64 { return (uint64(n) + 7) &^ 7 }

// ValueStride is how far the values of two CPUs lie apart, in flat memory and
// in what Range and UpdateAll pass: ValueSize rounded up to 8 bytes.
func ValueStride(s *Spec) int { return int(round8(s.ValueSize)) }
