package cache

import (
	"testing"

	"jitnic/cache/stream"
)

// The state machine around a policy: what a packet of a replay costs beside
// everything else, and what a point off the short way costs.
func BenchmarkTraceCache(b *testing.B) {
	s := stream.Zipf(100_000, 2_000_000, 42)
	for _, name := range []string{"lru", "sieve", "arc"} {
		b.Run(name, func(b *testing.B) {
			for range b.N {
				c, err := NewTraceCache(Config{Policy: name, Entries: 10_000, IDs: s.NumIDs(), InstallDelay: 10})
				if err != nil {
					b.Fatal(err)
				}
				Replay(s, c, nil)
			}
			b.ReportMetric(float64(s.Len())*float64(b.N)/b.Elapsed().Seconds()/1e6, "Mreq/s")
		})
	}
}
