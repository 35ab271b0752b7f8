package programs

import "jitnic/pcaps/splitmix"

// Maglev fills a ring of size slots, a prime, with the backends, as Eisenbud
// et al., "Maglev: a fast and reliable software network load balancer" (NSDI
// 2016), section 3.4, do: each backend has its own permutation of the slots and
// takes, in turn, the next of them that is free. All get nearly equal shares,
// and when one backend goes few slots move between the others. No backends
// give a ring of zeros. The sample loadbalancer reads rings of 251 slots.
func Maglev(backends []uint32, size int) []uint32 {
	ring := make([]uint32, size)
	if len(backends) == 0 {
		return ring
	}
	type walk struct{ at, skip int }
	walks := make([]walk, len(backends))
	for i, b := range backends {
		walks[i] = walk{
			at:   int(splitmix.Mix(uint64(b)) % uint64(size)),
			skip: 1 + int(splitmix.Mix(uint64(b)^splitmix.Step)%uint64(size-1)),
		}
	}
	taken := make([]bool, size)
	for filled := 0; filled < size; {
		for i, b := range backends {
			w := &walks[i]
			for taken[w.at] {
				w.at = (w.at + w.skip) % size
			}
			taken[w.at], ring[w.at] = true, b
			if filled++; filled == size {
				break
			}
		}
	}
	return ring
}
