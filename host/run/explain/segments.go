package explain

import (
	"fmt"
	"slices"

	"jitnic/cache"
	"jitnic/cache/stream"
	"jitnic/host/run/replay"
	"jitnic/host/vm"
	"jitnic/nic"
)

// Where paths are cut into segments, what is studied are segments: each packet makes
// a request for each of its own, and those are counted as packets are otherwise.

// noteSegments keeps what a packet did whose path is cut.
func (s *Study) noteSegments(p *replay.Packet) error {
	note := func(id uint32, o cache.Outcome) {
		s.counts[o]++
		s.stream.IDs, s.outcome = append(s.stream.IDs, id), append(s.outcome, o)
		if id != stream.None {
			s.seenOf(id, p.Data).outcome[o]++
		}
	}
	if len(p.Result.Segments) == 0 {
		note(stream.None, p.Result.Outcome)
	}
	for i, id := range p.Result.Segments {
		note(uint32(id), p.Result.Each[i])
	}
	for _, q := range s.pending {
		s.invalidated(q)
	}
	s.pending = s.pending[:0]
	return nil
}

// tables counts those that segments stand in.
func (s *Study) tables() int {
	seen := map[int]bool{}
	for _, p := range s.runtime.Paths() {
		seen[p.Path.Table] = true
	}
	return len(seen)
}

// learnt takes the recording that a whole path was made of.
func (s *Study) learnt(path nic.Path, rec *vm.Recording) {
	if s.cutter == nil {
		s.cutter = replay.NewCutter(s.runtime)
	}
	for int(path) >= len(s.ways) {
		s.ways = append(s.ways, -1)
	}
	s.ways[path] = s.cutter.Take(rec)
}

// segment: what lies before a place that all paths pass, and what lies behind it, may
// be cached apart. It is tried on the ways that packets took: cut at the place behind
// the point that leaves the fewest entries, in the cache at hand.
func segment(s *Study, f *Fold) *Remedy {
	if s.cutter == nil || f.Paths < s.Paths() || s.Paths() < 3 || slices.Contains(s.ways, -1) {
		return nil
	}
	last := -1
	for _, p := range f.Points {
		for _, pr := range s.asked(p) {
			if s.program(pr.Prog) != s.runtime.Entry {
				return nil
			}
			last = max(last, int(pr.PC))
		}
	}
	at, entries := -1, s.Paths()
	left := s.cutter.Left()
	for i, pc := range s.cutter.Places() {
		if pc > last && last >= 0 && left[i] < entries {
			at, entries = pc, left[i]
		}
	}
	if at < 0 {
		return nil
	}
	price := fmt.Sprintf("two look-ups a packet: %d entries, cut at %s", entries, PlaceOf(s.runtime.Entry, at).Where)
	if hit, ok := s.cutAt(at); ok {
		n := max(s.Packets(), 1)
		price += fmt.Sprintf("; %.2f %% hit in place of %.2f %%", 100*float64(hit)/float64(n), 100*float64(s.counts[cache.Hit])/float64(n))
	}
	return &Remedy{Name: "segments", Saves: s.Paths() - entries, Price: price, Measured: true}
}

// cutAt is how many packets hit in the cache at hand where paths are cut at a slot of
// the entry program. What an entry takes of a budget in slots, and what ends it, is
// known of whole paths alone: then it isn't ok.
func (s *Study) cutAt(pc int) (hits uint64, ok bool) {
	cfg := s.config()
	if cfg.Slots > 0 || len(s.stream.Invalidations) > 0 {
		return 0, false
	}
	if h, ok := s.cut[pc]; ok {
		return h, true
	}
	parts := s.cutter.Cut(pc)
	t := &stream.Stream{}
	var requests []uint8
	repeats, last := s.repeats(cfg), uint32(stream.None)
	for _, id := range s.stream.IDs {
		if int(id) >= len(s.ways) {
			t.IDs, requests, last = append(t.IDs, stream.None), append(requests, 1), stream.None
			continue
		}
		way := parts[s.ways[id]]
		if id == last && repeats && uint64(len(way)) <= cfg.Entries { // all of it is in
			hits++
			continue
		}
		t.IDs, requests, last = append(t.IDs, way...), append(requests, uint8(len(way))), id
	}
	n, _, err := cache.Packets(t, requests, cfg)
	if err != nil {
		return 0, false
	}
	if s.cut == nil {
		s.cut = map[int]uint64{}
	}
	s.cut[pc] = hits + n[cache.Hit]
	return s.cut[pc], true
}
