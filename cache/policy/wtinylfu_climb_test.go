package policy

import (
	"testing"

	"jitnic/cache/stream"
	"jitnic/host/hosttest/must"
)

// A stream whose ids are asked for again soon, within 400 requests, and never more,
// belongs into the window; one where a few ids are asked for all the time into
// main. The climber finds the first and doesn't lose the second.
func TestClimberFindsTheWindow(t *testing.T) {
	const n, entries = 2_000_000, 500
	pairs := make([]uint32, 0, n)
	r := rng(1)
	for i := uint32(0); len(pairs) < n; i++ {
		pairs = append(pairs, i)
		if gap := 1 + uint32(r.next()%200); i >= gap {
			pairs = append(pairs, i-gap)
		}
	}
	zipf := stream.Zipf(20_000, n, 1).IDs
	rate := func(name string, ids []uint32) float64 {
		p := must.Get(New(name, Config{Capacity: entries, IDs: len(ids)}))(t)
		hits := 0
		var evicted []uint32
		for _, id := range ids {
			if p.Access(id) {
				hits++
				continue
			}
			evicted = p.Insert(id, 1, 1, evicted[:0])
		}
		return float64(hits) / float64(len(ids))
	}
	fixed, climbs := rate("w-tinylfu", pairs), rate("w-tinylfu-climb", pairs)
	t.Logf("pairs: %.3f with a fixed window, %.3f climbing", fixed, climbs)
	if climbs < 0.3 || climbs < fixed+0.1 {
		t.Errorf("pairs: %.3f with a fixed window, %.3f climbing", fixed, climbs)
	}
	fixed, climbs = rate("w-tinylfu", zipf), rate("caffeine", zipf)
	t.Logf("zipf: %.3f with a fixed window, %.3f climbing", fixed, climbs)
	if climbs < fixed-0.02 {
		t.Errorf("zipf: %.3f with a fixed window, %.3f climbing", fixed, climbs)
	}
}
