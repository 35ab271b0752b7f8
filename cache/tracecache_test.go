package cache

import (
	"os"
	"testing"

	"jitnic/cache/stream"
	"jitnic/host/hosttest/must"
)

// Through the TraceCache, a plain stream gives the plain policy's misses.
func TestTraceCacheGivesThePolicysMisses(t *testing.T) {
	s := stream.Zipf(100_000, 10_000_000, 42)
	for i, g := range []struct {
		policy string
		misses uint64
	}{
		{"lru", 2629321}, {"sieve", 2113732}, {"arc", 2196501}, {"s3-fifo", 2132119}, // these by default
		{"fifo", 2992443}, {"clock", 2545063}, {"2q", 2261916},
		{"golang-arc", 2197520}, {"golang-2q", 2288891}, {"slru", 2167512}, {"s3-fifo-v0", 2133191}, {"lirs-libcachesim", 2199067},
	} {
		if i >= 4 && os.Getenv("JITNIC_HEAVY") == "" {
			break
		}
		c := must.Get(NewTraceCache(Config{Policy: g.policy, Entries: 10_000}))(t)
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

// Installs that end by call: Finish right after Began is an install of no
// delay; between them the id is in flight; Abandon leaves nothing behind.
func TestInstallsEndByCall(t *testing.T) {
	if _, err := NewTraceCache(Config{Policy: "lru", Entries: 1, External: true, InstallDelay: 1}); err == nil {
		t.Error("external installs with a delay: no error")
	}
	s := stream.Zipf(200, 20_000, 7)
	for i := range s.IDs {
		if i%97 == 0 {
			s.Invalidations = append(s.Invalidations, stream.Invalidation{At: uint64(i), ID: s.IDs[i]})
		}
	}
	for _, name := range []string{"lru", "sieve", "arc", "w-tinylfu"} {
		cfg := Config{Policy: name, Slots: 40, HotThreshold: 2, Seed: 1}
		plain := must.Get(NewTraceCache(cfg))(t)
		Replay(s, plain, nil)
		cfg.External = true
		c := must.Get(NewTraceCache(cfg))(t)
		Replay(s, c, func(i int, o Outcome) { c.Finish(s.IDs[i]) })
		if c.Stats() != plain.Stats() {
			t.Errorf("%s: %+v, want %+v", name, c.Stats(), plain.Stats())
		}
	}

	c := must.Get(NewTraceCache(Config{Policy: "lru", Entries: 1, External: true}))(t)
	expect := func(id uint32, want Outcome) {
		t.Helper()
		if o := c.Request(id, 1, 1); o != want {
			t.Errorf("request %d: %v, want %v", id, o, want)
		}
	}
	truth := func(what string, got, want bool) {
		t.Helper()
		if got != want {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}
	truth("finish of nothing", c.Finish(3), false)
	expect(3, Cold)
	expect(3, InFlight)
	truth("abandon", c.Abandon(3), true)
	truth("abandon again", c.Abandon(3), false)
	expect(3, NotHot) // begins again
	expect(3, InFlight)
	truth("finish", c.Finish(3), true)
	expect(3, Hit)
	expect(0, Cold)
	truth("invalidate in flight", c.Invalidate(0), true)
	truth("finish of what was stopped", c.Finish(0), false)
	expect(0, Invalidated)
	truth("finish", c.Finish(0), true)
	expect(3, Capacity)
	if st := c.Stats(); st.Began != 5 || st.Installed != 2 || st.Abandoned != 1 || st.Canceled != 1 || st.Evicted != 1 {
		t.Errorf("%+v", st)
	}
}
