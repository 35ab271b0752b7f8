package cache

import (
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
	ids := s.IDs
	p := &Profile{Requests: s.Len(), Invalidated: len(s.Invalidations), Smallest: map[float64]uint64{}}
	p.Popularity = curve.PopularityOf(s.IDs, n)
	p.Uncacheable = s.Len() - int(p.Popularity.Requests)
	if s.Bytes != nil {
		for _, b := range s.Bytes {
			p.Bytes += uint64(b)
		}
	} else {
		p.Bytes = uint64(p.Uncacheable)
		for _, r := range p.Popularity.Rank {
			p.Bytes += r.Count * uint64(s.Size(r.ID))
		}
	}
	if p.Uncacheable > 0 {
		ids = make([]uint32, 0, s.Len()-p.Uncacheable)
		for _, id := range s.IDs {
			if id != stream.None {
				ids = append(ids, id)
			}
		}
	}
	p.Seconds = s.Seconds()
	p.IDs = len(p.Popularity.Rank)
	p.WorkingSet = curve.WorkingSet(s.IDs, n, spans)
	switch {
	case shards > 1:
		p.LRU, p.Reuse = curve.ShardsFixed(ids, n, int(shards), seed), curve.ReuseDistances(ids, n)
	case shards > 0:
		p.LRU, p.Reuse = curve.Shards(ids, n, shards, seed), curve.ReuseDistances(ids, n)
	default:
		p.LRU, p.Reuse = curve.ExactReuse(ids, n)
	}
	for _, h := range HitTargets {
		if k, ok := p.LRU.Smallest(h); ok {
			p.Smallest[h] = k
		}
	}
	return p
}
