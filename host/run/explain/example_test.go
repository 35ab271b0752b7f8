package explain_test

import (
	"context"
	"fmt"
	"log"

	"jitnic/host/run/explain"
	"jitnic/host/run/replay"
)

// Why does the router take so many paths on VLAN traffic?
func Example() {
	in := replay.Input{Program: "sample:router", Captures: []string{"sample:vlan"}}
	s, err := explain.Run(context.Background(), in, replay.Cache{Entries: 64}, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer s.Session.Close()
	fmt.Println(s.Sentence())
	folds, err := s.Fold("line")
	if err != nil {
		log.Fatal(err)
	}
	for _, f := range folds[:3] {
		fmt.Printf("%-12s makes %d, %d left without it: %s\n", f.Name, f.Makes, f.Left, s.Asking(f))
	}
	// Output:
	// 12 paths: 6 by eth.type, vlan.type: QinQ, VLAN at net.h:263; 2 by eth.dst & 0x1 at router.c:145; 1 by ip6.next at net.h:204; 1 by vlan.type: IPv6, IPv4 at net.h:273; 1 by routes4[ip.dst].vlan, routes6.vlan == 0 at router.c:194; and the first
	// net.h:263    makes 6, 6 left without it: eth.type, vlan.type: QinQ, VLAN
	// router.c:145 makes 2, 12 left without it: eth.dst & 0x1
	// net.h:204    makes 1, 10 left without it: ip6.next < 44; ip6.next: fragment, AH, destination options, hop-by-hop, routing
}
