package load_test

import (
	"context"
	"fmt"
	"log"

	"jitnic/cache"
	"jitnic/nic/device"
	"jitnic/nic/device/load"
	"jitnic/nic/profile"
)

// A device whose trace takes 100 ns a packet before a host whose core takes
// 400 ns: the rate each can do without loss, and the latency at it.
func Example() {
	bench := &load.Bench{
		Input: &device.Input{
			Packets: []device.Packet{{Len: 64, OutLen: 64, Fate: device.Wire, Host: 360_000, Miss: 10}},
			Paths:   []device.Path{{Match: 10, Exec: 100, Slots: 1, Compile: 20_000_000, Install: 5_000_000}},
		},
		NIC: &profile.NIC{
			Name: "example", Clock: 1_000_000, Link: 10_000, LinkOverhead: 20, IngressQueue: 64, EgressQueue: 64,
			MatcherInterval: 1, Units: 1, UnitQueue: 4, Memory: profile.MemShared,
			PCIeRead: 550, PCIeWriteRead: 780, PCIeRate: 63_015, PCIeTLP: 26, PCIePayload: 256, PCIeDesc: 16, InstallQueue: 4,
		},
		Host:    &profile.Host{Name: "example", Cores: 1, Queue: 256, Driver: 40_000, Compilers: 1, CompileQueue: 4},
		Load:    device.Load{Packets: 100_000},
		Options: device.Options{Cache: cache.Config{Policy: "lru", Entries: 4}, Warm: 10_000},
		Workers: 2,
	}
	found, err := bench.Throughputs(context.Background(), load.AllModes(), 0)
	if err != nil {
		log.Fatal(err)
	}
	for _, t := range found {
		fmt.Printf("%-8v %.2f Mpps without loss, mean %.0f ns\n", t.Mode, float64(t.Rate)/1e6, t.Result.Latency.Mean/1000)
	}
	// Output:
	// host     2.50 Mpps without loss, mean 1281 ns
	// nic      9.99 Mpps without loss, mean 177 ns
	// nic+host 9.99 Mpps without loss, mean 177 ns
}
