package calibrate

import (
	"encoding/binary"
	"math/rand/v2"

	"jitnic/host/kernel"
	"jitnic/host/maps"
)

// A program takes its keys from a table, drawn beforehand: the value of an
// array map, which it reads from where the run before stopped.
//
//	0      8      16       24                  24 + 4·n          24 + 4·(n + perRun)
//	+------+------+--------+-------------------+-----------------+
//	| next | fail | unused | n keys of 4 bytes | the first again |
//	+------+------+--------+-------------------+-----------------+
//
// Reading a key is a load in order, which the prefetcher sees coming; both the
// program with the operation and the one without do it.
const (
	tableNext = 0  // index of the next key, ever growing
	tableFail = 8  // operations that failed
	tableKeys = 24 // the keys
	perRun    = 32 // operations of a run: keys taken
)

// table makes the map of such a table. len(keys) must be a power of two and a
// multiple of perRun.
func (b *bench) table(ms *kernel.Maps, keys []uint32) (index int32, err error) {
	i, err := ms.Add(array("keys", tableKeys+4*(len(keys)+perRun)))
	if err != nil {
		return 0, err
	}
	v := make([]byte, tableKeys, tableKeys+4*(len(keys)+perRun))
	for _, k := range append(keys[:len(keys):len(keys)], keys[:perRun]...) { // the last ones for the verifier's sake
		v = binary.LittleEndian.AppendUint32(v, k)
	}
	return int32(i), ms.Map(i).Update(make([]byte, 4), v, 0)
}

// failed reads how many operations have failed.
func failed(m *kernel.Map) (uint64, error) {
	v, err := m.Lookup(make([]byte, 4))
	if err != nil {
		return 0, err
	}
	return binary.LittleEndian.Uint64(v[tableFail:]), nil
}

// draws gives n key numbers below size: uniform, or Zipf with s = 1.1 (that of
// math/rand/v2, rank k with (1+k)^-s), the ranks spread over the numbers.
func draws(kind string, size, n int, seed uint64) []uint32 {
	rng := rand.New(rand.NewPCG(seed, 0x6b657973))
	perm := rng.Perm(size)
	out := make([]uint32, n)
	z := rand.NewZipf(rng, zipfS, 1, uint64(size-1))
	for i := range out {
		if kind == "zipf" {
			out[i] = uint32(perm[z.Uint64()])
		} else {
			out[i] = uint32(rng.IntN(size))
		}
	}
	return out
}

const (
	zipfS     = 1.1
	prefixLen = 24 // of LPM entries
)

// keyOf turns a key number into the 4 bytes that a map of this type is asked
// for, as the table holds them.
func keyOf(s *maps.Spec, number uint32) uint32 {
	if isTrie(s) {
		// A /24 of its own, by an odd factor, which is a bijection; the first
		// byte of an address is the lowest here.
		p := number * 0x9e3779 & 0xffffff
		return p>>16 | p>>8&0xff<<8 | p&0xff<<16 | 7<<24
	}
	return number
}

// bytesOf is the whole key for bpf(2).
func bytesOf(s *maps.Spec, number uint32) []byte {
	k := binary.LittleEndian.AppendUint32(nil, keyOf(s, number))
	if isTrie(s) {
		return append([]byte{prefixLen, 0, 0, 0}, k...)
	}
	return k
}
