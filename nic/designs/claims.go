package designs

import (
	"sort"

	"jitnic/cache"
	"jitnic/cache/curve"
	"jitnic/cache/stream"
)

// Claim is what a trace JIT on a NIC stands or falls with, as numbers of one
// program on one capture: few entries suffice, few traces cover most packets,
// and a cache one entry smaller than the working set thrashes. It is of paths
// that can be on the device, at unit size, with no time to install.
type Claim struct {
	Packets  uint64  `json:"packets"`
	Paths    uint64  `json:"paths"`   // that packets take and the device can hold
	Ceiling  float64 `json:"ceiling"` // hit ratio of a cache without bound: first requests and packets without a trace miss
	LRU      []Need  `json:"lru"`     // entries for Targets
	Optimal  []Need  `json:"belady"`  // the same of the best that a cache could do
	Coverage []Cover `json:"coverage"`
	Covers   []Need  `json:"paths_to_cover"` // paths that together take so many packets
	Thrash   *Thrash `json:"thrash"`         // nil with fewer than two paths
}

// Cover is the share of all packets that the k most taken paths take.
type Cover struct {
	Paths uint64  `json:"paths"`
	Share float64 `json:"share"`
}

// Thrash is hit ratios at one entry fewer than a working set and at its size.
type Thrash struct {
	Entries int        `json:"entries"` // the working set: the most taken paths that take 99 % of the packets, at least two
	Rounds  int        `json:"rounds"`
	Rows    []Thrasher `json:"policies"`
}

// Thrasher is one policy's: on the working set in turn, round after round, and
// on the capture as it is.
type Thrasher struct {
	Policy       string  `json:"policy"`
	CyclicBelow  float64 `json:"cyclic_below"` // with Entries − 1
	Cyclic       float64 `json:"cyclic"`       // with Entries
	CaptureBelow float64 `json:"capture_below"`
	Capture      float64 `json:"capture"`
}

var coverSizes = []uint64{1, 2, 5, 10, 20, 50, 100, 200, 500, 1000}

const thrashRounds = 100

// Claims works them out. It needs of the setting W and In only.
func Claims(s *Setting) (*Claim, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	q := s.paths()
	ids, n := q.generations()
	c := &Claim{Packets: uint64(len(q.ids)), LRU: q.need(q.asked())}
	lru := curve.Exact(ids, n)
	if c.Packets > 0 {
		c.Ceiling = float64(len(ids)-int(lru.Misses(uint64(n)))) / float64(c.Packets)
	}
	c.Optimal = optimal(ids, n, q.asked(), c.Packets)

	// Coverage counts paths, whatever became of their entries.
	plain := make([]uint32, 0, len(q.ids))
	for _, id := range q.ids {
		if id != stream.None {
			plain = append(plain, id)
		}
	}
	rank := curve.PopularityOf(plain, len(q.entries)).Rank
	c.Paths = uint64(len(rank))
	hits := make([]uint64, len(rank))
	var sum uint64
	next := 0
	for k, r := range rank {
		hits[k] = r.Count
		sum += r.Count
		for next < len(coverSizes) && coverSizes[next] < uint64(k+1) {
			next++
		}
		if next < len(coverSizes) && coverSizes[next] == uint64(k+1) || k == len(rank)-1 {
			c.Coverage = append(c.Coverage, Cover{uint64(k + 1), float64(sum) / float64(c.Packets)})
		}
	}
	c.Covers = static(hits, c.Packets)
	var err error
	c.Thrash, err = thrash(s, q, rank, uint64(len(plain)))
	return c, err
}

// optimal is Need under belady, by halving: more entries never hit less.
func optimal(ids []uint32, n int, asked, packets uint64) []Need {
	st := &stream.Stream{IDs: ids}
	known := map[int]uint64{} // entries → hits
	hits := func(k int) uint64 {
		if k == 0 {
			return 0
		}
		if h, ok := known[k]; ok {
			return h
		}
		p, err := cache.Simulate(st, cache.Config{Policy: "belady", Entries: uint64(k)})
		if err != nil {
			panic("designs: belady of our own stream: " + err.Error()) // a bug, never the input
		}
		known[k] = p.Hits
		return p.Hits
	}
	out := make([]Need, len(Targets))
	for i, t := range Targets {
		out[i].Target = t
		if packets == 0 {
			continue
		}
		k := sort.Search(n+1, func(k int) bool { return float64(hits(k)) >= t*float64(packets) })
		if k <= n {
			out[i].Entries, out[i].Reached = min(uint64(k), asked), true
		}
	}
	return out
}

func thrash(s *Setting, q *requests, rank []curve.Ranked, packets uint64) (*Thrash, error) {
	if len(rank) < 2 {
		return nil, nil
	}
	t := &Thrash{Rounds: thrashRounds}
	var sum uint64
	for _, r := range rank {
		if t.Entries >= 2 && float64(sum) >= 0.99*float64(packets) {
			break
		}
		t.Entries++
		sum += r.Count
	}
	cyclic := &stream.Stream{}
	for range thrashRounds {
		for i := range t.Entries {
			cyclic.IDs = append(cyclic.IDs, uint32(i))
		}
	}
	capture := &stream.Stream{IDs: q.ids, Invalidations: q.invalidations}
	for _, policy := range []string{"lru", "fifo", "random", "belady"} {
		row := Thrasher{Policy: policy}
		for _, at := range []struct {
			to      *float64
			st      *stream.Stream
			entries int
		}{{&row.CyclicBelow, cyclic, t.Entries - 1}, {&row.Cyclic, cyclic, t.Entries},
			{&row.CaptureBelow, capture, t.Entries - 1}, {&row.Capture, capture, t.Entries}} {
			p, err := cache.Simulate(at.st, cache.Config{Policy: policy, Entries: uint64(at.entries), Seed: s.Cache.Seed})
			if err != nil {
				return nil, err
			}
			*at.to = 1 - p.MissRatio
		}
		t.Rows = append(t.Rows, row)
	}
	return t, nil
}
