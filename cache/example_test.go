package cache_test

import (
	"context"
	"fmt"

	"jitnic/cache"
	"jitnic/cache/stream"
)

// A trace cache of one entry, whose installs take two packets.
func ExampleTraceCache() {
	c, err := cache.NewTraceCache(cache.Config{Policy: "lru", Entries: 1, InstallDelay: 2})
	if err != nil {
		panic(err)
	}
	var out []cache.Outcome
	for _, id := range []uint32{0, 0, 0, 0, 1, 1, 1, 1, 0} {
		out = append(out, c.Request(id, 1, 1))
	}
	fmt.Println(out)
	c.Invalidate(1)
	fmt.Println(c.Request(1, 1, 1), c.Uncacheable())
	s := c.Stats()
	fmt.Println(s.Outcome.Total(), "packets,", s.Outcome.Misses(), "misses,", s.Installed, "installs")
	// Output:
	// [cold in_flight in_flight hit cold in_flight in_flight hit capacity]
	// invalidated uncacheable
	// 11 packets, 9 misses, 2 installs
}

// Which policy a stream needs, and how far the best is from the optimum.
func ExampleGrid() {
	s := stream.Zipf(1000, 100_000, 1)
	g := cache.Grid{Policies: []string{"lru", "fifo", "sieve", "belady-bypass"}, Entries: []uint64{100}}
	study, err := g.Run(context.Background(), s)
	if err != nil {
		panic(err)
	}
	for _, r := range study.Rankings(1) {
		for _, p := range r.Points {
			fmt.Printf("%-6s %.4f, %.4f above %s\n", p.Policy, p.MissRatio, r.Distance(p), r.Bound.Policy)
		}
		fmt.Printf("lead %.4f, significant: %v\n", r.Lead.Mean, r.Lead.Significant)
	}
	// Output:
	// sieve  0.3320, 0.0871 above belady-bypass
	// lru    0.4244, 0.1795 above belady-bypass
	// fifo   0.4800, 0.2351 above belady-bypass
	// lead 0.0924, significant: true
}
