package curve

import "math/bits"

// A Bucket counts requests whose distance is in From..To.
type Bucket struct {
	From, To uint32
	Requests uint64
}

// Reuse is how far apart requests of the same id are.
type Reuse struct {
	Stack []Bucket // by stack distance: different ids since, itself included
	Time  []Bucket // by requests since the last one of the id
	First uint64   // first requests: no distance
}

// ReuseDistances counts both kinds of distance in buckets that double.
func ReuseDistances(ids []uint32, n int) Reuse { return reuseOf(ids, n, func(uint32) {}) }

// reuseOf is ReuseDistances, and shows each its stack distance.
func reuseOf(ids []uint32, n int, each func(stack uint32)) Reuse {
	var stack, time [33]uint64
	var r Reuse
	last := make([]uint32, n)
	t := newTimeline(n)
	for i, id := range ids {
		d := t.request(id)
		if each(d); d != Never {
			stack[bits.Len32(d)]++
			time[bits.Len32(uint32(i)+1-last[id])]++
		} else {
			r.First++
		}
		last[id] = uint32(i) + 1
	}
	r.Stack, r.Time = buckets(stack), buckets(time)
	return r
}

func buckets(count [33]uint64) []Bucket {
	top := len(count)
	for top > 0 && count[top-1] == 0 {
		top--
	}
	var out []Bucket
	for k := 1; k < top; k++ {
		out = append(out, Bucket{1 << (k - 1), uint32(1<<k - 1), count[k]})
	}
	return out
}
