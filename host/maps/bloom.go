package maps

import (
	"bytes"
	"encoding/binary"
	"math/bits"

	"jitnic/host/mem"
)

// bloom is a bloom filter (kernel/bpf/bloom_filter.c). It hashes as the kernel
// does under BPF_F_ZERO_SEED, so its false positives are the same; without the
// flag the kernel draws a seed and ours are as good as any other.
type bloom struct {
	base
	mask   uint32 // bits - 1
	hashes uint32
}

// Bits is met by bloom filters: their whole state, one bit per position.
type Bits interface {
	Map
	Bits() []byte
}

func bloomHashes(s *Spec) uint32 {
	if n := uint32(s.Extra & 15); n != 0 {
		return n
	}
	return 5
}

// bloomMask is the number of bits less one: n·k/ln 2 with 7/5 for 1/ln 2,
// rounded up to a power of two.
func bloomMask(s *Spec) uint32 {
	hi, n := bits.Mul32(s.Max, bloomHashes(s))
	if hi != 0 {
		return 1<<32 - 1
	}
	if hi, n = bits.Mul32(n/5, 7); hi != 0 || n > 1<<31 {
		return 1<<32 - 1
	}
	if n <= 64 {
		return 63
	}
	return uint32(1)<<bits.Len32(n-1) - 1
}

func bloomSize(s *Spec, cpus int) uint64 { return (uint64(bloomMask(s)) + 1) / 8 }

func newBloom(s *Spec, a *mem.Arena, index, cpus int) (Map, error) {
	m := &bloom{base: base{spec: s, cpus: cpus}, mask: bloomMask(s), hashes: bloomHashes(s)}
	if err := m.alloc(a, mem.KindMap, index, bloomSize(s, cpus)); err != nil {
		return nil, err
	}
	return m, nil
}

func (m *bloom) PushElem(value []byte, flags uint64) Errno {
	if flags != Any {
		return EINVAL
	}
	for i := range m.hashes {
		h := jhash(value, i) & m.mask
		m.mem[h/8] |= 1 << (h % 8)
	}
	if m.onWrite != nil {
		m.onWrite(nil)
	}
	return OK
}

func (m *bloom) PeekElem(value []byte) Errno {
	for i := range m.hashes {
		h := jhash(value, i) & m.mask
		if m.mem[h/8]>>(h%8)&1 == 0 {
			return ENOENT
		}
	}
	return OK
}

// HasAfter says whether a bloom filter would have a value after values, one behind
// the other in pushed, were put in.
func HasAfter(m Map, value, pushed []byte) bool {
	f, ok := m.(*bloom)
	return ok && f.hasAfter(value, pushed)
}

func (m *bloom) hasAfter(value, pushed []byte) bool {
	for i := range m.hashes {
		h := jhash(value, i) & m.mask
		if m.mem[h/8]>>(h%8)&1 == 0 && !m.sets(h, pushed, len(value)) {
			return false
		}
	}
	return true
}

// sets says whether putting in values of n bytes sets bit h.
func (m *bloom) sets(h uint32, values []byte, n int) bool {
	for ; len(values) >= n && n > 0; values = values[n:] {
		for i := range m.hashes {
			if jhash(values[:n], i)&m.mask == h {
				return true
			}
		}
	}
	return false
}

func (m *bloom) PopElem(dst []byte) Errno { return EOPNOTSUPP }

func (m *bloom) UpdateResult(key []byte, flags uint64, cpu int) Errno {
	if flags != Any {
		return EINVAL
	}
	return OK
}

func (m *bloom) Update(key, value []byte, flags uint64, cpu int) Errno {
	return m.PushElem(value, flags)
}

func (m *bloom) Lookup(key []byte, cpu int) uint64    { return 0 }
func (m *bloom) Peek(key []byte, cpu int) uint64      { return 0 }
func (m *bloom) Delete(key []byte) Errno              { return EOPNOTSUPP }
func (m *bloom) Range(f func(key, value []byte) bool) {}
func (m *bloom) Bits() []byte                         { return m.mem }

// Len is the number of bits set: what was pushed can't be told.
func (m *bloom) Len() int {
	n := 0
	for i := 0; i < len(m.mem); i += 8 {
		n += bits.OnesCount64(binary.LittleEndian.Uint64(m.mem[i:]))
	}
	return n
}

func (m *bloom) copyFrom(src Map) { copy(m.mem, src.(*bloom).mem) }

func (m *bloom) equal(b Map) string {
	if !bytes.Equal(m.mem, b.(*bloom).mem) {
		return "bits differ"
	}
	return ""
}

func checkBloom(s *Spec) *CreateError {
	switch {
	case s.ValueSize > kmallocMax:
		return refuse(s, E2BIG, "value size %d: at most %d", s.ValueSize, kmallocMax)
	case s.KeySize != 0:
		return refuse(s, EINVAL, "key size %d: a bloom filter has no keys", s.KeySize)
	case s.ValueSize == 0:
		return refuse(s, EINVAL, "value size 0: want at least 1")
	case s.Max == 0:
		return refuse(s, EINVAL, "max entries 0: want at least 1")
	case s.Extra&^15 != 0:
		return refuse(s, EINVAL, "map extra %#x: hash functions are at most 15", s.Extra)
	}
	return checkFlagsOf(s, FlagNumaNode|FlagZeroSeed|accessMask)
}

// jhash is Bob Jenkins's lookup3 hash as include/linux/jhash.h computes it
// over little-endian words (http://burtleburtle.net/bob/c/lookup3.c, public
// domain). For whole words the kernel's jhash2 gives the same.
func jhash(key []byte, seed uint32) uint32 {
	a := 0xdeadbeef + uint32(len(key)) + seed
	b, c := a, a
	for len(key) > 12 {
		a += binary.LittleEndian.Uint32(key)
		b += binary.LittleEndian.Uint32(key[4:])
		c += binary.LittleEndian.Uint32(key[8:])
		a = (a - c) ^ bits.RotateLeft32(c, 4)
		c += b
		b = (b - a) ^ bits.RotateLeft32(a, 6)
		a += c
		c = (c - b) ^ bits.RotateLeft32(b, 8)
		b += a
		a = (a - c) ^ bits.RotateLeft32(c, 16)
		c += b
		b = (b - a) ^ bits.RotateLeft32(a, 19)
		a += c
		c = (c - b) ^ bits.RotateLeft32(b, 4)
		b += a
		key = key[12:]
	}
	if len(key) == 0 {
		return c
	}
	var last [12]byte
	copy(last[:], key)
	a += binary.LittleEndian.Uint32(last[:])
	b += binary.LittleEndian.Uint32(last[4:])
	c += binary.LittleEndian.Uint32(last[8:])
	c = (c ^ b) - bits.RotateLeft32(b, 14)
	a = (a ^ c) - bits.RotateLeft32(c, 11)
	b = (b ^ a) - bits.RotateLeft32(a, 25)
	c = (c ^ b) - bits.RotateLeft32(b, 16)
	a = (a ^ c) - bits.RotateLeft32(c, 4)
	b = (b ^ a) - bits.RotateLeft32(a, 14)
	c = (c ^ b) - bits.RotateLeft32(b, 24)
	return c
}
