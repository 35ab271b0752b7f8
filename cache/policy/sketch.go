package policy

import (
	"math/bits"

	"jitnic/pcaps/splitmix"
)

// sketch is a count-min sketch of 4-bit counters that halves all of them after
// a sample, as in TinyLFU (Einziger, Friedman, Manes, ACM TOS 2017). The four
// counters of an id lie in one cache line. Which ones they are depends on a
// secret seed, so nobody can make ids that collide on purpose.
//
//	block of 64 bytes = 8 words:  row r is words 2r and 2r+1, 32 counters
//	hash of an id:                the low bits choose the block, bits 40+5r.. the counter of row r
type sketch struct {
	word   []uint64
	blocks uint64 // a power of two
	seed   uint64
	n      uint64 // counted since the last halving
	sample uint64
}

// newSketch makes one for a cache of that many entries.
func newSketch(entries, seed uint64) sketch {
	entries = min(max(entries, 8), 1<<24)
	words := uint64(1) << bits.Len64(entries-1)
	return sketch{word: make([]uint64, words), blocks: words / 8, seed: splitmix.Mix(seed ^ 0x736b6574), sample: 10 * entries}
}

func (s *sketch) hash(id uint32) uint64 { return splitmix.Mix(uint64(id) ^ s.seed) }

// count counts a use of id.
func (s *sketch) count(id uint32) {
	h := s.hash(id)
	block := (*[8]uint64)(s.word[(h&(s.blocks-1))*8:])
	// Unrolled: this is the hottest line of w-tinylfu.
	w0, s0 := h>>44&1, h>>40&15*4
	w1, s1 := 2+h>>49&1, h>>45&15*4
	w2, s2 := 4+h>>54&1, h>>50&15*4
	w3, s3 := 6+h>>59&1, h>>55&15*4
	a0 := (block[w0]>>s0&15+1)>>4 ^ 1 // 0 where the counter is full
	a1 := (block[w1]>>s1&15+1)>>4 ^ 1
	a2 := (block[w2]>>s2&15+1)>>4 ^ 1
	a3 := (block[w3]>>s3&15+1)>>4 ^ 1
	block[w0] += a0 << s0
	block[w1] += a1 << s1
	block[w2] += a2 << s2
	block[w3] += a3 << s3
	added := a0 | a1 | a2 | a3
	s.n += added
	if s.n >= s.sample {
		s.halve()
	}
}

// uses estimates how often id was counted of late: 0..15, rarely too much,
// never too little.
func (s *sketch) uses(id uint32) uint64 {
	h := s.hash(id)
	least := uint64(15)
	block := (*[8]uint64)(s.word[(h&(s.blocks-1))*8:])
	for r := range uint(4) {
		c := h >> (40 + 5*r) & 31
		least = min(least, block[(uint64(2*r)+c>>4)&7]>>(c&15*4)&15)
	}
	return least
}

func (s *sketch) halve() {
	odd := 0
	for i, w := range s.word {
		odd += bits.OnesCount64(w & 0x1111111111111111)
		s.word[i] = w >> 1 & 0x7777777777777777
	}
	s.n = (s.n - min(s.n, uint64(odd)/4)) / 2
}
