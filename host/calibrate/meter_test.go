package calibrate

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestQuantile(t *testing.T) {
	xs := []float64{4, 1, 3, 2}
	for _, c := range []struct{ q, want float64 }{{0, 1}, {0.25, 1.75}, {0.5, 2.5}, {0.75, 3.25}, {1, 4}} {
		if got := quantile(xs, c.q); got != c.want {
			t.Errorf("quantile %g of %v is %g, want %g", c.q, xs, got, c.want)
		}
	}
	if !slices.Equal(xs, []float64{4, 1, 3, 2}) {
		t.Error("quantile sorts what it is given")
	}
	if !math.IsNaN(quantile(nil, 0.5)) {
		t.Error("the median of nothing is a number")
	}
}

// TestDifference: disturbed rounds, as long as they are less than three
// quarters, don't move the estimate, and a drift cancels in the median.
func TestDifference(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	const rounds, ops = 40, 32
	var with, without []float64
	for range rounds {
		a, b := 100.0, 100.0+ops*2.5
		if rng.IntN(2) == 0 {
			a += 1000 * rng.Float64()
		}
		if rng.IntN(2) == 0 {
			b += 1000 * rng.Float64()
		}
		without, with = append(without, a), append(with, b)
	}
	f := difference(with, without, ops)
	if math.Abs(f.Value-2.5) > 0.01 || f.Rounds != rounds || f.Ops != ops || f.Unit != "ns" {
		t.Errorf("disturbed: %+v, want 2.5 ns", f)
	}
	if f.Q1 > f.Median || f.Median > f.Q3 || f.IQR() != f.Q3-f.Q1 {
		t.Errorf("quartiles are not in order: %+v", f)
	}
	for i := range with {
		without[i], with[i] = 100+float64(i), 100+float64(i)+ops*2.5
	}
	if f := difference(with, without, ops); f.Value != 2.5 || f.Median != 2.5 || f.IQR() != 0 {
		t.Errorf("drifting: %+v, want 2.5 ns", f)
	}
	if f := difference([]float64{21, 21}, nil, 1).half(); f.Value != 21.5 || f.Median != 21.5 {
		t.Errorf("without a base: %+v, want 21.5 ns", f)
	}
}

func TestTheilSen(t *testing.T) {
	var x, y []float64
	for i := range 40 {
		x, y = append(x, float64(i)), append(y, 500+3*float64(i))
		if i%5 == 0 {
			y[i] += 10_000
		}
	}
	if base, slope := theilSen(x, y); math.Abs(base-500) > 1 || math.Abs(slope-3) > 0.01 {
		t.Errorf("line %g + %g x, want 500 + 3 x", base, slope)
	}
	if base, slope := theilSen([]float64{1, 1}, []float64{5, 6}); base != 0 || slope != 0 {
		t.Errorf("one x has the line %g + %g x", base, slope)
	}
	if base, _ := theilSen([]float64{1, 2}, []float64{-5, -4}); base != 0 {
		t.Errorf("a base of %g ns", base)
	}
}
