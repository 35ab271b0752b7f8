package feasibility

import (
	"context"
	"testing"

	"jitnic/cache"
	"jitnic/host/hosttest"
	"jitnic/host/hosttest/must"
	"jitnic/nic/device"
	"jitnic/nic/price"
	"jitnic/nic/profile"
)

// profiles returns built-in profiles.
func profiles(t testing.TB, nic, host string) (*profile.NIC, *profile.Host) {
	t.Helper()
	n := must.Get(profile.Load(nic))(t)
	h := must.Get(profile.LoadHost(host))(t)
	return n, h
}

// BenchmarkStudy is a study with all sections but the designs.
func BenchmarkStudy(b *testing.B) {
	for _, c := range []struct{ program, capture string }{{"firewall", "echo-connections.pcap.gz"}, {"telemetry", "zoo.pcap.gz"}} {
		b.Run(c.program+" "+c.capture, func(b *testing.B) {
			w, x, tree := observed(b, c.program, hosttest.Capture(b, c.capture), 0, false)
			n, h := profiles(b, "hxdp", "paper")
			opt := Options{Cache: cache.Config{Policy: "lru", HotThreshold: 1, Seed: 1}, Rate: 10_000_000, Seed: 1, Memory: true, Sensitivity: true,
				Throughput: true, Rates: []uint64{1_000_000, 2_000_000, 3_500_000, 5_000_000, 7_000_000, 10_000_000, 14_000_000, 20_000_000, 35_000_000, 50_000_000}, Workers: 1}
			for b.Loop() {
				if _, err := Run(context.Background(), w, x, tree, n, h, opt); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func pricesOf(in *device.Input) *price.Prices { return &price.Prices{In: in} }
