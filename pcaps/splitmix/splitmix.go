// Package splitmix draws numbers that are the same on every machine and in every
// run: splitmix64 (Steele, Lea, Flood: Fast splittable pseudorandom number
// generators, OOPSLA 2014).
//
//	s := splitmix.State(42)
//	a, b := s.Next(), s.Next()
package splitmix

// Step is what the state grows by: 2^64 by the golden ratio, odd.
const Step = 0x9e3779b97f4a7c15

// Factors of the output function.
const (
	First  = 0xbf58476d1ce4e5b9
	Second = 0x94d049bb133111eb
)

// State is a generator: one word, of which any value is a seed.
type State uint64

// Next draws 64 bits.
func (s *State) Next() uint64 {
	*s += Step
	return Mix(uint64(*s))
}

// Float draws uniformly from [0, 1), a multiple of 2^-53.
func (s *State) Float() float64 { return float64(s.Next()>>11) * 0x1p-53 }

// Hash is what a generator with seed x draws first.
func Hash(x uint64) uint64 { return Mix(x + Step) }

// Mix is the output function, a bijection that spreads every bit.
func Mix(z uint64) uint64 {
	z = (z ^ z>>30) * First
	z = (z ^ z>>27) * Second
	return z ^ z>>31
}
