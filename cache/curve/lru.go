package curve

import "sort"

// LRU is the miss-ratio curve of lru at every number of entries.
type LRU struct {
	// Hits[k] is the number of requests at distance k; Hits[0] is 0. A cache
	// of k entries hits the sum of Hits[:k+1].
	Hits     []float64
	Requests float64
	Estimate bool    // by sampling: not exact
	Rate     float64 // of the sample, 1 when exact

	cum []float64
}

// Exact counts the curve from all requests. ids must be below n.
func Exact(ids []uint32, n int) *LRU { return Look(Of(ids), len(ids), n, 0).LRU }

func (c *LRU) finish() {
	c.cum = make([]float64, len(c.Hits))
	sum := 0.0
	for k, h := range c.Hits {
		sum += h
		c.cum[k] = min(max(sum, 0), c.Requests)
	}
}

// Misses is how many requests miss at that many entries.
func (c *LRU) Misses(entries uint64) float64 {
	if len(c.cum) == 0 {
		return c.Requests
	}
	return c.Requests - c.cum[min(entries, uint64(len(c.cum)-1))]
}

// MissRatio is Misses by requests, 0 for an empty stream.
func (c *LRU) MissRatio(entries uint64) float64 {
	if c.Requests == 0 {
		return 0
	}
	return c.Misses(entries) / c.Requests
}

// Smallest is the least number of entries that hits at least that share of
// requests; ok is false where none does, since first requests always miss.
func (c *LRU) Smallest(hitRatio float64) (entries uint64, ok bool) {
	want := hitRatio * c.Requests
	k := sort.Search(len(c.cum), func(k int) bool { return c.cum[k] >= want })
	return uint64(k), k < len(c.cum)
}
