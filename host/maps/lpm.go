package maps

import (
	"encoding/binary"
	"math/bits"

	"jitnic/host/mem"
)

// lpm is a longest-prefix-match trie (kernel/bpf/lpm_trie.c): keys are a u32
// prefix length in host byte order and the prefix, first bit first.
//
// The trie is path-compressed: a node's children are longer prefixes of its
// own. A node is a number; an intermediate one has two children and no value.
//
//	node n: mem[n*stride:]   length │ prefix │ pad to 8 │ value
//	        nodes[n]         the prefix's first 64 bits, length, children
//
// An update replaces the node, and the old value lives on for who holds a
// pointer to it. The kernel waits for an RCU grace period before it uses the
// old node again; here as many as lpmSlack others are used first.
type lpm struct {
	base
	nodes   []lpmNode // of those ever used
	root    uint32    // node+1, or 0
	count   int
	freed   []uint32 // a ring of nodes given back, the oldest used first
	freedAt int
	freedN  int
	stride  uint64
	val     uint64
	data    int    // bytes of prefix
	maxBits uint32 // 8*data
}

type lpmNode struct {
	first uint64 // the prefix's first 64 bits
	bits  uint32
	state lpmState
	child [2]uint32 // node+1, or 0
}

type lpmState uint8

const (
	lpmUnused lpmState = iota
	lpmEntry
	lpmInner // an intermediate node
)

// lpmSlack is how many nodes there are beyond what a full trie needs.
const lpmSlack = 256

func lpmNodes(s *Spec) uint64 { return 2*uint64(s.Max) + lpmSlack }

func lpmSize(s *Spec, cpus int) uint64 { return lpmNodes(s) * storeStride(s, 1) }

func newLPM(s *Spec, a *mem.Arena, index, cpus int) (Map, error) {
	m := &lpm{
		base: base{spec: s, cpus: cpus}, stride: storeStride(s, 1), val: round8(s.KeySize),
		data: int(s.KeySize) - 4, maxBits: 8 * (s.KeySize - 4),
	}
	if err := m.alloc(a, mem.KindMap, index, lpmSize(s, cpus)); err != nil {
		return nil, err
	}
	n := lpmNodes(s)
	m.nodes = make([]lpmNode, 0, n)
	m.freed = make([]uint32, n)
	return m, nil
}

// first64 is the first 64 bits of a prefix, or all there are, from the top.
func first64(data []byte) uint64 {
	switch {
	case len(data) >= 8:
		return binary.BigEndian.Uint64(data)
	case len(data) == 4:
		return uint64(binary.BigEndian.Uint32(data)) << 32
	}
	var x uint64
	for i, b := range data {
		x |= uint64(b) << (56 - 8*i)
	}
	return x
}

// match is how many leading bits node n and a key have in common, at most the
// shorter's length.
func (m *lpm) match(n *lpmNode, at uint32, first uint64, data []byte, keyBits uint32) uint32 {
	limit := min(n.bits, keyBits)
	same := uint32(bits.LeadingZeros64(n.first ^ first))
	if same >= limit || same < 64 {
		return min(same, limit)
	}
	// Rare: more than 64 bits of prefix.
	node := m.keyOf(at)[4:]
	for i := 8; i < m.data; i++ {
		if x := node[i] ^ data[i]; x != 0 {
			return min(same+uint32(bits.LeadingZeros8(x)), limit)
		}
		if same += 8; same >= limit {
			return limit
		}
	}
	return min(same, limit)
}

func (m *lpm) bit(first uint64, data []byte, i uint32) uint32 {
	if i < 64 {
		return uint32(first >> (63 - i) & 1)
	}
	return uint32(data[i/8] >> (7 - i%8) & 1)
}

func (m *lpm) keyOf(n uint32) []byte {
	off := uint64(n) * m.stride
	return m.mem[off : off+uint64(m.spec.KeySize) : off+uint64(m.spec.KeySize)]
}

func (m *lpm) value(n uint32) []byte {
	off := uint64(n)*m.stride + m.val
	return m.mem[off : off+uint64(m.spec.ValueSize) : off+uint64(m.spec.ValueSize)]
}

func (m *lpm) Lookup(key []byte, cpu int) uint64 {
	keyBits := binary.LittleEndian.Uint32(key)
	if keyBits > m.maxBits {
		return 0
	}
	data := key[4:]
	first := first64(data)
	found := uint32(0)
	for at := m.root; at != 0; {
		n := &m.nodes[at-1]
		same := m.match(n, at-1, first, data, keyBits)
		if same < n.bits {
			break
		}
		if n.state == lpmEntry {
			found = at
		}
		if same == m.maxBits {
			break
		}
		at = n.child[m.bit(first, data, n.bits)]
	}
	if found == 0 {
		return 0
	}
	return m.addr + uint64(found-1)*m.stride + m.val
}

func (m *lpm) Peek(key []byte, cpu int) uint64 { return m.Lookup(key, cpu) }

// walk finds the link where key's node is or would be put: a pointer to the
// link, and to the two before it.
func (m *lpm) walk(key []byte) (link *uint32, above *uint32, parent uint32, same uint32) {
	keyBits := binary.LittleEndian.Uint32(key)
	data := key[4:]
	first := first64(data)
	link = &m.root
	for *link != 0 {
		n := &m.nodes[*link-1]
		same = m.match(n, *link-1, first, data, keyBits)
		if n.bits != same || n.bits == keyBits {
			return link, above, parent, same
		}
		above, parent = link, *link
		link = &n.child[m.bit(first, data, n.bits)]
	}
	return link, above, parent, same
}

func (m *lpm) check(at, same uint32, flags uint64) Errno {
	if at != 0 {
		if n := &m.nodes[at-1]; n.bits == same && n.state == lpmEntry {
			if flags == NoExist {
				return EEXIST
			}
			return OK
		}
	}
	if flags == Exist {
		return ENOENT
	}
	if m.count == int(m.spec.Max) {
		return ENOSPC
	}
	return OK
}

func (m *lpm) UpdateResult(key []byte, flags uint64, cpu int) Errno {
	if flags > Exist || binary.LittleEndian.Uint32(key) > m.maxBits {
		return EINVAL
	}
	link, _, _, same := m.walk(key)
	return m.check(*link, same, flags)
}

// take returns an unused node: a fresh one while there is one, else the one
// given back the longest ago.
func (m *lpm) take() uint32 {
	if n := len(m.nodes); n < cap(m.nodes) {
		m.nodes = m.nodes[:n+1]
		return uint32(n)
	}
	n := m.freed[m.freedAt]
	m.freedAt = (m.freedAt + 1) % len(m.freed)
	m.freedN--
	return n
}

func (m *lpm) give(n uint32) {
	m.nodes[n].state = lpmUnused
	m.freed[(m.freedAt+m.freedN)%len(m.freed)] = n
	m.freedN++
}

func (m *lpm) Update(key, value []byte, flags uint64, cpu int) Errno {
	keyBits := binary.LittleEndian.Uint32(key)
	if flags > Exist || keyBits > m.maxBits {
		return EINVAL
	}
	link, _, _, same := m.walk(key)
	if e := m.check(*link, same, flags); e != OK {
		return e
	}
	made := m.take() // nodes never move: link stays good
	copy(m.keyOf(made), key)
	copy(m.value(made), value)
	data := m.keyOf(made)[4:]
	nn := &m.nodes[made]
	*nn = lpmNode{first: first64(data), bits: keyBits, state: lpmEntry}

	at := *link
	switch {
	case at == 0:
		*link = made + 1
		m.count++
	case m.nodes[at-1].bits == same: // the same prefix
		old := &m.nodes[at-1]
		if old.state == lpmInner {
			m.count++
		}
		nn.child = old.child
		*link = made + 1
		m.give(at - 1)
	case same == keyBits: // a shorter one: becomes the parent
		old := &m.nodes[at-1]
		nn.child[m.bit(old.first, m.keyOf(at - 1)[4:], same)] = at
		*link = made + 1
		m.count++
	default: // they part ways: an intermediate node holds both
		old := &m.nodes[at-1]
		im := m.take()
		copy(m.keyOf(im), m.keyOf(at-1))
		binary.LittleEndian.PutUint32(m.keyOf(im), same)
		in := &m.nodes[im]
		*in = lpmNode{first: old.first, bits: same, state: lpmInner}
		b := m.bit(nn.first, data, same)
		in.child[b] = made + 1
		in.child[1-b] = at
		*link = im + 1
		m.count++
	}
	if m.onWrite != nil {
		m.onWrite(key)
	}
	return OK
}

func (m *lpm) Delete(key []byte) Errno {
	keyBits := binary.LittleEndian.Uint32(key)
	if keyBits > m.maxBits {
		return EINVAL
	}
	link, above, parent, same := m.walk(key)
	at := *link
	if at == 0 {
		return ENOENT
	}
	n := &m.nodes[at-1]
	if n.bits != keyBits || n.bits != same || n.state != lpmEntry {
		return ENOENT
	}
	m.count--
	switch {
	case n.child[0] != 0 && n.child[1] != 0:
		n.state = lpmInner
	case parent != 0 && m.nodes[parent-1].state == lpmInner && n.child[0] == 0 && n.child[1] == 0:
		p := &m.nodes[parent-1]
		if p.child[0] == at {
			*above = p.child[1]
		} else {
			*above = p.child[0]
		}
		m.give(parent - 1)
		m.give(at - 1)
	default:
		*link = n.child[0] | n.child[1] // at most one is set
		m.give(at - 1)
	}
	if m.onWrite != nil {
		m.onWrite(key)
	}
	return OK
}

func (m *lpm) Len() int { return m.count }

func (m *lpm) Range(f func(key, value []byte) bool) {
	for n := range m.nodes {
		if m.nodes[n].state == lpmEntry && !f(m.keyOf(uint32(n)), m.value(uint32(n))) {
			return
		}
	}
}

// exact is the value of key itself, not of its longest prefix.
func (m *lpm) exact(key []byte) []byte {
	if binary.LittleEndian.Uint32(key) > m.maxBits {
		return nil
	}
	link, _, _, same := m.walk(key)
	if *link == 0 {
		return nil
	}
	n := &m.nodes[*link-1]
	if n.state != lpmEntry || n.bits != same || n.bits != binary.LittleEndian.Uint32(key) {
		return nil
	}
	return m.value(*link - 1)
}

func (m *lpm) KeyOf(addr uint64) []byte {
	n := (addr - m.addr) / m.stride
	if n >= uint64(len(m.nodes)) || m.nodes[n].state != lpmEntry || (addr-m.addr)%m.stride < m.val {
		return nil
	}
	return m.keyOf(uint32(n))
}

func (m *lpm) ValueOf(addr uint64) uint64 {
	n, in := (addr-m.addr)/m.stride, (addr-m.addr)%m.stride
	if n >= uint64(len(m.nodes)) || in < m.val {
		return 0
	}
	return addr - in + m.val
}

func (m *lpm) copyFrom(src Map) {
	o := src.(*lpm)
	copy(m.mem, o.mem[:uint64(len(o.nodes))*m.stride])
	m.nodes = append(m.nodes[:0], o.nodes...)
	m.root, m.count = o.root, o.count
	copy(m.freed, o.freed)
	m.freedAt, m.freedN = o.freedAt, o.freedN
}

func checkLPM(s *Spec) *CreateError {
	const flags = FlagNoPrealloc | FlagNumaNode | accessMask
	const node = 40 // sizeof(struct lpm_trie_node)
	switch {
	case s.Max == 0:
		return refuse(s, EINVAL, "max entries 0: want at least 1")
	case s.Flags&FlagNoPrealloc == 0:
		return refuse(s, EINVAL, "flags %#x: an LPM trie needs BPF_F_NO_PREALLOC", s.Flags)
	}
	if e := checkFlagsOf(s, flags); e != nil {
		return e
	}
	switch {
	case s.KeySize < 5 || s.KeySize > 260:
		return refuse(s, EINVAL, "key size %d: want 5 to 260", s.KeySize)
	case s.ValueSize == 0 || s.ValueSize > kmallocMax-256-node:
		return refuse(s, EINVAL, "value size %d: want 1 to %d", s.ValueSize, kmallocMax-256-node)
	}
	return nil
}
