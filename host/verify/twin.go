package verify

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"

	"jitnic/host/kernel"
	"jitnic/host/loader"
	"jitnic/host/maps"
	"jitnic/host/vm"

	cilium "github.com/cilium/ebpf"
)

// loopback is the interface that stands in for all others in the kernel.
const loopback = 1

// twin is the kernel's side of a machine's maps.
type twin struct {
	obj    *loader.Object
	state  *vm.State
	maps   *kernel.Maps
	cpu    int
	progs  map[int]*kernel.Prog // tail-called programs by number
	frozen map[int]bool
	notes  []string
	noted  map[string]bool
}

func newTwin(obj *loader.Object, s *vm.State, cpu int) (*twin, error) {
	t := &twin{obj: obj, state: s, cpu: cpu, maps: &kernel.Maps{}, progs: map[int]*kernel.Prog{}, frozen: map[int]bool{}, noted: map[string]bool{}}
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

// push brings the kernel's maps to what the VM's hold, making those that are
// new. Programs need the maps they use filled, so their arrays come last.
func (t *twin) push() error {
	fresh := t.maps.Len()
	for i := fresh; i < len(t.state.Maps); i++ {
		if _, err := t.maps.Add(t.state.Maps[i].Spec()); err != nil {
			return err
		}
	}
	for _, programs := range []bool{false, true} {
		for i, m := range t.state.Maps {
			if _, ok := m.(maps.Programs); ok != programs {
				continue
			}
			if err := t.pushMap(i, m, i >= fresh); err != nil {
				return err
			}
		}
	}
	return nil
}

// pushMap brings one map up to date; a fresh one holds nothing but zeros.
func (t *twin) pushMap(i int, m maps.Map, fresh bool) error {
	k, spec := t.maps.Map(i), m.Spec()
	if t.frozen[i] {
		return nil
	}
	switch spec.Type {
	case cilium.Queue, cilium.Stack:
		if _, err := k.Drain(); err != nil {
			return err
		}
		return t.put(k, m, func(_, v []byte) ([]byte, bool, error) { return v, true, nil })
	case cilium.BloomFilter:
		if b, ok := m.(maps.Bits); ok && !zero(b.Bits()) {
			t.note("map %q: what a bloom filter holds can't be put into the kernel's", spec.Name)
		}
		return nil
	case cilium.RingBuf, cilium.PerfEventArray:
		return nil
	}
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
			p, err := t.program(n)
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
		err = t.put(k, m, func(key, v []byte) ([]byte, bool, error) { return t.target(spec, m, key) })
	default:
		err = t.put(k, m, func(key, v []byte) ([]byte, bool, error) {
			if fresh && array(spec) {
				return v, !zero(v), nil
			}
			if spec.Type == cilium.LPMTrie {
				return v, true, nil // a lookup may find a shorter prefix
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

func zero(b []byte) bool { return !slices.ContainsFunc(b, func(x byte) bool { return x != 0 }) }

// put updates the kernel's map with what value makes of each entry of the VM's.
func (t *twin) put(k *kernel.Map, m maps.Map, value func(key, v []byte) ([]byte, bool, error)) (err error) {
	m.Range(func(key, v []byte) bool {
		var ok bool
		if v, ok, err = value(key, v); ok && err == nil {
			err = k.Update(key, v, 0)
		}
		return err == nil
	})
	return err
}

// target is what stands for an entry of a devmap or cpumap in the kernel.
func (t *twin) target(spec *maps.Spec, m maps.Redirects, key []byte) ([]byte, bool, error) {
	at := binary.LittleEndian.Uint32(key)
	value, prog, ok := m.Target(at)
	if !ok {
		return nil, false, nil
	}
	v := make([]byte, spec.ValueSize)
	switch spec.Type {
	case cilium.DevMap, cilium.DevMapHash:
		binary.LittleEndian.PutUint32(v, loopback)
	case cilium.CPUMap:
		if cpus, err := cilium.PossibleCPU(); err != nil || int(at) >= cpus {
			t.note("map %q: CPU %d isn't in this machine", spec.Name, at)
			return nil, false, nil
		}
		binary.LittleEndian.PutUint32(v, value)
	default:
		t.note("map %q: a socket can't be put into the kernel's", spec.Name)
		return nil, false, nil
	}
	if prog != 0 && len(v) >= 8 {
		t.note("map %q: programs of entries don't run in BPF_PROG_TEST_RUN", spec.Name)
	}
	return v, true, nil
}

// program loads a tail-called program once.
func (t *twin) program(n int) (*kernel.Prog, error) {
	if p := t.progs[n]; p != nil {
		return p, nil
	}
	p, err := kernel.LoadWith(t.obj.Programs[n], t.maps, kernel.Options{Latch: true, Plain: true})
	if err == nil {
		t.progs[n] = p
	}
	return p, err
}

func fd(n int) []byte { return binary.LittleEndian.AppendUint32(nil, uint32(n)) }

// compare names the first difference of a map; ok says whether its type can be
// compared at all.
func (t *twin) compare(i int) (what string, ok bool, err error) {
	m := t.state.Maps[i]
	spec := m.Spec()
	if !kernel.Comparable(spec) {
		return "", false, nil
	}
	want, err := t.maps.Map(i).Entries()
	if err != nil {
		return "", false, err
	}
	var got []maps.Entry
	m.Range(func(key, value []byte) bool {
		got = append(got, maps.Entry{Key: bytes.Clone(key), Value: bytes.Clone(value)})
		return true
	})
	switch spec.Type {
	case cilium.Queue:
	case cilium.Stack:
		slices.Reverse(got) // newest first
	default:
		kernel.Sort(got)
	}
	name := fmt.Sprintf("map %q: ", spec.Name)
	for n := range min(len(want), len(got)) {
		w, g := want[n], got[n]
		if c := bytes.Compare(w.Key, g.Key); c < 0 {
			return name + fmt.Sprintf("key %x: the kernel has %x, the VM nothing", w.Key, w.Value), true, nil
		} else if c > 0 {
			return name + fmt.Sprintf("key %x: the VM has %x, the kernel nothing", g.Key, g.Value), true, nil
		}
		if !bytes.Equal(w.Value, g.Value) {
			return name + fmt.Sprintf("key %x: the kernel has %x, the VM %x", w.Key, w.Value, g.Value), true, nil
		}
	}
	if len(want) > len(got) {
		w := want[len(got)]
		return name + fmt.Sprintf("key %x: the kernel has %x, the VM nothing", w.Key, w.Value), true, nil
	}
	if len(got) > len(want) {
		g := got[len(want)]
		return name + fmt.Sprintf("key %x: the VM has %x, the kernel nothing", g.Key, g.Value), true, nil
	}
	return "", true, nil
}
