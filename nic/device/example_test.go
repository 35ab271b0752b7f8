package device_test

import (
	"fmt"
	"log"

	"jitnic/cache"
	"jitnic/nic/device"
	"jitnic/nic/profile"
)

// Three packets of one path, 2 µs apart, on a device with a PCIe Gen3 x8. The
// first is run on the host, which makes a trace of it; the second comes while
// that is being installed, the third hits.
func Example() {
	nic := &profile.NIC{
		Name: "example", Clock: 156_250, Link: 40_000, LinkOverhead: 24, IngressQueue: 64, EgressQueue: 64,
		MatcherInterval: 1, Units: 1, UnitQueue: 4, Memory: profile.MemShared,
		PCIeRead: 546, PCIeWriteRead: 773, PCIeRate: 63_015, PCIeTLP: 26, PCIePayload: 256, PCIeDesc: 16,
		InstallStall: 16, InstallQueue: 8,
	}
	host := &profile.Host{Name: "example", Cores: 1, Queue: 512, Driver: 41_600, Compilers: 1, CompileQueue: 8}
	packet := device.Packet{Path: 0, Len: 60, OutLen: 60, Fate: device.Wire, Host: 25_000, Miss: 4}
	in := &device.Input{
		Packets: []device.Packet{packet, packet, packet},
		Paths:   []device.Path{{Match: 4, Exec: 20, Slots: 30, Compile: 1_500_000, Install: 1_000_000, Bytes: 240}},
	}
	load := device.Load{Arrivals: device.Constant, Rate: 500_000}
	r, err := device.Run(in, nic, host, load, device.Options{Cache: cache.Config{Policy: "lru", Entries: 16}})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%d cold, %d in flight, %d hit\n", r.Outcome[cache.Cold], r.Outcome[cache.InFlight], r.Outcome[cache.Hit])
	fmt.Printf("misses %.1f ns, hits %.1f ns\n", r.MissLatency.Mean/1000, r.HitLatency.Mean/1000)
	fmt.Printf("over PCIe: %d B up, %d B down, of which %d B the trace\n", r.PCIeUp.Total(), r.PCIeDown.Total(), r.PCIeDown[device.Installs])
	// Output:
	// 1 cold, 1 in flight, 1 hit
	// misses 914.5 ns, hits 170.4 ns
	// over PCIe: 308 B up, 522 B down, of which 266 B the trace
}
