package policy

// rng is splitmix64 (Steele, Lea, Flood: Fast splittable pseudorandom number
// generators, OOPSLA 2014): one word of state, the same everywhere.
type rng struct{ state uint64 }

func (r *rng) next() uint64 {
	r.state += 0x9e3779b97f4a7c15
	return mix(r.state)
}

// mix is splitmix64's output function, a bijection that spreads every bit.
func mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

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

// float draws uniformly from [0,1).
func (r *rng) float() float64 { return float64(r.next()>>11) / (1 << 53) }
