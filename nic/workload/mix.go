package workload

import "jitnic/pcaps/splitmix"

// MixSeed is the hash of nothing, to begin with.
const MixSeed = uint64(splitmix.Step)

// Mix mixes a word into a hash (the finalizer of splitmix64 over a sum): the same
// on every machine and in every run.
func Mix(h, w uint64) uint64 {
	h = (h ^ w) * splitmix.First
	h ^= h >> 31
	h *= splitmix.Second
	return h ^ h>>29
}
