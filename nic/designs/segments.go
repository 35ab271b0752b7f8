package designs

import (
	"fmt"
	"sort"

	"jitnic/cache"
	"jitnic/cache/stream"
	"jitnic/nic/profile"
)

// RefusedError is a design that has no meaning for what it is given.
type RefusedError struct{ Design, Why string }

func (e *RefusedError) Error() string { return fmt.Sprintf("design %q: %s", e.Design, e.Why) }

// whole refuses paths that are cut into segments, for a design that needs whole ones.
func (s *Setting) whole(d Design, why string) error {
	if s.W != nil && s.W.Segments != nil {
		return &RefusedError{d.Name(), why + "; paths are cut into segments here"}
	}
	return nil
}

// spent is what the device spends on a packet in vain: cycles of matcher and unit, and
// reads of maps that are on the host.
type spent struct{ cycles, reads uint32 }

// segments asks the cache for each segment of a packet's path, as nic/device does. The
// outcome is that of the first one that isn't in, and vain what the device has spent
// until it knew that; 0: what a miss of the first takes.
func (s *Setting) segments(c *cache.TraceCache, i int, refused bool) (o cache.Outcome, vain spent) {
	packet := &s.In.Packets[i]
	o, fails := cache.Hit, 0
	if packet.Path < 0 {
		return c.Uncacheable(), vain
	}
	path := &s.In.Paths[packet.Path]
	if refused {
		o, fails = c.Uncacheable(), len(path.Parts)-1
		for k, p := range path.Parts[:fails] {
			if !c.Installed(p.Segment) {
				fails = k
				break
			}
		}
	} else {
		for k, p := range path.Parts {
			e := &s.In.Segments[p.Segment]
			if x := c.Request(p.Segment, e.Slots, e.Cost); o == cache.Hit && x != cache.Hit {
				o, fails = x, k
			}
		}
		for _, p := range path.Parts { // when all have been asked for, as on the device
			if c.InFlight(p.Segment) {
				c.Finish(p.Segment)
			}
		}
	}
	if o == cache.Hit || fails == 0 {
		return o, vain
	}
	vain.cycles = path.Match + path.Parts[fails].Fail
	if s.NIC.Memory == profile.MemHost {
		for _, a := range s.In.Accesses[packet.First:][:path.Parts[fails].Accesses] {
			if !a.Write {
				vain.reads++
			}
		}
	}
	return o, vain
}

// asked counts the segments that packets ask for.
func (s *Setting) asked(q *requests) (n uint64) {
	seen := make([]bool, len(s.In.Segments))
	for _, id := range q.ids {
		if id == stream.None {
			continue
		}
		for _, p := range s.In.Paths[id].Parts {
			if !seen[p.Segment] {
				seen[p.Segment] = true
				n++
			}
		}
	}
	return n
}

// needCut is need of packets that hit where all their segments do: under lru more
// entries never hit less.
func (s *Setting) needCut(q *requests, asked uint64) []Need {
	all := &stream.Stream{}
	var requests []uint8
	v := 0
	for i, id := range q.ids {
		for ; v < len(q.invalidations) && q.invalidations[v].At <= uint64(i); v++ {
			all.Invalidations = append(all.Invalidations, stream.Invalidation{At: uint64(len(all.IDs)), ID: q.invalidations[v].ID})
		}
		if id == stream.None {
			all.IDs, requests = append(all.IDs, stream.None), append(requests, 1)
			continue
		}
		parts := s.In.Paths[id].Parts
		for _, p := range parts {
			all.IDs = append(all.IDs, p.Segment)
		}
		requests = append(requests, uint8(len(parts)))
	}
	known := map[int]uint64{}
	hits := func(k int) uint64 {
		h, ok := known[k]
		if !ok {
			n, _, err := cache.Packets(all, requests, cache.Config{Policy: "lru", Entries: uint64(k), HotThreshold: 1, IDs: len(s.In.Segments)})
			if err != nil {
				panic("designs: lru of our own stream: " + err.Error()) // a bug, never the input
			}
			h = n[cache.Hit]
			known[k] = h
		}
		return h
	}
	out := make([]Need, len(Targets))
	for i, t := range Targets {
		out[i].Target = t
		if len(q.ids) == 0 || asked == 0 {
			continue
		}
		k := 1 + sort.Search(int(asked), func(k int) bool { return float64(hits(k+1)) >= t*float64(len(q.ids)) })
		if k <= int(asked) {
			out[i].Entries, out[i].Reached = uint64(k), true
		}
	}
	return out
}
