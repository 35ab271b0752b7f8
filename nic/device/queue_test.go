package device

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// Quantiles are by nearest rank, off by less than 2^-10; count, sum and ends
// are exact.
func TestHistogram(t *testing.T) {
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 2))
		var a, b histogram
		var all []int64
		var sum int64
		for range 1 + r.IntN(3000) {
			v := r.Int64N(1 << (1 + r.IntN(40)))
			if r.IntN(2) == 0 {
				a.add(v)
			} else {
				b.add(v)
			}
			all = append(all, v)
			sum += v
		}
		a.merge(&b)
		slices.Sort(all)
		l := a.latency()
		if l.Packets != uint64(len(all)) || l.Min != all[0] || l.Max != all[len(all)-1] || l.Mean != float64(sum)/float64(len(all)) {
			t.Errorf("seed %d: %+v", seed, l)
		}
		for num := uint64(1); num <= 1000; num++ {
			exact := all[(uint64(len(all))*num+999)/1000-1]
			got := a.quantile(num, 1000)
			if got < exact || float64(got) > float64(exact)*(1+1./1024) {
				t.Errorf("seed %d: %d/1000: %d, want %d", seed, num, got, exact)
			}
		}
	}
	for b := range 54 << histBits {
		if top := top(b); top >= 0 && (bucket(uint64(top)) != b || top < 1<<62 && bucket(uint64(top)+1) != b+1) {
			t.Fatalf("bucket %d ends at %d", b, top)
		}
	}
}

// The heap gives back in the order of time, then of sequence.
func TestTimers(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	var h timers
	var all []timer
	for i := range uint32(2000) {
		v := timer{t: r.Int64N(100), seq: i, id: i}
		if r.IntN(3) == 0 && len(all) > 0 {
			slices.SortFunc(all, func(a, b timer) int {
				if a.before(b) {
					return -1
				}
				return 1
			})
			if h.next() != all[0].t || h.pop() != all[0] {
				t.Fatal("not the first")
			}
			all = all[1:]
		}
		h.push(v)
		all = append(all, v)
	}
}

// A gauge's integral is exact beyond 64 bits.
func TestGauge(t *testing.T) {
	var g gauge
	for range 1 << 10 {
		g.inc(0)
	}
	old := g
	g.sync(1 << 60)
	equal(t, "integral", g.since(&old), 1<<70)
	equal(t, "most", g.max, 1<<10)
}
