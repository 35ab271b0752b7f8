package policy

import "math/bits"

// sketch is a count-min sketch of 4-bit counters that halves all of them after
// a sample, as in TinyLFU (Einziger, Friedman, Manes, ACM TOS 2017). The four
// counters of an id lie in one cache line. Which ones they are depends on a
// secret seed, so nobody can make ids that collide on purpose.
//
//	block of 64 bytes = 8 words:  row r is words 2r and 2r+1, 32 counters
type sketch struct {
	word   []uint64
	blocks uint64 // a power of two
	seed   uint64
	n      uint64 // counted since the last halving
	sample uint64
}

// newSketch makes one for a cache of that many entries.
func newSketch(entries, seed uint64) sketch {
	entries = min(max(entries, 8), 1<<27)
	words := uint64(1) << bits.Len64(entries-1)
	return sketch{word: make([]uint64, words), blocks: words / 8, seed: mix(seed ^ 0x736b6574), sample: 10 * entries}
}

// spot is where row r of hash h has its counter.
func (s *sketch) spot(h uint64, r uint) (word uint64, shift uint) {
	c := h >> (40 + 5*r) & 31
	return (h&(s.blocks-1))*8 + uint64(2*r) + c>>4, uint(c&15) * 4
}

func (s *sketch) hash(id uint32) uint64 { return mix(uint64(id) ^ s.seed) }

// count counts a use of id.
func (s *sketch) count(id uint32) {
	h := s.hash(id)
	added := false
	for r := range uint(4) {
		w, sh := s.spot(h, r)
		if x := s.word[w]; x>>sh&15 != 15 {
			s.word[w] = x + 1<<sh
			added = true
		}
	}
	if added {
		if s.n++; s.n >= s.sample {
			s.halve()
		}
	}
}

// uses estimates how often id was counted of late: 0..15, rarely too much,
// never too little.
func (s *sketch) uses(id uint32) uint64 {
	h := s.hash(id)
	least := uint64(15)
	for r := range uint(4) {
		w, sh := s.spot(h, r)
		least = min(least, s.word[w]>>sh&15)
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
