package replay

import (
	"context"
	"fmt"

	"jitnic/cache"
	"jitnic/cache/stream"
	"jitnic/host/run/jit"
)

// A Side is one way to make traces of a program's paths, measured on captures.
type Side struct {
	Mode      string      `json:"mode"`
	Packets   uint64      `json:"packets"` // that the program ran on
	Paths     int         `json:"paths"`
	Cold      uint64      `json:"cold"`                // first packets of paths that have a trace
	Condition float64     `json:"condition"`           // mean predicates, by path
	Length    float64     `json:"length"`              // mean instructions of a trace, by path
	Executed  float64     `json:"executed"`            // mean instructions of a packet's trace
	Slots     float64     `json:"slots"`               // mean size of an entry in instruction slots
	Sizes     []SidePoint `json:"sizes"`               // caches of so many entries
	Equal     SidePoint   `json:"equal_slots"`         // a cache of as many slots as the first mode's traces fill in 64 entries
	Installs  float64     `json:"installs_per_second"` // of traffic, at 64 entries; 0 where the captures have no times
}

// SidePoint is what one cache hits in a mode.
type SidePoint struct {
	Entries  uint64  `json:"entries,omitempty"`
	Slots    uint64  `json:"slots,omitempty"`
	Hits     uint64  `json:"hits"`
	HitRatio float64 `json:"hit_ratio"`
}

// modeSizes are the caches that modes are compared on, in entries.
var modeSizes = []uint64{4, 16, 64, 256, 1024}

// usualPredicate is the limit that predication is compared with where the
// settings name none.
const usualPredicate = 32

// Ways are the ways that are compared: whole paths, merged, predicated, both,
// specialised where it pays, all of these, specialised, segmented, and merged,
// predicated and segmented.
func Ways(given Remedies) []Remedies {
	n := given.Predicate
	if n <= 0 {
		n = usualPredicate
	}
	k := given.Segments
	if k == 0 {
		k = jit.SegmentsAuto
	}
	return []Remedies{{}, {Merge: true}, {Predicate: n}, {Merge: true, Predicate: n}, {Auto: true}, {Merge: true, Predicate: n, Auto: true}, {Specialise: true},
		{Segments: k}, {Merge: true, Predicate: n, Segments: k}}
}

// SideBySide runs the program over the captures once in each mode, and every stream
// through caches of this policy. The captures must be readable again and again.
func SideBySide(ctx context.Context, in Input, policy string, modes []Remedies) ([]Side, error) {
	var out []Side
	var budget uint64
	for _, how := range modes {
		st, s, err := Paths(ctx, in, how)
		if err != nil {
			return nil, err
		}
		m := Side{Mode: how.String(), Packets: s.Runtime.Packets, Paths: len(s.Runtime.Paths()) + len(s.Runtime.Dead())}
		var packets float64
		for id, p := range s.Runtime.Paths() {
			slots, _ := s.Runtime.Price(int32(id))
			m.Slots += float64(slots)
			m.Condition += float64(len(p.Path.Cond))
			m.Length += float64(p.Trace.Len())
			m.Executed += float64(p.Packets) * float64(p.Trace.Len())
			if p.Path.Table == 0 { // of segments, each packet has one there
				packets += float64(p.Packets)
			}
		}
		if n := float64(len(s.Runtime.Paths())); n > 0 {
			m.Slots, m.Condition, m.Length = m.Slots/n, m.Condition/n, m.Length/n
			m.Executed /= packets
		}
		s.Close()
		if s.Partial {
			return out, nil
		}
		if budget == 0 {
			budget = max(uint64(64*m.Slots), 1)
		}
		if st.Len() > 0 {
			g := cache.Grid{Policies: []string{policy}, Entries: modeSizes, Slots: []uint64{budget}, HotThreshold: 1, Seed: in.Seed}
			if s.Requests != nil {
				err = m.packets(&g, st, s.Requests)
			} else {
				err = m.requests(ctx, &g, st)
			}
			if err != nil {
				return nil, fmt.Errorf("%v: %w", how, err)
			}
		}
		out = append(out, m)
	}
	return out, nil
}

// requests measures a stream that has a request for each packet.
func (m *Side) requests(ctx context.Context, g *cache.Grid, st *stream.Stream) error {
	study, err := g.Run(ctx, st)
	if err != nil {
		return err
	}
	for _, p := range study.Points {
		m.Cold = p.Cold
		m.point(SidePoint{p.Entries, p.Slots, p.Hits, float64(p.Hits) / float64(p.Requests)}, p.InstallsPerSecond)
	}
	return nil
}

// packets measures a stream of segments: what hits is a packet all of whose
// segments do.
func (m *Side) packets(g *cache.Grid, st *stream.Stream, requests []uint8) error {
	for _, cfg := range g.Configs() {
		n, stats, err := cache.Packets(st, requests, cfg)
		if err != nil {
			return err
		}
		m.Cold = n[cache.Cold]
		rate := 0.0
		if st.Active > 0 {
			rate = float64(stats.Installed) / (float64(st.Active) / 1e9)
		}
		m.point(SidePoint{cfg.Entries, cfg.Slots, n[cache.Hit], float64(n[cache.Hit]) / float64(n.Total())}, rate)
	}
	return nil
}

func (m *Side) point(at SidePoint, installs float64) {
	if at.Slots > 0 {
		m.Equal = at
		return
	}
	m.Sizes = append(m.Sizes, at)
	if at.Entries == 64 {
		m.Installs = installs
	}
}

// Which says in a sentence which mode suits the program, by its hits in a cache
// of 64 entries, and what that costs in instructions. Modes whose hits are within
// a twentieth of a point are told apart by what a packet runs.
func Which(modes []Side) string {
	const at = 2 // 64 entries
	if len(modes) == 0 || len(modes[0].Sizes) <= at {
		return ""
	}
	ratio := func(m *Side) float64 { return m.Sizes[at].HitRatio }
	best := &modes[0]
	for i := range modes {
		m := &modes[i]
		switch more := ratio(m) - ratio(best); {
		case more > 0.0005, more > -0.0005 && m.Executed < best.Executed:
			best = m
		}
	}
	whole := &modes[0]
	if best == whole {
		return fmt.Sprintf("Whole paths suit it: at 64 entries no mode hits more (%.2f %%), and none of those that hit as much runs fewer instructions than %.1f a packet.",
			100*ratio(whole), whole.Executed)
	}
	why := "as many hits"
	if more := 100 * (ratio(best) - ratio(whole)); more > 0.05 || more < -0.05 {
		why = fmt.Sprintf("%.2f %% of hits in place of %.2f %%, since it has %d paths in place of %d,", 100*ratio(best), 100*ratio(whole), best.Paths, whole.Paths)
	}
	return fmt.Sprintf("%s traces suit it: at 64 entries %s with %.1f instructions a packet in place of %.1f.", upper(best.Mode), why, best.Executed, whole.Executed)
}

// upper begins a sentence.
func upper(s string) string {
	if s == "" {
		return s
	}
	return string(s[0]&^0x20) + s[1:]
}
