package workload

// MixSeed is the hash of nothing, to begin with.
const MixSeed = uint64(0x9e3779b97f4a7c15)

// Mix mixes a word into a hash (the finalizer of splitmix64 over a sum): the same
// on every machine and in every run.
func Mix(h, w uint64) uint64 {
	h = (h ^ w) * 0xbf58476d1ce4e5b9
	h ^= h >> 31
	h *= 0x94d049bb133111eb
	return h ^ h>>29
}
