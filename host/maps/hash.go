package maps

import (
	"jitnic/host/mem"

	"github.com/cilium/ebpf"
)

// hash is a hash map (kernel/bpf/hashtab.c, htab_map_*). An update of a key
// that is there writes a new element and lets the old one go, so that whoever
// holds a pointer to the old value goes on reading it until that element is
// used again: preallocated, by the next such update on the same CPU (the
// kernel keeps one element aside for each CPU); with BPF_F_NO_PREALLOC, by
// the next element made (the kernel's allocator hands out last what came back
// last, on the same CPU).
type hash struct {
	store
	extra []uint32 // the element kept aside for each CPU; nil without prealloc
}

// hashElems is how many elements a hash map takes: those that are present and
// one aside for each CPU.
func hashElems(s *Spec, cpus int) uint64 { return uint64(s.Max) + uint64(cpus) }

func hashSize(s *Spec, cpus int) uint64 {
	return hashElems(s, cpus) * storeStride(s, 1)
}

func newHash(s *Spec, a *mem.Arena, index, cpus int) (Map, error) {
	m := &hash{}
	if err := m.init(s, a, index, cpus, 1, hashElems(s, cpus)); err != nil {
		return nil, err
	}
	if s.Flags&FlagNoPrealloc == 0 {
		m.extra = make([]uint32, cpus)
		for c := range m.extra {
			m.extra[c], _ = m.take()
		}
	}
	return m, nil
}

func (m *hash) Lookup(key []byte, cpu int) uint64 {
	e := m.find(key)
	if e < 0 {
		return 0
	}
	return m.addr + uint64(e)*m.stride + m.val
}

func (m *hash) Peek(key []byte, cpu int) uint64 { return m.Lookup(key, cpu) }

// checkFlags is hashtab.c's check_flags.
func checkFlags(present bool, flags uint64) Errno {
	if present && flags&^Lock == NoExist {
		return EEXIST
	}
	if !present && flags&^Lock == Exist {
		return ENOENT
	}
	return OK
}

// check is Update's verdict, given whether the key is there.
func (m *hash) check(present bool, flags uint64) Errno {
	if flags&^Lock > Exist || flags&Lock != 0 && !m.lock {
		return EINVAL
	}
	return checkRoom(present, flags, m.count, m.spec)
}

// checkRoom is the verdict of an update with valid flags on a map that holds count
// entries.
func checkRoom(present bool, flags uint64, count int, spec *Spec) Errno {
	if e := checkFlags(present, flags); e != OK {
		return e
	}
	if !present && count >= int(spec.Max) {
		return E2BIG
	}
	return OK
}

func (m *hash) UpdateResult(key []byte, flags uint64, cpu int) Errno {
	return m.check(m.find(key) >= 0, flags)
}

func (m *hash) Update(key, value []byte, flags uint64, cpu int) Errno {
	old := m.find(key)
	if err := m.check(old >= 0, flags); err != OK {
		return err
	}
	switch {
	case old < 0:
		e, _ := m.take() // check found the map not full
		copy(m.keyOf(e), key)
		m.put(e, 0, value)
		m.insert(e)
	case flags&Lock != 0:
		m.put(uint32(old), 0, value)
	case m.extra != nil:
		e := m.extra[cpu]
		m.extra[cpu] = uint32(old)
		copy(m.keyOf(e), key)
		m.put(e, 0, value)
		m.replace(uint32(old), e)
	default:
		e, _ := m.take() // there are more elements than a full map holds
		copy(m.keyOf(e), key)
		m.put(e, 0, value)
		m.replace(uint32(old), e)
		m.give(uint32(old))
	}
	m.wrote(key)
	return OK
}

func (m *hash) Delete(key []byte) Errno {
	e := m.find(key)
	if e < 0 {
		return ENOENT
	}
	m.remove(uint32(e))
	m.give(uint32(e))
	m.wrote(key)
	return OK
}

func (m *hash) copyFrom(src Map) {
	o := src.(*hash)
	m.copyStore(&o.store)
	copy(m.extra, o.extra)
}

// perCPUHash is a hash map with a value for each CPU (htab_percpu_map_*).
// Updates write in place.
type perCPUHash struct{ store }

func perCPUHashSize(s *Spec, cpus int) uint64 {
	return uint64(s.Max) * storeStride(s, cpus)
}

func newPerCPUHash(s *Spec, a *mem.Arena, index, cpus int) (Map, error) {
	m := &perCPUHash{}
	if err := m.init(s, a, index, cpus, cpus, uint64(s.Max)); err != nil {
		return nil, err
	}
	return m, nil
}

func (m *perCPUHash) Lookup(key []byte, cpu int) uint64 {
	e := m.find(key)
	if e < 0 || uint(cpu) >= uint(m.width) {
		return 0
	}
	return m.at(uint32(e), cpu)
}

func (m *perCPUHash) Peek(key []byte, cpu int) uint64 { return m.Lookup(key, cpu) }

func (m *perCPUHash) check(present bool, flags uint64) Errno {
	if flags > Exist {
		return EINVAL
	}
	return checkRoom(present, flags, m.count, m.spec)
}

func (m *perCPUHash) UpdateResult(key []byte, flags uint64, cpu int) Errno {
	return m.check(m.find(key) >= 0, flags)
}

func (m *perCPUHash) Update(key, value []byte, flags uint64, cpu int) Errno {
	old := m.find(key)
	if err := m.check(old >= 0, flags); err != OK {
		return err
	}
	if old >= 0 {
		m.put(uint32(old), cpu, value)
	} else {
		e, _ := m.take()
		copy(m.keyOf(e), key)
		m.putNew(e, cpu, value)
		m.insert(e)
	}
	m.wrote(key)
	return OK
}

// UpdateAll is bpf_percpu_hash_update.
func (m *perCPUHash) UpdateAll(key, values []byte, flags uint64) Errno {
	old := m.find(key)
	if err := m.check(old >= 0, flags); err != OK {
		return err
	}
	if old >= 0 {
		m.putAll(uint32(old), values)
	} else {
		e, _ := m.take()
		copy(m.keyOf(e), key)
		m.putAll(e, values)
		m.insert(e)
	}
	m.wrote(key)
	return OK
}

func (m *perCPUHash) Delete(key []byte) Errno {
	e := m.find(key)
	if e < 0 {
		return ENOENT
	}
	m.remove(uint32(e))
	m.give(uint32(e))
	m.wrote(key)
	return OK
}

func (m *perCPUHash) copyFrom(src Map) { m.copyStore(&src.(*perCPUHash).store) }

// IsPerCPU says whether a map of this spec has a value for each CPU.
func IsPerCPU(s *Spec) bool {
	switch s.Type {
	case ebpf.PerCPUArray, ebpf.PerCPUHash, ebpf.LRUCPUHash:
		return true
	}
	return false
}
