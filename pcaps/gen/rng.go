package gen

import (
	"math"
	"math/bits"

	"jitnic/pcaps/splitmix"
)

// rng draws what traffic is made of.
type rng splitmix.State

func (r *rng) next() uint64 { return (*splitmix.State)(r).Next() }

// float is uniform in [0, 1).
func (r *rng) float() float64 { return (*splitmix.State)(r).Float() }

// below is uniform in [0, n), to within 2^-64·n.
func (r *rng) below(n uint64) uint64 {
	hi, _ := bits.Mul64(r.next(), n)
	return hi
}

// sampler draws ranks 0 to n-1 with given weights in constant time: Walker's
// alias method as Vose builds it (IEEE TSE 17(9), 1991).
type sampler struct {
	keep  []uint64 // draw the column itself if the coin, 64 bits, is less
	alias []uint32
}

// newZipf weights rank k, counted from 1, with k^-alpha; alpha 0 is uniform.
func newZipf(n int, alpha float64) *sampler {
	w := make([]float64, n)
	sum := 0.0
	for i := range w {
		w[i] = math.Pow(float64(i+1), -alpha)
		sum += w[i]
	}
	s := &sampler{keep: make([]uint64, n), alias: make([]uint32, n)}
	var small, large []uint32
	for i := range w {
		w[i] = float64(w[i]*float64(n)) / sum
		if w[i] < 1 {
			small = append(small, uint32(i))
		} else {
			large = append(large, uint32(i))
		}
	}
	for len(small) > 0 && len(large) > 0 {
		l, g := small[len(small)-1], large[len(large)-1]
		small = small[:len(small)-1]
		s.keep[l], s.alias[l] = coin(w[l]), g
		if w[g] = float64(w[g]+w[l]) - 1; w[g] < 1 {
			large = large[:len(large)-1]
			small = append(small, g)
		}
	}
	for _, i := range append(small, large...) {
		s.keep[i], s.alias[i] = math.MaxUint64, i
	}
	return s
}

// coin turns a probability into the bound of a 64-bit draw.
func coin(p float64) uint64 {
	if p >= 1 {
		return math.MaxUint64
	}
	return uint64(p * 0x1p64)
}

func (s *sampler) draw(r *rng) uint32 {
	i := uint32(r.below(uint64(len(s.keep))))
	if r.next() < s.keep[i] {
		return i
	}
	return s.alias[i]
}
