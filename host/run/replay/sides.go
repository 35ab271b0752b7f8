package replay

import (
	"context"
	"fmt"
	"slices"

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
	// Device is what the model of a device makes of it; nil: nobody asked.
	Device *SideDevice `json:"device,omitempty"`
}

// SideDevice is what a device does with a mode's traces in a cache of 64 entries, beside
// a host that takes the misses.
type SideDevice struct {
	NIC      string  `json:"nic"`
	Missing  string  `json:"missing,omitempty"` // why there are no figures
	Rate     uint64  `json:"rate_pps"`          // offered, for latency and loss
	HitRatio float64 `json:"hit_ratio"`         // of packets looked up
	Mean     float64 `json:"latency_mean_ns"`   // of packets that aren't lost
	P99      float64 `json:"latency_p99_ns"`
	Loss     float64 `json:"loss"`
	Installs float64 `json:"installs_per_second"` // at the rate offered
	LossFree uint64  `json:"loss_free_pps"`       // the highest rate without loss (RFC 2544, section 26.1)
	Bound    string  `json:"bound,omitempty"`     // what keeps it from more
}

// SidePoint is what one cache hits in a mode.
type SidePoint struct {
	Entries  uint64  `json:"entries,omitempty"`
	Slots    uint64  `json:"slots,omitempty"`
	Tables   int     `json:"tables"` // that paths stand in: 1, or of segments as many as this cache would choose
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
// through caches of this policy. Where the number of segments is left open, each
// cache has the cuts that it would choose: a run for each set of them, of which the
// one for 64 entries is described. The captures must be readable again and again.
// Where ctx ends, the modes from there on are missing.
func SideBySide(ctx context.Context, in Input, policy string, modes []Remedies) ([]Side, error) {
	var out []Side
	g := cache.Grid{Policies: []string{policy}, Entries: modeSizes, Slots: []uint64{1}, HotThreshold: 1, Seed: in.Seed}
	for _, how := range modes {
		m := Side{Mode: how.String(), Sizes: make([]SidePoint, len(modeSizes))}
		whole, err := m.measure(ctx, in, how, &g)
		if ctx.Err() != nil || err == nil && !whole {
			return out, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%v: %w", how, err)
		}
		out = append(out, m)
	}
	return out, nil
}

// described is the cache, of modeSizes, whose cuts a mode is described with.
const described = 2

// SideEntries is how many entries that cache has.
const SideEntries = 64

// measure runs the program in a mode. whole is false where it was interrupted. The
// first mode's traces say how many slots the last cache of g has.
func (m *Side) measure(ctx context.Context, in Input, how Remedies, g *cache.Grid) (whole bool, err error) {
	if how.Segments != jit.SegmentsAuto {
		return m.run(ctx, in, g, func(sink Sink) (*Session, error) { return Record(ctx, in, how, sink) }, func(int) bool { return true })
	}
	caches := g.Configs()
	sets, t, o, err := tried(ctx, in, how, caches)
	if err != nil {
		return false, err
	}
	best := make([]int, len(caches)) // each cache's set
	for c := range best {
		best[c] = t.best(c, c+1)
	}
	for i, set := range sets {
		if !slices.Contains(best, i) {
			continue
		}
		whole, err := m.run(ctx, in, g, func(sink Sink) (*Session, error) { return recordCut(ctx, in, o, set.pcs, sink) },
			func(cache int) bool { return best[cache] == i })
		if !whole || err != nil {
			return whole, err
		}
	}
	return true, nil
}

// run records one stream and takes it through those caches of g that it is of.
func (m *Side) run(ctx context.Context, in Input, g *cache.Grid, record func(sink Sink) (*Session, error), of func(cache int) bool) (whole bool, err error) {
	rec := stream.NewRecorder(stream.Fields{Time: true})
	s, err := record(rec)
	if err != nil {
		return false, err
	}
	defer s.Close()
	if s.Partial {
		return false, nil
	}
	st := rec.Stream()
	st.Active = int64(s.Source.Active())
	if of(described) {
		m.describe(s)
	}
	if g.Slots[0] == 1 {
		g.Slots[0] = max(uint64(64*m.Slots), 1)
	}
	if st.Len() == 0 {
		m.Sizes = nil
		return true, nil
	}
	for i, cfg := range g.Configs() {
		if !of(i) {
			continue
		}
		n, stats, err := packetsOf(st, s.Requests, cfg)
		if err != nil {
			return false, err
		}
		at := SidePoint{Entries: cfg.Entries, Slots: cfg.Slots, Tables: len(s.Runtime.Tables()), Hits: n[cache.Hit], HitRatio: float64(n[cache.Hit]) / float64(n.Total())}
		if i == described {
			m.Cold = n[cache.Cold]
			if st.Active > 0 {
				m.Installs = float64(stats.Installed) / (float64(st.Active) / 1e9)
			}
		}
		if at.Slots > 0 {
			m.Equal = at
		} else {
			m.Sizes[i] = at
		}
	}
	return true, nil
}

// describe tells of the mode's paths by a session that has run.
func (m *Side) describe(s *Session) {
	rt := s.Runtime
	m.Packets, m.Paths = rt.Packets, len(rt.Paths())+len(rt.Dead())
	var packets float64
	for id, p := range rt.Paths() {
		slots, _ := rt.Price(int32(id))
		m.Slots += float64(slots)
		m.Condition += float64(len(p.Path.Cond))
		m.Length += float64(p.Trace.Len())
		m.Executed += float64(p.Packets) * float64(p.Trace.Len())
		if p.Path.Table == 0 { // of segments, each packet has one there
			packets += float64(p.Packets)
		}
	}
	if n := float64(len(rt.Paths())); n > 0 {
		m.Slots, m.Condition, m.Length = m.Slots/n, m.Condition/n, m.Length/n
		m.Executed /= packets
	}
}
