package kernel

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"jitnic/host/maps"

	cilium "github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// Maps are the twins in the kernel of an object's maps, by the same index.
type Maps struct {
	maps []*Map
	// Notes name entries that the kernel wouldn't take, such as sockets.
	Notes []string

	latch *Map // answers of clock and random helpers; nil without a call of one
}

// Map is one map in the kernel.
type Map struct {
	Spec *maps.Spec

	m      *cilium.Map
	cpus   int  // possible CPUs
	mapped bool // its values can be mapped into memory
}

// NewMaps makes empty maps after their blueprints.
func NewMaps(specs []*maps.Spec) (*Maps, error) {
	ms := &Maps{}
	for _, s := range specs {
		if _, err := ms.Add(s); err != nil {
			ms.Close()
			return nil, err
		}
	}
	return ms, nil
}

// Add makes one more map and returns its index.
func (ms *Maps) Add(s *maps.Spec) (int, error) {
	m, err := NewMap(s)
	if err != nil {
		return 0, err
	}
	ms.maps = append(ms.maps, m)
	return len(ms.maps) - 1, nil
}

// Map returns the map of an index.
func (ms *Maps) Map(i int) *Map { return ms.maps[i] }

// Len is how many maps there are.
func (ms *Maps) Len() int { return len(ms.maps) }

// Close gives all maps back.
func (ms *Maps) Close() error {
	var errs []error
	for _, m := range ms.maps {
		errs = append(errs, m.Close())
	}
	if ms.latch != nil {
		errs = append(errs, ms.latch.Close())
	}
	ms.maps, ms.latch = nil, nil
	return errors.Join(errs...)
}

// NewMap makes one empty map.
func NewMap(s *maps.Spec) (*Map, error) {
	cpus, err := cilium.PossibleCPU()
	if err != nil {
		return nil, fmt.Errorf("map %q: %w", s.Name, err)
	}
	ms := mapSpec(s)
	m, err := cilium.NewMap(ms)
	if errors.Is(err, unix.EPERM) && ms.Flags&maps.FlagZeroSeed != 0 { // takes CAP_SYS_ADMIN
		ms.Flags &^= maps.FlagZeroSeed
		m, err = cilium.NewMap(ms)
	}
	if err != nil && (ms.Key != nil || ms.Value != nil) {
		// A kernel that doesn't know the types takes the map without, unless
		// there is a lock in it.
		ms.Key, ms.Value = nil, nil
		var plain error
		if m, plain = cilium.NewMap(ms); plain == nil {
			err = nil
		}
	}
	if err != nil {
		return nil, fmt.Errorf("map %q: %w", s.Name, err)
	}
	return &Map{Spec: s, m: m, cpus: cpus, mapped: ms.Flags&unix.BPF_F_MMAPABLE != 0}, nil
}

// mappedFrom is how large an array's values are, in bytes, from which on they
// are made so that they can be mapped: a batch of them copies all of them
// twice. What programs see of the array is the same.
const mappedFrom = 16 << 20

func large(s *maps.Spec) bool {
	return s.Type == cilium.Array && s.Flags&unix.BPF_F_INNER_MAP == 0 && uint64(s.Max)*uint64(maps.ValueStride(s)) >= mappedFrom
}

func mapSpec(s *maps.Spec) *cilium.MapSpec {
	ms := &cilium.MapSpec{
		Name: mapName(s.Name), Type: s.Type, KeySize: s.KeySize, ValueSize: s.ValueSize, MaxEntries: s.Max,
		Flags: s.Flags &^ unix.BPF_F_NUMA_NODE, MapExtra: s.Extra, Key: s.Key, Value: s.Value,
	}
	if s.Inner != nil {
		ms.InnerMap = mapSpec(s.Inner)
	}
	if large(s) {
		ms.Flags |= unix.BPF_F_MMAPABLE
	}
	switch s.Type {
	case cilium.Hash, cilium.PerCPUHash, cilium.LRUHash, cilium.LRUCPUHash, cilium.BloomFilter:
		// Hashes without a random seed: runs can be repeated, false positives of
		// a bloom filter included.
		ms.Flags |= maps.FlagZeroSeed
	}
	return ms
}

// mapName keeps what the kernel takes in a name, 15 bytes of it. A dot would be
// taken too, but cilium/ebpf freezes what it finds called .rodata.
func mapName(name string) string {
	name = strings.Map(func(r rune) rune {
		if r < 128 && (r == '_' || r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z') {
			return r
		}
		return '_'
	}, name)
	return name[:min(len(name), 15)]
}

// FD is the map's file descriptor.
func (m *Map) FD() int { return m.m.FD() }

// Close gives the map back.
func (m *Map) Close() error { return m.m.Close() }

// ValueLen is the bytes of a value in bpf(2): of a per-CPU map those of each
// possible CPU, rounded up to 8.
func (m *Map) ValueLen() int {
	if maps.IsPerCPU(m.Spec) {
		return maps.ValueStride(m.Spec) * m.cpus
	}
	return int(m.Spec.ValueSize)
}

// Update is BPF_MAP_UPDATE_ELEM. Of a per-CPU map value holds the values of the
// first CPUs, each rounded up to 8 bytes; the others get zeros.
func (m *Map) Update(key, value []byte, flags uint64) error {
	if n := m.ValueLen(); len(value) < n {
		value = append(slices.Clone(value), make([]byte, n-len(value))...)
	} else {
		value = value[:n]
	}
	if len(key) == 0 {
		key = nil // of a queue: any address is refused
	}
	if e := mapOp(cmdUpdate, m.FD(), key, value, flags); e != 0 {
		return fmt.Errorf("map %q: update of key %x: %w", m.Spec.Name, key, e)
	}
	return nil
}

// Lookup is BPF_MAP_LOOKUP_ELEM: the value as bpf(2) gives it, or nil.
func (m *Map) Lookup(key []byte) ([]byte, error) {
	value := make([]byte, m.ValueLen())
	switch e := mapOp(cmdLookup, m.FD(), key, value, 0); e {
	case 0:
		return value, nil
	case unix.ENOENT:
		return nil, nil
	default:
		return nil, fmt.Errorf("map %q: lookup of key %x: %w", m.Spec.Name, key, e)
	}
}

// Delete is BPF_MAP_DELETE_ELEM.
func (m *Map) Delete(key []byte) error {
	if e := mapOp(cmdDelete, m.FD(), key, nil, 0); e != 0 {
		return fmt.Errorf("map %q: delete of key %x: %w", m.Spec.Name, key, e)
	}
	return nil
}

// Freeze closes the map to bpf(2): the verifier takes a frozen read-only map's
// contents for constants.
func (m *Map) Freeze() error { return m.m.Freeze() }

// Keys returns all keys there are.
func (m *Map) Keys() ([][]byte, error) {
	var keys [][]byte
	if m.Spec.Type == cilium.Array || m.Spec.Type == cilium.PerCPUArray { // all there are
		for i := range m.Spec.Max {
			keys = append(keys, binary.LittleEndian.AppendUint32(nil, i))
		}
		return keys, nil
	}
	var last []byte
	for {
		next := make([]byte, m.Spec.KeySize)
		switch e := mapOp(cmdNextKey, m.FD(), last, next, 0); e {
		case 0:
		case unix.ENOENT:
			return keys, nil
		default:
			return nil, fmt.Errorf("map %q: next key: %w", m.Spec.Name, e)
		}
		keys = append(keys, next)
		last = next
	}
}

// Comparable says whether [Map.Entries] tells all that a program could have
// changed in a map of this type.
func Comparable(s *maps.Spec) bool {
	switch s.Type {
	case cilium.Array, cilium.PerCPUArray, cilium.Hash, cilium.PerCPUHash, cilium.LRUHash, cilium.LRUCPUHash,
		cilium.LPMTrie, cilium.Queue, cilium.Stack:
		return true
	}
	return false
}

// Entries returns what the map holds, ascending by key. Values of a per-CPU
// map are of the possible CPUs in turn. A queue or stack, which can only be
// read by emptying it, is filled again; its entries have no keys and come in
// the order they would be popped.
func (m *Map) Entries() ([]maps.Entry, error) {
	if !Comparable(m.Spec) {
		return nil, fmt.Errorf("map %q: a %s doesn't tell its contents", m.Spec.Name, m.Spec.Type)
	}
	if m.Spec.Type == cilium.Queue || m.Spec.Type == cilium.Stack {
		return m.drain()
	}
	var out []maps.Entry
	err := m.Scan(context.Background(), func(key, value []byte) error {
		out = append(out, maps.Entry{Key: bytes.Clone(key), Value: bytes.Clone(value)})
		return nil
	})
	if err != nil {
		return nil, err
	}
	Sort(out)
	return out, nil
}

func (m *Map) drain() ([]maps.Entry, error) {
	out, err := m.Drain()
	if err != nil {
		return nil, err
	}
	back := slices.Clone(out)
	if m.Spec.Type == cilium.Stack {
		slices.Reverse(back)
	}
	for _, e := range back {
		if err := m.Update(nil, e.Value, 0); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Drain empties a queue or stack and returns what it held, in popping order.
func (m *Map) Drain() ([]maps.Entry, error) {
	var out []maps.Entry
	for {
		v := make([]byte, m.Spec.ValueSize)
		if e := mapOp(cmdLookupDel, m.FD(), nil, v, 0); e == unix.ENOENT {
			return out, nil
		} else if e != 0 {
			return nil, fmt.Errorf("map %q: pop: %w", m.Spec.Name, e)
		}
		out = append(out, maps.Entry{Value: v})
	}
}

// Sort orders entries by key.
func Sort(es []maps.Entry) {
	slices.SortStableFunc(es, func(a, b maps.Entry) int { return bytes.Compare(a.Key, b.Key) })
}
