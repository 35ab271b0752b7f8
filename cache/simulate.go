package cache

import (
	"context"
	"fmt"
	"math/bits"
	"slices"

	"jitnic/cache/policy"
	"jitnic/cache/stream"
)

// Replay drives a TraceCache over a stream, as the NIC drives one over packets:
// for each request, the invalidations before it, then the request. each, if not
// nil, sees every outcome. Invalidations after the last request are made too.
func Replay(s *stream.Stream, c *TraceCache, each func(i int, o Outcome)) {
	replay(context.Background(), s, c, each, nil)
}

// step is how many requests are run between two looks at the context.
const step = 1 << 18

func replay(ctx context.Context, s *stream.Stream, c *TraceCache, each func(int, Outcome), done func(int)) error {
	v := 0
	for from := 0; from < len(s.IDs); from += step {
		if err := ctx.Err(); err != nil {
			return err
		}
		to := min(from+step, len(s.IDs))
		for i, id := range s.IDs[from:to] {
			i += from
			for ; v < len(s.Invalidations) && s.Invalidations[v].At <= uint64(i); v++ {
				c.Invalidate(s.Invalidations[v].ID)
			}
			c.Due()
			if s.Time != nil {
				c.At(s.Time[i])
			}
			var o Outcome
			if id == stream.None {
				o = c.Uncacheable()
			} else {
				o = c.Request(id, s.SizeAt(i), s.Cost(id))
			}
			if each != nil {
				each(i, o)
			}
		}
		if done != nil {
			done(to - from)
		}
	}
	for ; v < len(s.Invalidations); v++ {
		c.Invalidate(s.Invalidations[v].ID)
	}
	return nil
}

// Simulate is one point: the cache cfg describes on the stream s. It is what
// Replay over a new TraceCache counts, by a shorter way where there is one; the
// offline bounds (policy.Offline) can be had here too.
func Simulate(s *stream.Stream, cfg Config) (Point, error) {
	if err := s.Check(); err != nil {
		return Point{}, err
	}
	return newLab(s, defaultWindows, 0).simulate(context.Background(), cfg, nil)
}

// straight reports whether cfg is the bare policy on the stream, so that the
// policy's own loop gives all there is to know.
func (l *lab) straight(cfg Config, info policy.Info) bool {
	return l.from == 0 && l.plain && cfg.Tier2 == nil && cfg.TTL == 0 && cfg.Entries > 0 && cfg.HotThreshold <= 1 && cfg.InstallDelay == 0 && cfg.InstallTime == 0 &&
		(cfg.Admission == "" || cfg.Admission == "always") && !info.Refuses && !info.IsOffline() && !(info.Costs && l.s.Costs != nil)
}

// roomy reports whether cfg has room for every id, so that first requests alone miss.
func (l *lab) roomy(cfg Config, info policy.Info) bool {
	if !l.plain || l.from > 0 || cfg.Entries < uint64(l.n) || cfg.Slots > 0 {
		return false
	}
	if info.IsOffline() {
		return !info.CountsOnly()
	}
	return info.Fills() && l.straight(cfg, info)
}

func (l *lab) simulate(ctx context.Context, cfg Config, done func(int)) (Point, error) {
	cfg.IDs = l.n
	if cfg.Slots == 0 {
		cfg.Tier2 = nil // a swap changes nothing but sizes
	}
	if l.s.Foreign {
		cfg.Keys = l.s.Keys
	}
	info, err := policy.Lookup(cfg.Policy)
	if err != nil {
		return Point{}, err
	}
	if info.IsOffline() {
		return l.offline(cfg, info, done)
	}
	// Names, budget and admission are checked in one place.
	c, err := NewTraceCache(cfg)
	if err != nil {
		return Point{}, err
	}
	if l.roomy(cfg, info) {
		pt := l.point(cfg, slices.Clone(l.first))
		l.classify(&pt, l.first)
		pt.Installs = pt.Misses
		l.perSecond(&pt)
		if done != nil {
			done(l.s.Len())
		}
		return pt, nil
	}
	miss := make([]uint64, len(l.first))
	if l.straight(cfg, info) {
		p := c.policy
		for from := 0; from < l.s.Len(); from += step {
			if err := ctx.Err(); err != nil {
				return Point{}, err
			}
			to := min(from+step, l.s.Len())
			for c := range l.s.Chunks(from, to, 0) {
				policy.Run(p, c.IDs, miss[c.From/64:])
			}
			if done != nil {
				done(to - from)
			}
		}
		pt := l.point(cfg, miss)
		l.classify(&pt, miss)
		pt.Installs = pt.Misses
		pt.Evictions = pt.Installs - uint64(p.Len())
		l.perSecond(&pt)
		return pt, nil
	}
	var warm Stats // what was done before the first request that counts
	err = replay(ctx, l.s, c, func(i int, o Outcome) {
		if i == l.from-1 {
			warm = c.Stats()
		}
		if o != Hit {
			miss[i>>6] |= 1 << (i & 63)
		}
	}, done)
	if err != nil {
		return Point{}, err
	}
	pt := l.point(cfg, miss)
	st := c.Stats()
	for o := range st.Outcome {
		st.Outcome[o] -= warm.Outcome[o]
	}
	pt.outcomes(st.Outcome)
	pt.Installs, pt.Evictions = st.Installed-warm.Installed, st.Evicted-warm.Evicted
	l.perSecond(&pt)
	return pt, nil
}

// classify splits misses into first requests and others, which is all there is
// where every id is installed at its first request and leaves by eviction.
func (l *lab) classify(p *Point, miss []uint64) {
	for w, m := range miss {
		p.Cold += uint64(bits.OnesCount64(m & l.first[w]))
	}
	p.Hits = p.Requests - p.Misses
	p.Capacity = p.Misses - p.Cold - p.Uncacheable
}

func (l *lab) perSecond(p *Point) {
	if l.seconds > 0 {
		p.InstallsPerSecond = float64(p.Installs) / l.seconds
	}
}

// generations is the stream as the offline bounds take it: uncacheable requests
// left out, and an id that was invalidated is another id from then on. at holds
// the number of each request kept, nil where all are.
func (l *lab) generations() (r policy.Requests, at []int) {
	s := l.s
	if l.plain {
		return policy.Requests{IDs: s.IDs, N: l.n, Sizes: s.Sizes}, nil
	}
	now := make([]uint32, l.n)
	for id := range now {
		now[id] = uint32(id)
	}
	stale := make([]bool, l.n)
	n := uint32(l.n)
	origin := make([]uint32, l.n)
	copy(origin, now)
	v := 0
	for i, id := range s.IDs {
		for ; v < len(s.Invalidations) && s.Invalidations[v].At <= uint64(i); v++ {
			stale[s.Invalidations[v].ID] = true
		}
		if id == stream.None {
			continue
		}
		if stale[id] {
			stale[id] = false
			now[id] = n
			origin = append(origin, id)
			n++
		}
		r.IDs = append(r.IDs, now[id])
		at = append(at, i)
	}
	r.N = int(n)
	if s.Sizes != nil {
		r.Sizes = make([]uint32, n)
		for g, id := range origin {
			r.Sizes[g] = s.Sizes[id]
		}
	}
	return r, at
}

// offline makes the point of a bound that needs the whole stream. Thresholds,
// delays and admission don't bind it.
func (l *lab) offline(cfg Config, info policy.Info, done func(int)) (Point, error) {
	if cfg.Entries > 0 && cfg.Slots > 0 || cfg.Entries == 0 && cfg.Slots == 0 {
		return Point{}, fmt.Errorf("policy %q: exactly one of entries and slots is needed", cfg.Policy)
	}
	if l.roomy(cfg, info) {
		pt := l.point(cfg, slices.Clone(l.first))
		l.classify(&pt, l.first)
		if done != nil {
			done(l.s.Len())
		}
		return pt, nil
	}
	capacity := cfg.Entries
	r, at := l.generations()
	switch {
	case cfg.Slots > 0:
		capacity = cfg.Slots
		if r.Sizes == nil {
			r.Sizes = make([]uint32, r.N)
			for i := range r.Sizes {
				r.Sizes[i] = 1
			}
		}
	default:
		r.Sizes = nil
	}
	var pt Point
	if info.CountsOnly() {
		if l.from > 0 {
			return Point{}, errWarmBound
		}
		pt = l.pfoo(cfg, policy.NewPFOOL(r), uint64(len(r.IDs)))
	} else {
		few := make([]uint64, (len(r.IDs)+63)/64)
		info.Solve(r, capacity, few)
		miss := few
		if !l.plain {
			miss = make([]uint64, len(l.first))
			for i := range miss {
				miss[i] = ^uint64(0)
			}
			if k := len(l.s.IDs) & 63; k != 0 {
				miss[len(miss)-1] = 1<<k - 1
			}
			for k, i := range at {
				if few[k>>6]>>(k&63)&1 == 0 {
					miss[i>>6] &^= 1 << (i & 63)
				}
			}
		}
		pt = l.point(cfg, miss)
		for _, id := range l.s.IDs[l.from:] {
			if id == stream.None {
				pt.Uncacheable++
			}
		}
		l.classify(&pt, miss)
	}
	if done != nil {
		done(l.s.Len())
	}
	return pt, nil
}

// pfoo makes a point of pfoo-l, which bounds the number of misses and nothing
// else: it has no windows, labels or bytes.
func (l *lab) pfoo(cfg Config, f *policy.PFOOL, cacheable uint64) Point {
	p := l.point(cfg, nil)
	p.Bytes = 0
	p.Uncacheable = p.Requests - cacheable
	p.Misses = f.Misses(cfg.Entries+cfg.Slots) + p.Uncacheable
	p.Cold = l.cold
	p.Hits = p.Requests - p.Misses
	p.Capacity = p.Misses - p.Cold - p.Uncacheable
	p.ratios()
	return p
}
