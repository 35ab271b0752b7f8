package verify

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"jitnic/host/fib"
	"jitnic/host/kernel"
	"jitnic/host/loader"
	"jitnic/host/maps"
	"jitnic/host/vm"
	"jitnic/host/vm/shadow"

	cilium "github.com/cilium/ebpf"
)

// loopback is the interface that stands in for all others in the kernel.
const loopback = 1

// twin is the kernel's side of a machine's maps.
type twin struct {
	obj    *loader.Object
	state  *vm.State
	marks  *shadow.Shadow
	routes *fib.Table // whose links the kernel has; may be nil
	maps   *kernel.Maps
	progs  map[progKey]*kernel.Prog // tail-called programs and those of map entries
	frozen map[int]bool
	notes  []string
	noted  map[string]bool

	changes []change // since the last packet that both sides ran
	keys    []byte
	foreign map[int]map[string]shadow.Presence // entries that the kernel's maps lack, or have otherwise
	uneven  map[int]bool                       // maps without keys that hold something else in the kernel
}

// progKey names a program as it was loaded.
type progKey struct {
	n   int
	own bool // with its own attach type
}

// change is a key that something wrote; n is 0 for a map without keys.
type change struct {
	index int
	off   int
	n     int
}

func newTwin(obj *loader.Object, s *vm.State, routes *fib.Table) (*twin, error) {
	t := &twin{
		obj: obj, state: s, marks: shadow.New(s, obj), routes: routes, maps: &kernel.Maps{}, progs: map[progKey]*kernel.Prog{},
		frozen: map[int]bool{}, noted: map[string]bool{}, foreign: map[int]map[string]shadow.Presence{}, uneven: map[int]bool{},
	}
	t.marks.Foreign = t.presence
	if err := t.push(); err != nil {
		t.close()
		return nil, err
	}
	return t, nil
}

func (t *twin) close() {
	for _, p := range t.progs {
		p.Close()
	}
	t.maps.Close()
}

func (t *twin) note(format string, args ...any) {
	if n := fmt.Sprintf(format, args...); !t.noted[n] {
		t.noted[n] = true
		t.notes = append(t.notes, n)
	}
}

// presence is what the kernel has of an entry of the machine's.
func (t *twin) presence(index int, key []byte) shadow.Presence {
	if key != nil {
		return t.foreign[index][string(key)]
	}
	if !t.uneven[index] {
		return shadow.Same
	}
	if r, ok := t.state.Maps[index].(maps.Ring); ok {
		// How full it is only shows where it gets full.
		if 2*r.Query(ringAvail) < r.Query(ringSize) {
			return shadow.Same
		}
	}
	return shadow.Changed
}

// Flags of bpf_ringbuf_query (uapi/linux/bpf.h).
const (
	ringAvail = 0
	ringSize  = 1
)

// push makes the maps that are new in the kernel, fills those, and brings the
// others to what the VM's hold where something changed since the last packet
// that both sides ran. Programs need the maps they use filled, so their arrays
// come last.
func (t *twin) push() error {
	fresh := t.maps.Len()
	for i := fresh; i < len(t.state.Maps); i++ {
		m := t.state.Maps[i]
		if _, err := t.maps.Add(m.Spec()); err != nil {
			return err
		}
		m.(maps.Notifier).OnWrite(func(key []byte) { t.changed(i, key) })
	}
	whole := map[int]bool{}
	for i := fresh; i < len(t.state.Maps); i++ {
		whole[i] = true
	}
	if err := t.pushKeys(whole); err != nil {
		return err
	}
	for _, programs := range []bool{false, true} {
		for i, m := range t.state.Maps {
			if _, ok := m.(maps.Programs); ok != programs || !whole[i] {
				continue
			}
			if err := t.pushMap(i, m, i >= fresh); err != nil {
				return err
			}
		}
	}
	t.settled()
	return nil
}

// changed notes a key that was written, by whom it may be.
func (t *twin) changed(index int, key []byte) {
	t.changes = append(t.changes, change{index, len(t.keys), len(key)})
	t.keys = append(t.keys, key...)
}

// settled forgets what changed: both sides have it.
func (t *twin) settled() { t.changes, t.keys = t.changes[:0], t.keys[:0] }

// pushKeys brings the keys that changed to what the VM has at them. Where that
// can't be done key by key the map joins whole.
func (t *twin) pushKeys(whole map[int]bool) error {
	for _, w := range t.state.Writes {
		if w.KeyLen > 0 || w.Size == 0 {
			continue // the map told
		}
		if o, ok := t.state.Maps[w.Map].(maps.Owner); ok {
			if key := o.KeyOf(w.Addr); key != nil {
				t.changed(int(w.Map), key)
			}
		}
	}
	for _, c := range t.changes {
		m := t.state.Maps[c.index]
		if whole[c.index] || t.frozen[c.index] {
			continue
		}
		if c.n == 0 || !keyed(m) {
			whole[c.index] = true
			continue
		}
		if err := t.pushKey(c.index, m, t.keys[c.off:c.off+c.n]); err != nil {
			return err
		}
	}
	return nil
}

// keyed says whether single keys of a map can be brought over: not where the
// kernel may evict another for them.
func keyed(m maps.Map) bool {
	switch s := m.Spec(); s.Type {
	case cilium.Array, cilium.PerCPUArray, cilium.Hash, cilium.PerCPUHash, cilium.LPMTrie:
		return true
	case cilium.LRUHash, cilium.LRUCPUHash:
		return m.Len() < int(s.Max)/2
	}
	return false
}

func (t *twin) pushKey(i int, m maps.Map, key []byte) error {
	value := maps.At(m, key)
	if value == nil {
		_ = t.maps.Map(i).Delete(key) // it may be gone there too
		return nil
	}
	t.clearMarks(m, key)
	return t.maps.Map(i).Update(key, value, 0)
}

// clearMarks takes the marks off a value: both sides have the same there now.
func (t *twin) clearMarks(m maps.Map, key []byte) {
	n := 1
	if maps.IsPerCPU(m.Spec()) {
		n = t.state.Opt.CPUs
	}
	for cpu := range n {
		if at := m.Peek(key, cpu); at != 0 {
			t.marks.Clear(at, uint64(m.Spec().ValueSize))
		}
	}
}

// pushMap brings one map up to date; a fresh one holds nothing but zeros.
func (t *twin) pushMap(i int, m maps.Map, fresh bool) error {
	k, spec := t.maps.Map(i), m.Spec()
	if t.frozen[i] {
		return nil
	}
	switch spec.Type {
	case cilium.Queue, cilium.Stack:
		t.marks.ClearQueue(i)
		if _, err := k.Drain(); err != nil {
			return err
		}
		return t.put(k, m, func(_, v []byte) ([]byte, bool, error) { return v, true, nil })
	case cilium.BloomFilter:
		if b, ok := m.(maps.Bits); ok && !zero(b.Bits()) {
			t.uneven[i] = true
			t.note("map %q: what a bloom filter holds can't be put into the kernel's", spec.Name)
		}
		return nil
	case cilium.RingBuf, cilium.PerfEventArray:
		t.uneven[i] = !fresh
		return nil
	}
	delete(t.foreign, i)
	// Keys that are gone first, so that a full map has room.
	if !fresh && !array(spec) && spec.Type != cilium.XSKMap {
		keys, err := k.Keys()
		if err != nil {
			return err
		}
		have := map[string]bool{}
		m.Range(func(key, _ []byte) bool { have[string(key)] = true; return true })
		for _, key := range keys {
			if !have[string(key)] {
				_ = k.Delete(key) // of an empty slot of an array
			}
		}
	}
	var err error
	switch m := m.(type) {
	case maps.Programs:
		err = t.put(k, m, func(key, v []byte) ([]byte, bool, error) {
			n := m.Program(binary.LittleEndian.Uint32(key))
			if n < 0 {
				return nil, false, nil
			}
			p, err := t.program(n, false)
			if err != nil {
				return nil, false, err
			}
			return fd(p.FD()), true, nil
		})
	case maps.OfMaps:
		err = t.put(k, m, func(key, v []byte) ([]byte, bool, error) {
			n := m.Inner(key)
			if n < 0 {
				return nil, false, nil
			}
			return fd(t.maps.Map(n).FD()), true, nil
		})
	case maps.Redirects:
		err = t.put(k, m, func(key, v []byte) ([]byte, bool, error) { return t.target(i, m, key) })
	default:
		err = t.put(k, m, func(key, v []byte) ([]byte, bool, error) {
			if fresh && array(spec) {
				return v, !zero(v), nil
			}
			t.clearMarks(m, key)
			if fresh || spec.Type == cilium.LPMTrie {
				return v, true, nil // a lookup in a trie may find a shorter prefix
			}
			old, err := k.Lookup(key)
			return v, err != nil || !bytes.Equal(old, v), nil
		})
	}
	if err == nil && spec.ReadOnly {
		t.frozen[i] = true
		err = k.Freeze()
	}
	return err
}

func array(s *maps.Spec) bool { return s.Type == cilium.Array || s.Type == cilium.PerCPUArray }

var zeros [4096]byte

func zero(b []byte) bool {
	for len(b) > len(zeros) {
		if !bytes.Equal(b[:len(zeros)], zeros[:]) {
			return false
		}
		b = b[len(zeros):]
	}
	return bytes.Equal(b, zeros[:len(b)])
}

// put updates the kernel's map with what value makes of each entry of the VM's.
func (t *twin) put(k *kernel.Map, m maps.Map, value func(key, v []byte) ([]byte, bool, error)) (err error) {
	maps.RangeUsed(m, func(key, v []byte) bool {
		var ok bool
		if v, ok, err = value(key, v); ok && err == nil {
			err = k.Update(key, v, 0)
		}
		return err == nil
	})
	return err
}

// target is what stands for an entry of a devmap or cpumap in the kernel: the
// loopback device for one that the kernel hasn't.
func (t *twin) target(i int, m maps.Redirects, key []byte) ([]byte, bool, error) {
	spec := m.Spec()
	at := binary.LittleEndian.Uint32(key)
	value, prog, ok := m.Target(at)
	if !ok {
		return nil, false, nil
	}
	apart := func(p shadow.Presence) {
		if t.foreign[i] == nil {
			t.foreign[i] = map[string]shadow.Presence{}
		}
		t.foreign[i][string(key)] = p
	}
	v := make([]byte, spec.ValueSize)
	switch spec.Type {
	case cilium.DevMap, cilium.DevMapHash:
		dev := value
		if !t.hasLink(value) {
			dev = loopback
			apart(shadow.Changed)
		}
		binary.LittleEndian.PutUint32(v, dev)
	case cilium.CPUMap:
		if cpus, err := cilium.PossibleCPU(); err != nil || int(at) >= cpus {
			t.note("map %q: CPU %d isn't in this machine", spec.Name, at)
			apart(shadow.Absent)
			return nil, false, nil
		}
		binary.LittleEndian.PutUint32(v, value)
	default:
		t.note("map %q: a socket can't be put into the kernel's", spec.Name)
		apart(shadow.Absent)
		return nil, false, nil
	}
	if prog != 0 && len(v) >= 8 {
		t.note("map %q: programs of entries don't run in BPF_PROG_TEST_RUN", spec.Name)
		apart(shadow.Changed) // the kernel shows the program's number
		if n := int(prog) - 1; n < len(t.obj.Programs) {
			p, err := t.program(n, true)
			if err != nil {
				return nil, false, err
			}
			binary.LittleEndian.PutUint32(v[4:], uint32(p.FD()))
		}
	}
	return v, true, nil
}

// hasLink says whether the kernel's namespace has an interface.
func (t *twin) hasLink(index uint32) bool {
	if index == loopback || t.routes == nil {
		return index == loopback
	}
	_, ok := t.routes.MTU(index)
	return ok
}

// program loads a tail-called program, or with its own attach type that of a
// map entry, once.
func (t *twin) program(n int, own bool) (*kernel.Prog, error) {
	key := progKey{n, own}
	if p := t.progs[key]; p != nil {
		return p, nil
	}
	p, err := kernel.LoadWith(t.obj.Programs[n], t.maps, kernel.Options{Latch: true, Plain: !own})
	if err == nil {
		t.progs[key] = p
	}
	return p, err
}

func fd(n int) []byte { return binary.LittleEndian.AppendUint32(nil, uint32(n)) }
