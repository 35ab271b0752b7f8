package fib_test

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"

	"jitnic/host/fib"
)

// A router of one route: a packet that came in by link 3 leaves by link 2.
func Example() {
	table, err := fib.Read("fib.txt", strings.NewReader(`
		link 2 eth0 address 02:00:00:00:00:02 mtu 1500
		link 3 eth1 address 02:00:00:00:00:03
		address 10.0.0.1/24 dev eth0
		route 192.0.2.0/24 via 10.0.0.254 metric 100
		neigh 10.0.0.254 dev eth0 lladdr 02:00:00:00:00:fe
	`))
	if err != nil {
		fmt.Println(err)
		return
	}
	params := make([]byte, fib.ParamsSize) // struct bpf_fib_lookup
	params[0] = 2                          // AF_INET
	binary.LittleEndian.PutUint32(params[8:], 3)
	copy(params[32:], netip.MustParseAddr("192.0.2.77").AsSlice())

	fmt.Println("result", table.Lookup(params, 0) == fib.Success)
	fmt.Println("link", binary.LittleEndian.Uint32(params[8:]), "mtu", binary.LittleEndian.Uint16(params[6:]))
	fmt.Printf("from % x to % x\n", params[52:58], params[58:64])
	// Output:
	// result true
	// link 2 mtu 1500
	// from 02 00 00 00 00 02 to 02 00 00 00 00 fe
}
