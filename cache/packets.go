package cache

import (
	"fmt"

	"jitnic/cache/policy"
	"jitnic/cache/stream"
)

// Packets drives a TraceCache over a stream in which a packet may make several
// requests, one for each segment of its path: requests says how many each packet
// makes. It counts packets by outcome: a packet's is that of its first request that
// isn't a hit.
func Packets(s *stream.Stream, requests []uint8, cfg Config) (Counts, Stats, error) {
	c, err := NewTraceCache(cfg)
	if err != nil {
		return Counts{}, Stats{}, err
	}
	var n Counts
	replayPackets(s, requests, c, func(_ int, o Outcome) { n[o]++ })
	return n, c.Stats(), nil
}

// replayPackets is Replay of such a stream: each gets every packet and its outcome.
func replayPackets(s *stream.Stream, requests []uint8, c *TraceCache, each func(k int, o Outcome)) {
	k, out := 0, Hit
	left := uint8(0)
	Replay(s, c, func(_ int, o Outcome) {
		if left == 0 {
			left, out = max(requests[k], 1), Hit
		}
		if out == Hit {
			out = o
		}
		if left--; left == 0 {
			each(k, out)
			k++
		}
	})
}

// PacketPoint is the point that a cache is on such a stream: what is counted are
// packets, and of the first warmup nothing is. Offline policies choose by requests,
// and are refused.
func PacketPoint(s *stream.Stream, requests []uint8, cfg Config, windows, warmup int) (Point, error) {
	info, err := policy.Lookup(cfg.Policy)
	if err != nil {
		return Point{}, err
	}
	if info.IsOffline() {
		return Point{}, fmt.Errorf("policy %q: chooses by requests, which says nothing of packets that make several", cfg.Policy)
	}
	if warmup > 0 && warmup >= len(requests) {
		return Point{}, fmt.Errorf("a warm-up of %d leaves nothing of %d packets to count", warmup, len(requests))
	}
	cfg.IDs = s.NumIDs()
	c, err := NewTraceCache(cfg)
	if err != nil {
		return Point{}, err
	}
	l := newLab(firstRequests(s, requests), windows, warmup)
	miss := make([]uint64, (len(requests)+63)/64)
	var n Counts
	var warm Stats
	replayPackets(s, requests, c, func(k int, o Outcome) {
		if k >= l.from {
			n[o]++
		}
		if k == l.from-1 {
			warm = c.Stats()
		}
		if o != Hit {
			miss[k>>6] |= 1 << (k & 63)
		}
	})
	p := l.point(cfg, miss)
	p.outcomes(n)
	st := c.Stats()
	p.Installs, p.Evictions = st.Installed-warm.Installed, st.Evicted-warm.Evicted
	l.perSecond(&p)
	return p, nil
}

// firstRequests is the stream of each packet's first request.
func firstRequests(s *stream.Stream, requests []uint8) *stream.Stream {
	t := *s
	t.IDs, t.Bytes, t.Time, t.Labels, t.Invalidations = nil, nil, nil, nil, nil
	at := 0
	for _, n := range requests {
		t.IDs = append(t.IDs, s.IDs[at])
		if s.Bytes != nil {
			t.Bytes = append(t.Bytes, s.Bytes[at])
		}
		if s.Time != nil {
			t.Time = append(t.Time, s.Time[at])
		}
		if s.Labels != nil {
			t.Labels = append(t.Labels, s.Labels[at])
		}
		at += int(max(n, 1))
	}
	return &t
}
