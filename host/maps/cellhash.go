package maps

import (
	"encoding/binary"

	"jitnic/host/mem"
)

// hashOfMaps is BPF_MAP_TYPE_HASH_OF_MAPS: its values are map numbers plus 1.
type hashOfMaps struct{ hash }

func newHashOfMaps(s *Spec, a *mem.Arena, index, cpus int) (Map, error) {
	h, err := newHash(s, a, index, cpus)
	if err != nil {
		return nil, err
	}
	return &hashOfMaps{*h.(*hash)}, nil
}

func (m *hashOfMaps) Inner(key []byte) int {
	e := m.find(key)
	if e < 0 {
		return -1
	}
	return int(binary.LittleEndian.Uint32(m.value(uint32(e), 0))) - 1
}

func (m *hashOfMaps) SetInner(key []byte, index int, inner *Spec, flags uint64) Errno {
	if !Fits(m.spec.Inner, inner) {
		return EINVAL
	}
	var v [4]byte
	binary.LittleEndian.PutUint32(v[:], uint32(index+1))
	return m.hash.Update(key, v[:], flags, 0)
}

// Update takes the number of a map plus 1; 0 is a bad file descriptor.
func (m *hashOfMaps) Update(key, value []byte, flags uint64, cpu int) Errno {
	if binary.LittleEndian.Uint32(value) == 0 {
		return EBADF
	}
	return m.hash.Update(key, value, flags, cpu)
}

func (m *hashOfMaps) copyFrom(src Map) { m.hash.copyFrom(&src.(*hashOfMaps).hash) }

func checkHashOfMaps(s *Spec) *CreateError {
	if s.ValueSize != 4 {
		return refuse(s, EINVAL, "value size %d: type %v takes 4", s.ValueSize, s.Type)
	}
	if e := checkHash(s); e != nil {
		return e
	}
	return checkInner(s)
}

// devmapHash is BPF_MAP_TYPE_DEVMAP_HASH: as a devmap's, its values take 8
// bytes whatever ValueSize.
type devmapHash struct {
	hash
	outer *Spec
}

func devmapHashSpec(s *Spec) *Spec {
	in := *s
	in.ValueSize = cellSize
	in.Value = nil
	return &in
}

func devmapHashSize(s *Spec, cpus int) uint64 { return hashSize(devmapHashSpec(s), cpus) }

func newDevmapHash(s *Spec, a *mem.Arena, index, cpus int) (Map, error) {
	h, err := newHash(devmapHashSpec(s), a, index, cpus)
	if err != nil {
		return nil, err
	}
	return &devmapHash{*h.(*hash), s}, nil
}

func (m *devmapHash) Spec() *Spec { return m.outer }

func (m *devmapHash) check(present bool, flags uint64) Errno {
	switch {
	case flags > Exist:
		return EINVAL
	case present && flags&NoExist != 0:
		return EEXIST
	case !present && m.count >= int(m.spec.Max):
		return E2BIG
	}
	return OK
}

func (m *devmapHash) UpdateResult(key []byte, flags uint64, cpu int) Errno {
	return m.check(m.find(key) >= 0, flags)
}

// Update is __dev_map_hash_update_elem: BPF_EXIST makes a new entry, too.
func (m *devmapHash) Update(key, value []byte, flags uint64, cpu int) Errno {
	if flags > Exist || binary.LittleEndian.Uint32(value) == 0 {
		return EINVAL
	}
	if e := m.UpdateResult(key, flags, cpu); e != OK {
		return e
	}
	var v [cellSize]byte
	copy(v[:], value)
	return m.hash.Update(key, v[:], Any, cpu)
}

func (m *devmapHash) Range(f func(key, value []byte) bool) {
	m.hash.Range(func(key, value []byte) bool {
		return f(key, value[:m.outer.ValueSize])
	})
}

func (m *devmapHash) Target(key uint32) (value, prog uint32, ok bool) {
	var k [4]byte
	binary.LittleEndian.PutUint32(k[:], key)
	e := m.find(k[:])
	if e < 0 {
		return 0, 0, false
	}
	v := m.hash.value(uint32(e), 0)
	return binary.LittleEndian.Uint32(v), binary.LittleEndian.Uint32(v[4:]), true
}

func (m *devmapHash) copyFrom(src Map) { m.hash.copyFrom(&src.(*devmapHash).hash) }
