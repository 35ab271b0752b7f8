package cache

import (
	"os"
	"testing"

	"jitnic/cache/stream"
)

// Through the TraceCache, a plain stream gives the plain policy's misses.
func TestTraceCacheGivesThePolicysMisses(t *testing.T) {
	s := stream.Zipf(100_000, 10_000_000, 42)
	for i, g := range []struct {
		policy string
		misses uint64
	}{
		{"lru", 2629321}, {"sieve", 2113732}, {"arc", 2197520}, {"s3-fifo", 2132119}, // these by default
		{"fifo", 2992443}, {"clock", 2545063}, {"2q", 2288891}, {"2q-libcachesim", 2261916},
		{"arc-libcachesim", 2196501}, {"slru", 2167512}, {"s3-fifo-v0", 2133191}, {"lirs", 2199067},
	} {
		if i >= 4 && os.Getenv("JITNIC_HEAVY") == "" {
			break
		}
		c, err := NewTraceCache(Config{Policy: g.policy, Entries: 10_000})
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range s.IDs {
			c.Request(id, 1, 1)
		}
		st := c.Stats()
		if m := st.Outcome.Misses(); m != g.misses {
			t.Errorf("%s: %d misses, want %d", g.policy, m, g.misses)
		}
		if st.Outcome.Total() != uint64(s.Len()) || st.Outcome[Cold] != 99_997 {
			t.Errorf("%s: outcomes %v", g.policy, st.Outcome)
		}
	}
}
