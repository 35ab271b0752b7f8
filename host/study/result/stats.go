package result

import (
	"cmp"
	"math"
	"slices"

	"jitnic/pcaps/splitmix"
)

// t975 are the 97.5 % quantiles of Student's t for 1 to 30 degrees of freedom.
var t975 = [...]float64{12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281, 2.2010, 2.1788, 2.1604, 2.1448, 2.1314,
	2.1199, 2.1098, 2.1009, 2.0930, 2.0860, 2.0796, 2.0739, 2.0687, 2.0639, 2.0595, 2.0555, 2.0518, 2.0484, 2.0452, 2.0423}

// T975 is the 97.5 % quantile of Student's t: beyond 30 degrees of freedom by the
// expansion of Cornish and Fisher, right to four digits.
func T975(df int) float64 {
	switch {
	case df < 1:
		return math.Inf(1)
	case df <= len(t975):
		return t975[df-1]
	}
	const z = 1.959963984540054
	n := float64(df)
	return z + (z*z*z+z)/(4*n) + (5*math.Pow(z, 5)+16*z*z*z+3*z)/(96*n*n) + (3*math.Pow(z, 7)+19*math.Pow(z, 5)+17*z*z*z-15*z)/(384*n*n*n)
}

// Mean is the mean of values, and the half width of its 95 % confidence interval;
// infinite for fewer than two.
func Mean(v []float64) (mean, half float64) {
	n := float64(len(v))
	if n == 0 {
		return 0, math.Inf(1)
	}
	for _, x := range v {
		mean += x / n
	}
	if n < 2 {
		return mean, math.Inf(1)
	}
	var sum float64
	for _, x := range v {
		sum += (x - mean) * (x - mean)
	}
	return mean, T975(len(v)-1) * math.Sqrt(sum/(n-1)/n)
}

// flips is how many ways to give signs are drawn where there are too many to try
// them all.
const (
	flips    = 9999
	exactTop = 13
)

// SignFlip is the p of a permutation test of paired differences: how often, with
// signs given to them at random, their sum is as far from 0 as it is (Fisher, The
// Design of Experiments, 1935, section 21). All ways are tried up to 13
// differences, 9,999 are drawn beyond.
func SignFlip(d []float64, seed uint64) float64 {
	var sum, scale float64
	var nonzero []float64
	for _, x := range d {
		if x != 0 {
			nonzero = append(nonzero, x)
			sum += x
			scale += math.Abs(x)
		}
	}
	if len(nonzero) == 0 {
		return 1
	}
	far := math.Abs(sum) - 1e-12*scale // as far, but for rounding
	count := 0
	if n := len(nonzero); n <= exactTop {
		for m := range 1 << n {
			var s float64
			for i, x := range nonzero {
				if m>>i&1 == 1 {
					s -= x
				} else {
					s += x
				}
			}
			if math.Abs(s) >= far {
				count++
			}
		}
		return float64(count) / float64(int(1)<<n)
	}
	draw := splitmix.State(seed)
	for range flips {
		var s float64
		for i := 0; i < len(nonzero); i += 64 {
			m := draw.Next()
			for _, x := range nonzero[i:min(i+64, len(nonzero))] {
				// The sign bit by the number's lowest one.
				s += math.Float64frombits(math.Float64bits(x) ^ m<<63)
				m >>= 1
			}
		}
		if math.Abs(s) >= far {
			count++
		}
	}
	return float64(count+1) / (flips + 1)
}

// Holm corrects the p of comparisons that are made together, so that the chance of
// even one false finding stays below what is asked (Holm, Scandinavian Journal of
// Statistics 6, 1979).
func Holm(p []float64) []float64 {
	order := make([]int, len(p))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(p[a], p[b]) })
	out := make([]float64, len(p))
	least := 0.0
	for k, i := range order {
		least = max(least, min(1, p[i]*float64(len(p)-k)))
		out[i] = least
	}
	return out
}
