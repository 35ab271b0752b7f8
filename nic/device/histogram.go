package device

import "math/bits"

// histogram counts times with a relative error below 2^-10: a bucket is as
// wide as the value's leading 11 bits leave open (the layout of HdrHistogram).
// Count, sum, least and most are exact.
type histogram struct {
	count    uint64
	min, max int64
	sum      sum
	n        []uint64
}

const histBits = 10

func bucket(v uint64) int {
	e := bits.Len64(v) - histBits - 1
	if e <= 0 {
		return int(v)
	}
	return e<<histBits + int(v>>e)
}

// top is the largest value of a bucket.
func top(b int) int64 {
	e := b>>histBits - 1
	if e <= 0 {
		return int64(b)
	}
	m := int64(b) - int64(e)<<histBits
	return (m+1)<<e - 1
}

func (h *histogram) add(v int64) {
	b := bucket(uint64(v))
	if b >= len(h.n) {
		n := make([]uint64, (b|(1<<histBits-1))+1)
		copy(n, h.n)
		h.n = n
	}
	h.n[b]++
	if h.count == 0 || v < h.min {
		h.min = v
	}
	h.max = max(h.max, v)
	h.count++
	h.sum.add(v)
}

func (h *histogram) merge(o *histogram) {
	if o.count == 0 {
		return
	}
	if h.count == 0 || o.min < h.min {
		h.min = o.min
	}
	h.max = max(h.max, o.max)
	h.count += o.count
	var c uint64
	h.sum.lo, c = bits.Add64(h.sum.lo, o.sum.lo, 0)
	h.sum.hi += o.sum.hi + c
	if len(h.n) < len(o.n) {
		n := make([]uint64, len(o.n))
		copy(n, h.n)
		h.n = n
	}
	for i, v := range o.n {
		h.n[i] += v
	}
}

// quantile is the value that num of den are at or below, by nearest rank.
func (h *histogram) quantile(num, den uint64) int64 {
	if h.count == 0 {
		return 0
	}
	hi, lo := bits.Mul64(h.count, num)
	rank, rest := bits.Div64(hi, lo, den)
	if rest > 0 {
		rank++
	}
	rank = max(rank, 1)
	var seen uint64
	for b, k := range h.n {
		if seen += k; seen >= rank {
			return max(h.min, min(h.max, top(b)))
		}
	}
	return h.max
}

func (h *histogram) latency() Latency {
	l := Latency{Packets: h.count, Min: h.min, Max: h.max}
	if h.count > 0 {
		l.Mean = h.sum.float() / float64(h.count)
		l.P50, l.P99, l.P999 = h.quantile(1, 2), h.quantile(99, 100), h.quantile(999, 1000)
	}
	return l
}
