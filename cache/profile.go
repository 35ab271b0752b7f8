package cache

import (
	"iter"

	"jitnic/cache/curve"
	"jitnic/cache/stream"
)

// A Profile is what a stream is like, whatever the cache.
type Profile struct {
	Requests    int
	IDs         int // that are requested
	Uncacheable int
	Invalidated int // invalidations
	Bytes       uint64
	Seconds     float64 // 0: no times

	Popularity curve.Popularity
	Reuse      curve.Reuse
	WorkingSet []curve.Span
	LRU        *curve.LRU // of the cacheable requests, without invalidations

	// Smallest[h] is the least number of lru entries that hits at least that
	// share of the cacheable requests; absent where none does.
	Smallest map[float64]uint64
}

// HitTargets are the hit ratios Describe looks for.
var HitTargets = []float64{0.90, 0.95, 0.99}

// Describe profiles a stream; spans is how many stretches of time the working
// set is told for. With shards above 0 the lru curve is estimated instead of
// counted: up to 1 from that share of ids, above 1 from so many ids at a time.
func Describe(s *stream.Stream, spans int, shards float64, seed uint64) *Profile {
	n := s.NumIDs()
	p := &Profile{Requests: s.Len(), Invalidated: len(s.Invalidations), Smallest: map[float64]uint64{}}
	seen := curve.Look(ids(s), s.Len(), n, spans)
	p.Popularity, p.Reuse, p.WorkingSet, p.LRU = seen.Popularity, seen.Reuse, seen.WorkingSet, seen.LRU
	p.Uncacheable = s.Len() - int(p.Popularity.Requests)
	var ok bool
	if p.Bytes, ok = s.TotalBytes(); !ok {
		p.Bytes = uint64(p.Uncacheable)
		for _, r := range p.Popularity.Rank {
			p.Bytes += r.Count * uint64(s.Size(r.ID))
		}
	}
	p.Seconds = s.Seconds()
	p.IDs = len(p.Popularity.Rank)
	if shards > 0 {
		cacheable := make([]uint32, 0, p.Popularity.Requests)
		for some := range ids(s)(0, s.Len()) {
			for _, id := range some {
				if id != stream.None {
					cacheable = append(cacheable, id)
				}
			}
		}
		if shards > 1 {
			p.LRU = curve.ShardsFixed(cacheable, n, int(shards), seed)
		} else {
			p.LRU = curve.Shards(cacheable, n, shards, seed)
		}
	}
	for _, h := range HitTargets {
		if k, ok := p.LRU.Smallest(h); ok {
			p.Smallest[h] = k
		}
	}
	return p
}

// ids gives a stream's ids some at a time.
func ids(s *stream.Stream) curve.IDs {
	return func(from, to int) iter.Seq[[]uint32] {
		return func(yield func([]uint32) bool) {
			for c := range s.Chunks(from, to, 0) {
				if !yield(c.IDs) {
					return
				}
			}
		}
	}
}
