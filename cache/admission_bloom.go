package cache

import "jitnic/pcaps/splitmix"

// bloom admits what was requested before, as a Bloom filter remembers it
// (Maggs, Sitaraman: Algorithmic nuggets in content delivery, SIGCOMM CCR 2015:
// "cache on second hit"). Unlike the doorkeeper's table it has the size that
// hardware would have, whatever the number of ids, and so admits about 1 % of
// what it never saw: 10 bits and 4 hashes an id. It is emptied when it holds as
// many ids as it is made for.
type bloom struct {
	word  []uint64
	mask  uint64 // of bits
	seed  uint64
	most  uint64
	held  uint64
	again bool // the filter held the id of the last Note
}

// bloomMost bounds the filter: 2^30 bits.
const bloomMost = 1 << 26

func newBloom(c admissionConfig) Admission {
	most := min(max(c.orBudgets(8), 1), bloomMost)
	bits := uint64(64)
	for bits < 10*most {
		bits *= 2
	}
	return &bloom{word: make([]uint64, bits/64), mask: bits - 1, seed: splitmix.Mix(c.seed ^ 0x626c6f6f6d), most: most}
}

func (a *bloom) Note(id uint32, _ bool) {
	if a.held == a.most {
		clear(a.word)
		a.held = 0
	}
	h := splitmix.Mix(uint64(id) ^ a.seed)
	step := h>>32 | 1 // double hashing (Kirsch, Mitzenmacher, 2006)
	a.again = true
	for range 4 {
		b := h & a.mask
		if a.word[b>>6]>>(b&63)&1 == 0 {
			a.again = false
			a.word[b>>6] |= 1 << (b & 63)
		}
		h += step
	}
	if !a.again {
		a.held++
	}
}

func (a *bloom) Admit(_ uint32, _, _, _ uint32) bool { return a.again }
