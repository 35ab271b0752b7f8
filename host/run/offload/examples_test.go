package offload_test

import (
	"context"
	"fmt"
	"log"

	"jitnic/cache"
	"jitnic/host/run/offload"
	"jitnic/host/run/replay"
	"jitnic/nic/feasibility"
	"jitnic/nic/profile"
)

// Does the offload of a firewall to hXDP pay at a million packets a second?
func Example() {
	nic, err := profile.Load("hxdp")
	if err != nil {
		log.Fatal(err)
	}
	host, err := profile.LoadHost("paper")
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	in := replay.Input{Program: "sample:firewall", Captures: []string{"sample:dns"}, Limit: 2000, Seed: 1}
	run, err := offload.Observe(ctx, in, offload.Options{}, nic)
	if err != nil {
		log.Fatal(err)
	}
	defer run.Close()
	study, err := run.Study(ctx, nic, host, feasibility.Options{Cache: cache.Config{Policy: "lru"}, Rate: 1_000_000, Packets: 2000, Seed: 1})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(study.Verdict.Answer)
	fmt.Println(study.Verdict.Sentence)
	// Output:
	// depends
	// Whether the offload pays at 1 Mpps on hxdp depends on what counts: 100 % of packets hit, and 91.71 % would do to save host cores; it saves 30.39 % of host cores (0.311 instead of 0.447); but takes 1373 ns a packet (the host alone 1184 ns).
}
