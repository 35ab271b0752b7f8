package designs_test

import (
	"fmt"

	"jitnic/cache"
	"jitnic/nic/designs"
	"jitnic/nic/device"
	"jitnic/nic/profile"
	"jitnic/nic/workload"
)

// A firewall that remembers connections has two paths for a connection: its
// opening, which makes an entry in a map, and the rest. Sixteen connections of
// five packets each need two traces; a flow cache needs an entry for each, and
// does with every packet what it did with the first.
func Example() {
	s := &designs.Setting{
		W: &workload.Workload{
			Paths:  make([]workload.Path, 2),
			Shapes: []workload.Shape{{Insns: 90}, {Insns: 60}},
		},
		In:    &device.Input{Paths: []device.Path{{Match: 6, Exec: 30, Slots: 40}, {Match: 6, Exec: 20, Slots: 25}}},
		NIC:   &profile.NIC{Clock: 250_000, PCIeRead: 550, PCIeWriteRead: 780, PCIeRate: 62_000},
		Host:  &profile.Host{Driver: 41_600, Insn: 500},
		Cache: cache.Config{Policy: "lru", Entries: 8},
	}
	for packet := range 5 {
		for connection := range uint32(16) {
			path := min(packet, 1)
			s.W.Packets = append(s.W.Packets, workload.Packet{Path: int32(path), Shape: uint32(path), Flow: connection})
			s.In.Packets = append(s.In.Packets, device.Packet{Path: int32(path), Flow: connection, Len: 64, Miss: 6, Host: 38_400})
		}
	}
	for _, name := range []string{"trace", "flow", "flow-sound"} {
		for _, s.Cache.Entries = range []uint64{8, 16} {
			d, err := designs.Lookup(name)
			if err != nil {
				fmt.Println(err)
				return
			}
			r, err := d.Run(s)
			if err != nil {
				fmt.Println(err)
				return
			}
			fmt.Printf("%-10s %2d entries: %2d right, %2d wrong, %3d installs, %3.0f ns\n",
				r.Design, s.Cache.Entries, r.Hits, r.Wrong, r.Installs, r.Latency)
		}
	}
	// Output:
	// trace       8 entries: 78 right,  0 wrong,   2 installs, 117 ns
	// trace      16 entries: 78 right,  0 wrong,   2 installs, 117 ns
	// flow        8 entries:  0 right,  0 wrong,  80 installs, 318 ns
	// flow       16 entries:  0 right, 64 wrong,  16 installs, 134 ns
	// flow-sound  8 entries:  0 right,  0 wrong,  80 installs, 318 ns
	// flow-sound 16 entries: 48 right,  0 wrong,  32 installs, 180 ns
}
