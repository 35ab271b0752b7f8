package maps

import (
	"encoding/binary"
	"math/bits"

	"jitnic/host/mem"
)

// store is the elements of a hash: a key and its value (one for each CPU of a
// per-CPU hash) side by side in flat memory, and an index over those present.
//
//	element e: mem[e*stride:]    key │ pad to 8 │ value of CPU 0 │ pad to 8 │ …
//	slot:      (e+1)<<32 | hash, or 0; linear probing, at most half full
//
// An element that isn't present keeps its bytes until it is used again, as in
// the kernel: a program that holds a pointer to it goes on reading them.
type store struct {
	base
	slots []uint64
	mask  uint32
	count int // slots taken

	live   []bool   // of each element: in the index
	free   []uint32 // elements given back: the last is used next
	fresh  uint32   // elements from here on were never used
	stride uint64
	val    uint64 // where in an element its value begins
	vstep  uint64 // from one CPU's value to the next
	width  int    // values in an element
	ks     uint32 // key size

	special []span
	lock    bool
}

// slotsAtMost is how large an index is made at first: 1 MiB. A larger one
// grows as it fills.
const slotsAtMost = 1 << 17

func storeStride(s *Spec, width int) uint64 {
	return round8(s.KeySize) + round8(s.ValueSize)*uint64(width)
}

// init makes room for n elements of width values.
func (m *store) init(s *Spec, a *mem.Arena, index, cpus, width int, n uint64) error {
	m.base = base{spec: s, cpus: cpus}
	m.ks = s.KeySize
	m.val = round8(s.KeySize)
	m.vstep = round8(s.ValueSize)
	m.width = width
	m.stride = storeStride(s, width)
	m.special, m.lock = specials(s.Value, s.ValueSize)
	if err := m.alloc(a, mem.KindMap, index, n*m.stride); err != nil {
		return err
	}
	slots := uint64(1) << bits.Len64(2*n-1)
	if slots > slotsAtMost {
		slots = slotsAtMost
	}
	m.slots = make([]uint64, slots)
	m.mask = uint32(slots - 1)
	m.live = make([]bool, n)
	m.free = make([]uint32, 0, n)
	return nil
}

// The constants of hashKey, which generated code computes too.
const (
	HashP0 = 0xa0761d6478bd642f
	HashP1 = 0xe7037ed1a0b428db
	HashP2 = 0x8ebc6af09c88c6e3
)

// hashKey mixes a key into 32 bits, the same on every run and machine: a hash
// in the manner of wyhash (128-bit products folded by xor).
func hashKey(key []byte) uint32 {
	const p0, p1, p2 = HashP0, HashP1, HashP2
	var x, y uint64
	switch n := len(key); {
	case n == 4:
		x = uint64(binary.LittleEndian.Uint32(key))
	case n == 8:
		x = binary.LittleEndian.Uint64(key)
	case n == 16:
		x = binary.LittleEndian.Uint64(key)
		y = binary.LittleEndian.Uint64(key[8:])
	case n < 8:
		for i, b := range key {
			x |= uint64(b) << (8 * i)
		}
	default:
		seed := uint64(n)
		rest := key
		for len(rest) > 16 {
			hi, lo := bits.Mul64(binary.LittleEndian.Uint64(rest)^p1, binary.LittleEndian.Uint64(rest[8:])^seed)
			seed = hi ^ lo
			rest = rest[16:]
		}
		// The last 16 bytes, which may overlap those taken, or the 8 to 15
		// there are.
		if n >= 16 {
			x = binary.LittleEndian.Uint64(key[n-16:]) ^ seed
		} else {
			x = binary.LittleEndian.Uint64(key)
		}
		y = binary.LittleEndian.Uint64(key[n-8:])
	}
	hi, lo := bits.Mul64(x^p0, y^p1)
	hi, lo = bits.Mul64(hi^lo^uint64(len(key)), p2)
	return uint32(hi ^ lo)
}

// equal compares the key of element e with key.
func (m *store) equal(e uint32, key []byte) bool {
	p := m.mem[uint64(e)*m.stride:]
	switch len(key) {
	case 4:
		return binary.LittleEndian.Uint32(p) == binary.LittleEndian.Uint32(key)
	case 8:
		return binary.LittleEndian.Uint64(p) == binary.LittleEndian.Uint64(key)
	case 16:
		return binary.LittleEndian.Uint64(p) == binary.LittleEndian.Uint64(key) &&
			binary.LittleEndian.Uint64(p[8:]) == binary.LittleEndian.Uint64(key[8:])
	}
	return string(p[:len(key)]) == string(key)
}

// find returns the element that holds key, or -1.
func (m *store) find(key []byte) int {
	key = key[:m.ks]
	h := hashKey(key)
	for i := h & m.mask; ; i = (i + 1) & m.mask {
		s := m.slots[i&uint32(len(m.slots)-1)]
		if s == 0 {
			return -1
		}
		if e := uint32(s>>32) - 1; uint32(s) == h && m.equal(e, key) {
			return int(e)
		}
	}
}

// insert indexes element e, whose key is written already and in no other.
func (m *store) insert(e uint32) {
	if 2*(m.count+1) > len(m.slots) {
		m.grow()
	}
	h := hashKey(m.keyOf(e))
	i := h & m.mask
	for m.slots[i] != 0 {
		i = (i + 1) & m.mask
	}
	m.slots[i] = uint64(e+1)<<32 | uint64(h)
	m.count++
	m.live[e] = true
}

// slotOf returns where element e is indexed.
func (m *store) slotOf(e uint32) uint32 {
	h := hashKey(m.keyOf(e))
	want := uint64(e+1)<<32 | uint64(h)
	i := h & m.mask
	for m.slots[i] != want {
		i = (i + 1) & m.mask
	}
	return i
}

// replace indexes element e instead of old, which holds the same key.
func (m *store) replace(old, e uint32) {
	i := m.slotOf(old)
	m.slots[i] = uint64(e+1)<<32 | uint64(uint32(m.slots[i]))
	m.live[old] = false
	m.live[e] = true
}

// remove takes element e out of the index. Later members of its run move up,
// so there are no tombstones.
func (m *store) remove(e uint32) {
	i := m.slotOf(e)
	for j := (i + 1) & m.mask; m.slots[j] != 0; j = (j + 1) & m.mask {
		home := uint32(m.slots[j]) & m.mask
		if (j-home)&m.mask >= (j-i)&m.mask {
			m.slots[i] = m.slots[j]
			i = j
		}
	}
	m.slots[i] = 0
	m.count--
	m.live[e] = false
}

// grow doubles the index.
func (m *store) grow() {
	old := m.slots
	m.slots = make([]uint64, 2*len(old))
	m.mask = uint32(len(m.slots) - 1)
	for _, s := range old {
		if s == 0 {
			continue
		}
		i := uint32(s) & m.mask
		for m.slots[i] != 0 {
			i = (i + 1) & m.mask
		}
		m.slots[i] = s
	}
}

// take returns an unused element, or false: the one given back last, as in
// the kernel's free lists, and else one never used.
func (m *store) take() (uint32, bool) {
	if n := len(m.free); n > 0 {
		e := m.free[n-1]
		m.free = m.free[:n-1]
		return e, true
	}
	if int(m.fresh) == len(m.live) {
		return 0, false
	}
	m.fresh++
	return m.fresh - 1, true
}

// give takes back an element.
func (m *store) give(e uint32) { m.free = append(m.free, e) }

// keyOf is element e's key.
func (m *store) keyOf(e uint32) []byte {
	off := uint64(e) * m.stride
	return m.mem[off : off+uint64(m.ks) : off+uint64(m.ks)]
}

// value is element e's value of CPU cpu.
func (m *store) value(e uint32, cpu int) []byte {
	off := uint64(e)*m.stride + m.val + uint64(cpu)*m.vstep
	return m.mem[off : off+uint64(m.spec.ValueSize)]
}

// at is the address of element e's value of CPU cpu.
func (m *store) at(e uint32, cpu int) uint64 {
	return m.addr + uint64(e)*m.stride + m.val + uint64(cpu)*m.vstep
}

// put writes element e's value of CPU cpu.
func (m *store) put(e uint32, cpu int, value []byte) {
	copyAround(m.value(e, cpu), value, m.special)
}

// putNew writes the values of an element that becomes present by an update on
// one CPU: the other CPUs' are zeroed (pcpu_init_value).
func (m *store) putNew(e uint32, cpu int, value []byte) {
	if m.width == 1 {
		m.put(e, 0, value)
		return
	}
	for c := range m.width {
		if c == cpu {
			m.put(e, c, value)
			continue
		}
		v := m.value(e, c)
		if len(m.special) == 0 {
			clear(v)
			continue
		}
		at := uint32(0)
		for _, s := range m.special {
			clear(v[at:s.off])
			at = s.off + s.size
		}
		clear(v[at:])
	}
}

// putAll writes every CPU's value.
func (m *store) putAll(e uint32, values []byte) {
	for c := range m.width {
		m.put(e, c, values[uint64(c)*m.vstep:][:m.spec.ValueSize])
	}
}

func (m *store) wrote(key []byte) {
	if m.onWrite != nil {
		m.onWrite(key)
	}
}

func (m *store) Len() int { return m.count }

func (m *store) Range(f func(key, value []byte) bool) {
	size := uint64(m.spec.ValueSize)
	if m.isPerCPU() {
		size = m.vstep * uint64(m.width)
	}
	for e := uint32(0); e < uint32(len(m.live)); e++ {
		if e >= m.fresh {
			return
		}
		if !m.live[e] {
			continue
		}
		off := uint64(e)*m.stride + m.val
		if !f(m.keyOf(e), m.mem[off:off+size:off+size]) {
			return
		}
	}
}

// KeyAt is the key that Range comes to after n others, or nil where there aren't so
// many entries; m must be a hash. It is good until the map is changed.
func KeyAt(m Map, n uint64) []byte {
	h, ok := m.(interface{ keyAt(n uint64) []byte })
	if !ok {
		return nil
	}
	return h.keyAt(n)
}

func (m *store) keyAt(n uint64) []byte {
	for e, live := range m.live[:m.fresh] {
		if !live {
			continue
		}
		if n == 0 {
			return m.keyOf(uint32(e))
		}
		n--
	}
	return nil
}

func (m *store) isPerCPU() bool { return IsPerCPU(m.spec) }

// KeyOf implements Owner.
func (m *store) KeyOf(addr uint64) []byte {
	e := (addr - m.addr) / m.stride
	if e >= uint64(len(m.live)) || !m.live[e] || (addr-m.addr)%m.stride < m.val {
		return nil
	}
	return m.keyOf(uint32(e))
}

// ValueOf implements Owner.
func (m *store) ValueOf(addr uint64) uint64 {
	off := addr - m.addr
	e, in := off/m.stride, off%m.stride
	if e >= uint64(len(m.live)) || in < m.val {
		return 0
	}
	return addr - (in-m.val)%m.vstep
}

// copyStore takes over all of o.
func (m *store) copyStore(o *store) {
	used := max(m.fresh, o.fresh)
	copy(m.mem[:uint64(used)*m.stride], o.mem)
	if len(m.slots) != len(o.slots) {
		m.slots = make([]uint64, len(o.slots))
	}
	copy(m.slots, o.slots)
	m.mask = o.mask
	m.count = o.count
	copy(m.live, o.live)
	m.free = append(m.free[:0], o.free...)
	m.fresh = o.fresh
}
