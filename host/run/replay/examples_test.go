package replay_test

import (
	"context"
	"fmt"
	"log"

	"jitnic/cache"
	"jitnic/host/run/jit"
	"jitnic/host/run/replay"
	"jitnic/superopt"
)

// What does a cache of 64 traces hit?
func Example() {
	in := replay.Input{Program: "sample:firewall", Captures: []string{"sample:lab"}, Limit: 5000}
	s, err := replay.Open(context.Background(), in, replay.Cache{Policy: "lru", Entries: 64}, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	if err := s.Run(context.Background(), nil); err != nil {
		log.Fatal(err)
	}
	st := s.Runtime.NIC.Cache.Stats()
	fmt.Printf("%d packets, %d paths\n", s.Runtime.Packets, len(s.Runtime.Paths()))
	for o, n := range st.Outcome {
		fmt.Printf("%-11s %d\n", cache.Outcome(o), n)
	}
	// Output:
	// 5000 packets, 17 paths
	// hit         4983
	// cold        17
	// not_hot     0
	// capacity    0
	// invalidated 0
	// in_flight   0
	// uncacheable 0
}

// Which policy hits most in a small cache? The program runs once; every policy
// runs over the stream of path numbers.
func ExamplePaths() {
	in := replay.Input{Program: "sample:telemetry", Captures: []string{"sample:lab"}, Limit: 5000}
	stream, s, err := replay.Paths(context.Background(), in, jit.Remedies{})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	g := cache.Grid{Policies: []string{"lru", "fifo", "lfu", "belady"}, Admissions: []string{"always"}, Entries: []uint64{8}}
	study, err := g.Run(context.Background(), stream)
	if err != nil {
		log.Fatal(err)
	}
	for _, p := range study.Points {
		fmt.Printf("%-7s %d of %d hit\n", p.Policy, p.Hits, p.Requests)
	}
	// Output:
	// lru     3343 of 5000 hit
	// fifo    3188 of 5000 hit
	// lfu     2859 of 5000 hit
	// belady  4128 of 5000 hit
}

// How short does the most taken trace get, under its path condition?
func Example_optimise() {
	in := replay.Input{Program: "sample:firewall", Captures: []string{"sample:dns"}, Limit: 1000}
	s, err := replay.Open(context.Background(), in, replay.Cache{}, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	if err := s.Run(context.Background(), nil); err != nil {
		log.Fatal(err)
	}
	most := s.Runtime.Paths()[0]
	for _, p := range s.Runtime.Paths() {
		if p.Packets > most.Packets {
			most = p
		}
	}
	t, r, err := superopt.OptimizeTrace(context.Background(), most.Path, s.Runtime.Comp, &superopt.Options{Layers: "p"}, false)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%d packets: %d instructions, %d proved equal\n", most.Packets, most.Path.Trace.Len(), t.Len())
	fmt.Println("whole trace:", r.Whole)
	// Output:
	// 232 packets: 43 instructions, 35 proved equal
	// whole trace: proved
}
