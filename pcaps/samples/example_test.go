package samples_test

import (
	"context"
	"fmt"

	"jitnic/pcaps"
)

// A sample is opened like any capture.
func Example() {
	src, err := pcaps.Open(context.Background(), pcaps.Options{Paths: []string{"sample:dns"}, Filter: "udp port 53"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer src.Close()
	var pkt pcaps.Packet
	for src.Next(&pkt) == nil {
	}
	c := src.Counters()
	fmt.Println(c.Packets, "DNS packets over UDP,", c.Filtered, "others")
	// Output:
	// 1252 DNS packets over UDP, 390 others
}
