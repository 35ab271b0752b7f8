package maps

import (
	"jitnic/host/mem"
)

// lruHash is an LRU hash (htab_lru_map_*). Room for the new element is made
// before anything is checked, as in the kernel: an update that then fails with
// EEXIST may have evicted an element all the same, and one with BPF_EXIST may
// evict the very element it was to replace and fail with ENOENT.
type lruHash struct {
	store
	lru *lru
}

// lruMax is how many entries the map holds: with a list for each CPU every
// list gets as many.
func lruMax(s *Spec, cpus int) uint32 {
	if s.Flags&FlagNoCommonLRU == 0 {
		return s.Max
	}
	c := uint32(cpus)
	if up := (uint64(s.Max) + uint64(c) - 1) / uint64(c) * uint64(c); up <= 1<<32-1 {
		return uint32(up)
	}
	return s.Max / c * c
}

func lruHashSize(s *Spec, cpus int) uint64 {
	width := 1
	if IsPerCPU(s) {
		width = cpus
	}
	return uint64(lruMax(s, cpus)) * storeStride(s, width)
}

func newLRUHash(s *Spec, a *mem.Arena, index, cpus int) (Map, error) {
	m := &lruHash{}
	return m, m.setup(s, a, index, cpus, 1)
}

func (m *lruHash) setup(s *Spec, a *mem.Arena, index, cpus, width int) error {
	n := lruMax(s, cpus)
	if err := m.init(s, a, index, cpus, width, uint64(n)); err != nil {
		return err
	}
	m.fresh = n // the lists hand elements out, not the store
	m.free = nil
	m.lru = newLRU(n, cpus, s.Flags&FlagNoCommonLRU == 0, m.evicted)
	return nil
}

// evicted is htab_lru_map_delete_node.
func (m *lruHash) evicted(node uint32) {
	m.remove(node)
	if m.onWrite != nil {
		m.onWrite(m.keyOf(node))
	}
}

func (m *lruHash) Lookup(key []byte, cpu int) uint64 {
	e := m.find(key)
	if e < 0 || uint(cpu) >= uint(m.cpus) {
		return 0
	}
	m.lru.ref[e] = true
	if m.width == 1 {
		cpu = 0
	}
	return m.at(uint32(e), cpu)
}

func (m *lruHash) Peek(key []byte, cpu int) uint64 {
	e := m.find(key)
	if e < 0 || uint(cpu) >= uint(m.cpus) {
		return 0
	}
	if m.width == 1 {
		cpu = 0
	}
	return m.at(uint32(e), cpu)
}

func (m *lruHash) UpdateResult(key []byte, flags uint64, cpu int) Errno {
	if flags > Exist {
		return EINVAL
	}
	old := m.find(key)
	if old < 0 || flags == Any {
		return checkFlags(old >= 0, flags)
	}
	return checkFlags(!m.lru.evicts(uint32(old), cpu), flags)
}

func (m *lruHash) Update(key, value []byte, flags uint64, cpu int) Errno {
	if flags > Exist {
		return EINVAL
	}
	node := m.lru.pop(cpu)
	if node < 0 {
		return ENOMEM
	}
	e := uint32(node)
	copy(m.keyOf(e), key)
	m.put(e, 0, value)
	old := m.find(key)
	if err := checkFlags(old >= 0, flags); err != OK {
		m.lru.push(e)
		return err
	}
	if old >= 0 {
		m.lru.setRef(e, true)
		m.replace(uint32(old), e)
		m.lru.push(uint32(old))
	} else {
		m.insert(e)
	}
	m.wrote(key)
	return OK
}

func (m *lruHash) Delete(key []byte) Errno {
	e := m.find(key)
	if e < 0 {
		return ENOENT
	}
	m.remove(uint32(e))
	m.lru.push(uint32(e))
	m.wrote(key)
	return OK
}

func (m *lruHash) copyFrom(src Map) {
	o := src.(*lruHash)
	m.copyStore(&o.store)
	m.lru.copyFrom(o.lru)
}

// lruPerCPUHash is an LRU hash with a value for each CPU
// (htab_lru_percpu_map_*). Updates write in place, but room is made first
// unless the flag is BPF_EXIST.
type lruPerCPUHash struct{ lruHash }

func newLRUPerCPUHash(s *Spec, a *mem.Arena, index, cpus int) (Map, error) {
	m := &lruPerCPUHash{}
	return m, m.setup(s, a, index, cpus, cpus)
}

func (m *lruPerCPUHash) UpdateResult(key []byte, flags uint64, cpu int) Errno {
	if flags == Exist {
		return checkFlags(m.find(key) >= 0, flags)
	}
	return m.lruHash.UpdateResult(key, flags, cpu)
}

func (m *lruPerCPUHash) Update(key, value []byte, flags uint64, cpu int) Errno {
	return m.update(key, value, flags, cpu, false)
}

// UpdateAll is bpf_percpu_hash_update, made on CPU 0.
func (m *lruPerCPUHash) UpdateAll(key, values []byte, flags uint64) Errno {
	return m.update(key, values, flags, 0, true)
}

func (m *lruPerCPUHash) update(key, value []byte, flags uint64, cpu int, all bool) Errno {
	if flags > Exist {
		return EINVAL
	}
	node := -1
	if flags != Exist {
		if node = m.lru.pop(cpu); node < 0 {
			return ENOMEM
		}
		copy(m.keyOf(uint32(node)), key)
	}
	old := m.find(key)
	if err := checkFlags(old >= 0, flags); err != OK {
		if node >= 0 {
			m.lru.push(uint32(node))
		}
		return err
	}
	switch {
	case old >= 0:
		m.lru.setRef(uint32(old), true)
		if all {
			m.putAll(uint32(old), value)
		} else {
			m.put(uint32(old), cpu, value)
		}
		if node >= 0 {
			m.lru.push(uint32(node))
		}
	case all:
		m.putAll(uint32(node), value)
		m.insert(uint32(node))
	default:
		m.putNew(uint32(node), cpu, value)
		m.insert(uint32(node))
	}
	m.wrote(key)
	return OK
}

func (m *lruPerCPUHash) copyFrom(src Map) {
	o := src.(*lruPerCPUHash)
	m.copyStore(&o.store)
	m.lru.copyFrom(o.lru)
}
