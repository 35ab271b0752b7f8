package maps

import (
	"bytes"
	"fmt"

	"jitnic/host/mem"

	"github.com/cilium/ebpf"
)

// Queue is met by queues, stacks and bloom filters, which have no keys.
// Their Update is a push, as in bpf(2).
type Queue interface {
	Map
	// PushElem is bpf_map_push_elem.
	PushElem(value []byte, flags uint64) Errno
	// PopElem is bpf_map_pop_elem: it fills dst, with zeros when it fails.
	PopElem(dst []byte) Errno
	// PeekElem is bpf_map_peek_elem: it fills dst; of a bloom filter, dst is
	// the value asked about.
	PeekElem(dst []byte) Errno
}

// Elements is met by queues and stacks.
type Elements interface {
	Queue
	// Elem is the element at a place counted from the oldest, or nil: good until the
	// map is changed.
	Elem(at uint64) []byte
}

// queue is a queue or stack (kernel/bpf/queue_stack_maps.c): a ring of one
// element more than it holds.
type queue struct {
	base
	head, tail uint64 // where the next is put; the oldest
	size       uint64 // Max + 1
	stride     uint64
	stack      bool
}

func queueSize(s *Spec, cpus int) uint64 { return (uint64(s.Max) + 1) * round8(s.ValueSize) }

func newQueue(s *Spec, a *mem.Arena, index, cpus int) (Map, error) {
	m := &queue{base: base{spec: s, cpus: cpus}, size: uint64(s.Max) + 1,
		stride: round8(s.ValueSize), stack: s.Type == ebpf.Stack}
	if err := m.alloc(a, mem.KindMap, index, queueSize(s, cpus)); err != nil {
		return nil, err
	}
	return m, nil
}

func (m *queue) elem(i uint64) []byte {
	return m.mem[i*m.stride:][:m.spec.ValueSize:m.spec.ValueSize]
}

func (m *queue) next(i uint64) uint64 {
	if i++; i == m.size {
		return 0
	}
	return i
}

func (m *queue) PushElem(value []byte, flags uint64) Errno {
	if e := m.UpdateResult(nil, flags, 0); e != OK {
		return e
	}
	if m.next(m.head) == m.tail { // BPF_EXIST: the oldest makes room
		m.tail = m.next(m.tail)
	}
	copy(m.elem(m.head), value)
	m.head = m.next(m.head)
	m.wrote()
	return OK
}

func (m *queue) wrote() {
	if m.onWrite != nil {
		m.onWrite(nil)
	}
}

// top is the element that Pop takes; there is one.
func (m *queue) top() uint64 {
	switch {
	case !m.stack:
		return m.tail
	case m.head == 0:
		return m.size - 1
	}
	return m.head - 1
}

func (m *queue) PeekElem(dst []byte) Errno {
	if m.head == m.tail {
		clear(dst)
		return ENOENT
	}
	copy(dst, m.elem(m.top()))
	return OK
}

func (m *queue) PopElem(dst []byte) Errno {
	if e := m.PeekElem(dst); e != OK {
		return e
	}
	if m.stack {
		m.head = m.top()
	} else {
		m.tail = m.next(m.tail)
	}
	m.wrote()
	return OK
}

func (m *queue) Elem(at uint64) []byte {
	if at >= uint64(m.Len()) {
		return nil
	}
	return m.elem((m.tail + at) % m.size)
}

func (m *queue) UpdateResult(key []byte, flags uint64, cpu int) Errno {
	switch {
	case flags&NoExist != 0 || flags > Exist:
		return EINVAL
	case m.next(m.head) == m.tail && flags&Exist == 0:
		return E2BIG
	}
	return OK
}

func (m *queue) Update(key, value []byte, flags uint64, cpu int) Errno {
	return m.PushElem(value, flags)
}

func (m *queue) Lookup(key []byte, cpu int) uint64 { return 0 }
func (m *queue) Peek(key []byte, cpu int) uint64   { return 0 }
func (m *queue) Delete(key []byte) Errno           { return EINVAL }

func (m *queue) Len() int { return int((m.head + m.size - m.tail) % m.size) }

// Range goes from the oldest to the newest: pushing in this order makes the
// same queue or stack again.
func (m *queue) Range(f func(key, value []byte) bool) {
	for i := m.tail; i != m.head; i = m.next(i) {
		if !f(nil, m.elem(i)) {
			return
		}
	}
}

func (m *queue) copyFrom(src Map) {
	o := src.(*queue)
	copy(m.mem, o.mem)
	m.head, m.tail = o.head, o.tail
}

func (m *queue) equal(b Map) string {
	o := b.(*queue)
	i, j := m.tail, o.tail
	for n := 0; i != m.head && j != o.head; n++ {
		if !bytes.Equal(m.elem(i), o.elem(j)) {
			return fmt.Sprintf("element %d from the oldest: %s, other %s", n, short(m.elem(i)), short(o.elem(j)))
		}
		i, j = m.next(i), o.next(j)
	}
	if m.Len() != o.Len() {
		return fmt.Sprintf("%d elements, other %d", m.Len(), o.Len())
	}
	return ""
}

func checkQueue(s *Spec) *CreateError {
	switch {
	case s.Max == 0:
		return refuse(s, EINVAL, "max entries 0: want at least 1")
	case s.KeySize != 0:
		return refuse(s, EINVAL, "key size %d: type %v has no keys", s.KeySize, s.Type)
	case s.ValueSize == 0:
		return refuse(s, EINVAL, "value size 0: want at least 1")
	}
	if e := checkFlagsOf(s, FlagNumaNode|accessMask); e != nil {
		return e
	}
	if s.ValueSize > kmallocMax {
		return refuse(s, E2BIG, "value size %d: at most %d", s.ValueSize, kmallocMax)
	}
	return nil
}
