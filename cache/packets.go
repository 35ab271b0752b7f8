package cache

import "jitnic/cache/stream"

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
	k, out := 0, Hit
	left := uint8(0)
	Replay(s, c, func(i int, o Outcome) {
		if left == 0 {
			left, out = max(requests[k], 1), Hit
			k++
		}
		if out == Hit {
			out = o
		}
		if left--; left == 0 {
			n[out]++
		}
	})
	return n, c.Stats(), nil
}
