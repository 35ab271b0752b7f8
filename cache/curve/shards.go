package curve

import (
	"container/heap"
	"math"

	"jitnic/pcaps/splitmix"
)

// SHARDS (Waldspurger, Park, Garthwaite, Ahmad: Efficient MRC construction with
// SHARDS, FAST 2015) counts the stack distances of those ids alone whose hash is
// in a share of all, and multiplies them by what the share leaves out. So it
// says nothing of distances below 1/share. Here these are counted from all
// requests, which a short list in order of use does, and the estimate's part of
// the curve is made to add up with them: what is missing to the number of
// requests, less the first ones, is put down to the hottest ids beyond the list
// (SHARDS-adj's correction, which puts it at distance 1); what is too much is
// taken off everywhere alike.

// Shards estimates the curve from the ids whose hash is in a share of all.
// rate is in (0,1].
func Shards(ids []uint32, n int, rate float64, seed uint64) *LRU {
	e := newSampler(n, math.Inf(1), rate, seed)
	return e.curve(ids, n)
}

// ShardsFixed estimates the curve from at most size ids at a time (SHARDS-smax):
// the share falls whenever there are more.
func ShardsFixed(ids []uint32, n, size int, seed uint64) *LRU {
	e := newSampler(n, float64(max(size, 1)), 1, seed)
	return e.curve(ids, n)
}

// nearMost bounds the list of the latest ids, whose cost is its length.
const nearMost = 4096

// sampler is one pass of SHARDS.
type sampler struct {
	t     *timeline
	seed  uint64
	limit uint64 // hashes below are in the sample, of hashSpan
	most  float64
	ids   hashHeap // of the sample, where its size is bounded
	hits  map[uint32]float64
}

const hashSpan = 1 << 63

func newSampler(n int, most, rate float64, seed uint64) *sampler {
	return &sampler{
		t: newTimeline(n), seed: seed, most: most, hits: map[uint32]float64{},
		limit: uint64(math.Min(rate, 1) * hashSpan),
	}
}

func (e *sampler) rate() float64 { return float64(e.limit) / hashSpan }

// request notes a request of id, if it is in the sample, with its distance as
// it would be among all ids.
func (e *sampler) request(id uint32) {
	h := splitmix.Mix(uint64(id)+e.seed+splitmix.Step) >> 1
	if h >= e.limit {
		return
	}
	switch d := e.t.request(id); {
	case d != Never:
		e.hits[uint32(min(math.Round(float64(d)/e.rate()), math.MaxUint32-1))] += 1 / e.rate()
	case !math.IsInf(e.most, 1):
		heap.Push(&e.ids, hashed{h, id})
		for float64(len(e.ids)) > e.most {
			out := heap.Pop(&e.ids).(hashed)
			e.limit = out.hash
			e.t.forget(out.id)
		}
	}
}

// curve puts what was counted near and what was estimated far together.
func (e *sampler) curve(ids []uint32, n int) *LRU {
	c := &LRU{Hits: make([]float64, n+1), Requests: float64(len(ids)), Estimate: true}
	near := newNear(n, nearOf(e.rate(), e.most, n))
	for _, id := range ids {
		if d := near.request(id); d > 0 {
			c.Hits[d]++
		}
		e.request(id)
	}
	c.Rate = e.rate()
	left := c.Requests - float64(near.first)
	for _, h := range c.Hits {
		left -= h
	}
	far := 0.0
	for d, h := range e.hits {
		if int(d) > near.size {
			far += h
		}
	}
	scale := 1.0
	if far > left && far > 0 {
		scale = left / far
	}
	for d, h := range e.hits {
		if int(d) > near.size {
			c.Hits[min(int(d), n)] += h * scale
		}
	}
	if n > 0 {
		c.Hits[min(near.size+1, n)] += max(left-far, 0)
	}
	c.finish()
	return c
}

// nearOf is how many of the latest ids are followed exactly: twice what one
// sampled id stands for.
func nearOf(rate, most float64, n int) int {
	stands := 1 / math.Max(rate, 1e-9)
	if !math.IsInf(most, 1) {
		stands = math.Max(stands, float64(n)/most)
	}
	return int(math.Min(math.Ceil(2*stands), math.Min(nearMost, float64(n))))
}

// near is the latest ids in order of use.
type near struct {
	size  int
	list  []uint32
	state []uint8 // per id: nearSeen, nearIn
	first uint64  // first requests so far
}

const (
	nearSeen = 1 << iota
	nearIn
)

func newNear(n, size int) *near {
	return &near{size: size, list: make([]uint32, 0, size), state: make([]uint8, n)}
}

// request gives the distance of a request, 0 where it is beyond the list.
func (l *near) request(id uint32) int {
	if l.state[id] == 0 {
		l.first++
	}
	d := 0
	if l.state[id]&nearIn != 0 {
		for l.list[d] != id {
			d++
		}
		copy(l.list[1:d+1], l.list[:d])
		l.list[0] = id
		return d + 1
	}
	if l.size == 0 {
		l.state[id] = nearSeen
		return 0
	}
	if len(l.list) == l.size {
		l.state[l.list[l.size-1]] &^= nearIn
	} else {
		l.list = append(l.list, 0)
	}
	copy(l.list[1:], l.list)
	l.list[0] = id
	l.state[id] = nearSeen | nearIn
	return 0
}

// hashHeap has the id of the largest hash on top.
type hashHeap []hashed

type hashed struct {
	hash uint64
	id   uint32
}

func (h hashHeap) Len() int           { return len(h) }
func (h hashHeap) Less(i, j int) bool { return h[i].hash > h[j].hash }
func (h hashHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *hashHeap) Push(x any)        { *h = append(*h, x.(hashed)) }
func (h *hashHeap) Pop() any {
	x := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return x
}
