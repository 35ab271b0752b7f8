package maps

import (
	"encoding/binary"

	"jitnic/host/mem"

	"github.com/cilium/ebpf"
)

// array is an array or per-CPU array (kernel/bpf/arraymap.c): all values
// exist, from the start and for ever. Value i of CPU c lies at
// (i*width+c)*stride, width being the CPUs of a per-CPU array and else 1.
type array struct {
	base
	stride  uint64 // ValueSize rounded up to 8
	width   uint64
	special []span
	lock    bool
	key     [4]byte // what KeyOf and Range hand out
}

func arraySize(s *Spec, cpus int) uint64 {
	n := round8(s.ValueSize) * uint64(s.Max)
	if s.Type == ebpf.PerCPUArray {
		n *= uint64(cpus)
	}
	return n
}

func newArray(s *Spec, a *mem.Arena, index, cpus int) (Map, error) {
	m := &array{base: base{spec: s, cpus: cpus}, stride: round8(s.ValueSize), width: 1}
	m.special, m.lock = specials(s.Value, s.ValueSize)
	if err := m.alloc(a, mem.KindMap, index, arraySize(s, cpus)); err != nil {
		return nil, err
	}
	if s.Type == ebpf.PerCPUArray {
		m.width = uint64(cpus)
		return &perCPUArray{*m}, nil
	}
	return m, nil
}

func (m *array) Lookup(key []byte, cpu int) uint64 {
	i := binary.LittleEndian.Uint32(key)
	if i >= m.spec.Max {
		return 0
	}
	return m.addr + uint64(i)*m.stride
}

func (m *array) Peek(key []byte, cpu int) uint64 { return m.Lookup(key, cpu) }

func (m *array) UpdateResult(key []byte, flags uint64, cpu int) Errno {
	switch {
	case flags&^Lock > Exist:
		return EINVAL
	case binary.LittleEndian.Uint32(key) >= m.spec.Max:
		return E2BIG
	case flags&NoExist != 0:
		return EEXIST
	case flags&Lock != 0 && !m.lock:
		return EINVAL
	}
	return OK
}

func (m *array) Update(key, value []byte, flags uint64, cpu int) Errno {
	if e := m.UpdateResult(key, flags, cpu); e != OK {
		return e
	}
	i := binary.LittleEndian.Uint32(key)
	m.put(uint64(i)*m.stride, value)
	if m.onWrite != nil {
		m.onWrite(key)
	}
	return OK
}

func (m *array) put(off uint64, value []byte) {
	copyAround(m.mem[off:off+uint64(m.spec.ValueSize)], value, m.special)
}

func (m *array) Delete(key []byte) Errno { return EINVAL }

func (m *array) Len() int { return int(m.spec.Max) }

func (m *array) Range(f func(key, value []byte) bool) {
	size := uint64(m.spec.ValueSize)
	if m.width > 1 || m.spec.Type == ebpf.PerCPUArray {
		size = m.stride * m.width
	}
	var key [4]byte
	k := key[:]
	for i := uint64(0); i < uint64(m.spec.Max); i++ {
		binary.LittleEndian.PutUint32(k, uint32(i))
		off := i * m.width * m.stride
		if !f(k, m.mem[off:off+size:off+size]) {
			return
		}
	}
}

func (m *array) KeyOf(addr uint64) []byte {
	off := addr - m.addr
	if off >= uint64(len(m.mem)) {
		return nil
	}
	binary.LittleEndian.PutUint32(m.key[:], uint32(off/(m.stride*m.width)))
	return m.key[:]
}

func (m *array) ValueOf(addr uint64) uint64 {
	off := addr - m.addr
	if off >= uint64(len(m.mem)) {
		return 0
	}
	return addr - off%m.stride
}

func (m *array) copyFrom(src Map) { copy(m.mem, src.(*array).mem) }

// perCPUArray is an array with a value for each CPU.
type perCPUArray struct{ array }

func (m *perCPUArray) Lookup(key []byte, cpu int) uint64 {
	i := binary.LittleEndian.Uint32(key)
	if i >= m.spec.Max || uint(cpu) >= uint(m.width) {
		return 0
	}
	return m.addr + (uint64(i)*m.width+uint64(cpu))*m.stride
}

func (m *perCPUArray) Peek(key []byte, cpu int) uint64 { return m.Lookup(key, cpu) }

func (m *perCPUArray) Update(key, value []byte, flags uint64, cpu int) Errno {
	if e := m.UpdateResult(key, flags, cpu); e != OK {
		return e
	}
	i := binary.LittleEndian.Uint32(key)
	m.put((uint64(i)*m.width+uint64(cpu))*m.stride, value)
	if m.onWrite != nil {
		m.onWrite(key)
	}
	return OK
}

// UpdateAll is bpf_percpu_array_update.
func (m *perCPUArray) UpdateAll(key, values []byte, flags uint64) Errno {
	i := uint64(binary.LittleEndian.Uint32(key))
	switch {
	case flags > Exist:
		return EINVAL
	case i >= uint64(m.spec.Max):
		return E2BIG
	case flags == NoExist:
		return EEXIST
	}
	for c := uint64(0); c < m.width; c++ {
		m.put((i*m.width+c)*m.stride, values[c*m.stride:][:m.spec.ValueSize])
	}
	if m.onWrite != nil {
		m.onWrite(key)
	}
	return OK
}

func (m *perCPUArray) copyFrom(src Map) { copy(m.mem, src.(*perCPUArray).mem) }
