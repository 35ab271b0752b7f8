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

// A PacketLab finds the points that caches are on such a stream: what is counted
// are packets, and of the first warmup nothing is.
type PacketLab struct {
	s        *stream.Stream
	requests []uint8
	warmup   int
	l        *lab // of packets
}

// NewPacketLab takes from the stream what is the same for all caches.
func NewPacketLab(s *stream.Stream, requests []uint8, windows, warmup int) *PacketLab {
	return &PacketLab{s, requests, warmup, newLab(firstRequests(s, requests), windows, warmup)}
}

// Point is that of one cache. Offline policies choose by requests, and are refused.
func (b *PacketLab) Point(cfg Config) (Point, error) {
	info, err := policy.Lookup(cfg.Policy)
	if err != nil {
		return Point{}, err
	}
	if info.IsOffline() {
		return Point{}, fmt.Errorf("policy %q: chooses by requests, which says nothing of packets that make several", cfg.Policy)
	}
	if b.warmup > 0 && b.warmup >= len(b.requests) {
		return Point{}, fmt.Errorf("a warm-up of %d leaves nothing of %d packets to count", b.warmup, len(b.requests))
	}
	cfg.IDs = b.s.NumIDs()
	c, err := NewTraceCache(cfg)
	if err != nil {
		return Point{}, err
	}
	l := b.l
	miss := make([]uint64, (len(b.requests)+63)/64)
	var n Counts
	var warm Stats
	replayPackets(b.s, b.requests, c, func(k int, o Outcome) {
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
