package policy

import "jitnic/pcaps/splitmix"

// rng draws what policies draw.
type rng splitmix.State

func (r *rng) next() uint64 { return (*splitmix.State)(r).Next() }

// float draws uniformly from [0,1).
func (r *rng) float() float64 { return (*splitmix.State)(r).Float() }

// below draws uniformly from 0..n-1, without bias (Lemire: Fast random integer
// generation in an interval, 2019). n must not be 0.
func (r *rng) below(n uint32) uint32 {
	for {
		x := uint64(uint32(r.next())) * uint64(n)
		if low := uint32(x); low >= n || low >= -n%n {
			return uint32(x >> 32)
		}
	}
}
