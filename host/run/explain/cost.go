package explain

import (
	"cmp"
	"runtime"
	"slices"
	"sync"

	"jitnic/cache"
	"jitnic/cache/stream"
)

// mostRequests bounds what is replayed again to tell misses for room: so many
// requests in all, but for the first few points.
const (
	mostRequests = 1 << 20
	fewPoints    = 3
)

// Cost works out the misses for room that the first n points cost, or as many as a
// long stream leaves time for: the same packets meet the same cache once more, with
// the paths as one that the point alone tells apart. Where nothing was evicted there
// are none.
func (s *Study) Cost(n int) error {
	if s.counts[cache.Capacity] == 0 {
		for _, p := range s.Points {
			p.Costed = true
		}
		return nil
	}
	n = min(n, max(fewPoints, mostRequests/max(len(s.stream.IDs), 1)))
	points := s.Points[:min(n, len(s.Points))]
	errs := make([]error, len(points))
	var all sync.WaitGroup
	cores := make(chan struct{}, runtime.GOMAXPROCS(0))
	for i, p := range points { // each by itself: the result is the same in any order
		cores <- struct{}{}
		all.Go(func() {
			errs[i] = s.cost(&p.Tally, p)
			<-cores
		})
	}
	all.Wait()
	return cmp.Or(errs...)
}

// cost works out the misses for room that points cost together.
func (s *Study) cost(t *Tally, points ...*Point) error {
	if t.Cold == 0 { // all paths are told apart without them: they are requested as they were
		t.Capacity, t.Costed = 0, true
		return nil
	}
	cfg := s.config()
	pt, err := cache.Simulate(s.merged(s.classes(points), s.repeats(cfg)), cfg)
	if err != nil {
		return err
	}
	t.Capacity, t.Costed = int64(s.counts[cache.Capacity])-int64(pt.Capacity), true
	return nil
}

// classes are the paths without some points: by path the number of its class, the
// classes in the order of their first paths.
func (s *Study) classes(points []*Point) []uint32 {
	seen := map[uint64]uint32{}
	out := make([]uint32, len(s.total))
	for i := range out {
		x, _ := s.answerAt(i, points)
		k, ok := seen[s.total[i]-x]
		if !ok {
			k = uint32(len(seen))
			seen[s.total[i]-x] = k
		}
		out[i] = k
	}
	return out
}

// answerAt is what a path answered at some points, and whether it comes to any.
func (s *Study) answerAt(path int, points []*Point) (sum uint64, comes bool) {
	for _, a := range s.answers[path] {
		for _, p := range points {
			if a.point == p.index {
				sum += a.sum
				comes = true
			}
		}
	}
	return sum, comes
}

// repeats says whether a request for what was requested last hits and changes nothing,
// so that it may be left out where misses are counted.
func (s *Study) repeats(cfg cache.Config) bool {
	return cfg.Policy == "lru" && cfg.Entries > 0 && cfg.HotThreshold <= 1 && cfg.InstallDelay == 0 && cfg.InstallTime == 0 && cfg.TTL == 0 &&
		(cfg.Admission == "" || cfg.Admission == "always") && len(s.stream.Invalidations) == 0
}

// merged is the stream with classes for paths, some without repeats; a class has the
// size of its first.
func (s *Study) merged(class []uint32, repeats bool) *stream.Stream {
	out := &stream.Stream{IDs: make([]uint32, 0, len(s.stream.IDs)), Sizes: make([]uint32, len(class)), Costs: make([]uint32, len(class))}
	last := uint32(stream.None)
	for _, id := range s.stream.IDs {
		if id != stream.None {
			id = class[id]
		}
		if id != last || !repeats {
			out.IDs = append(out.IDs, id)
		}
		last = id
	}
	for i := len(class) - 1; i >= 0; i-- {
		out.Sizes[class[i]], out.Costs[class[i]] = s.stream.Sizes[i], s.stream.Costs[i]
	}
	out.Invalidations = slices.Clone(s.stream.Invalidations)
	for i := range out.Invalidations {
		out.Invalidations[i].ID = class[out.Invalidations[i].ID]
	}
	return out
}
