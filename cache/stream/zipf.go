package stream

import "jitnic/pcaps/splitmix"

// Zipf is a stream of n requests over ids 0..universe-1 whose popularity falls
// with rank as 1/rank (α = 1), ranks dealt out at random: the stream the
// goldens in ../shared/corpus/cache are counted on. It is the same on every
// machine: splitmix64 from seed, Fisher–Yates, and a cumulative sum in float64.
//
// The corpus numbers ids from 1; Zipf returns those numbers, less 1 each when
// dense, and Keys of the stream holds the corpus's.
func Zipf(universe, n int, seed uint64) *Stream {
	r := splitmix.State(seed)
	perm := make([]uint32, universe)
	for i := range perm {
		perm[i] = uint32(i + 1)
	}
	for i := universe - 1; i > 0; i-- {
		j := r.Next() % uint64(i+1)
		perm[i], perm[j] = perm[j], perm[i]
	}
	cdf := make([]float64, universe)
	sum := 0.0
	for i := range cdf {
		sum += 1 / float64(i+1)
		cdf[i] = sum
	}
	// guide[b] is where the search for a value in bucket b may start: the
	// cumulative sum is inverted in a few steps instead of log2(universe).
	const buckets = 1 << 16
	guide := make([]uint32, buckets+1)
	k := 0
	for b := range guide {
		for k < universe-1 && cdf[k] < float64(b)/buckets*sum {
			k++
		}
		guide[b] = uint32(k)
	}
	ids := make([]uint32, n)
	for i := range ids {
		u := r.Float() * sum
		k := int(guide[min(int(u/sum*buckets), buckets)])
		for k > 0 && cdf[k-1] >= u {
			k--
		}
		for cdf[k] < u {
			k++
		}
		ids[i] = perm[k]
	}
	s := FromKeys32(ids)
	s.Name = "zipf"
	return s
}

// ZipfSize is the size, 8..256 slots, of the corpus's id (counted from 1).
func ZipfSize(key uint64) uint32 {
	return 8 + uint32(splitmix.Mix((key^splitmix.Step)+splitmix.Step)%249)
}
