package device

import (
	"math/rand/v2"
	"testing"

	"jitnic/cache"
	"jitnic/nic/profile"
)

// skewed is n packets of many flows on a hundred paths, some paths far more
// often than others, with two accesses each to one of 10,000 entries.
func skewed(n int, seed uint64) *Input {
	r := rand.New(rand.NewPCG(seed, 1))
	z := rand.NewZipf(r, 1.2, 1, 99)
	in := &Input{Entries: 10_000}
	for i := range 100 {
		in.Paths = append(in.Paths, Path{
			Match: uint32(8 + i%5), Exec: uint32(20 + i%17), Reads: 1, Writes: 1, Slots: uint32(40 + i), Cost: 1,
			Compile: 200_000 * ns, Install: 5000 * ns, Bytes: 400,
		})
	}
	for range n {
		flow := r.Uint32N(5000)
		e := r.Uint32N(10_000)
		size := uint16(60 + r.Uint32N(1000))
		in.Packets = append(in.Packets, Packet{
			Path: int32(z.Uint64()), Flow: flow, First: uint32(len(in.Accesses)), N: 2, Queue: uint16(flow),
			Len: size, OutLen: size, Fate: Fate(r.Uint32N(3)), Host: 60_000, Miss: 12,
		})
		in.Accesses = append(in.Accesses, Access{e, false}, Access{e, true})
	}
	return in
}

// fast is a device that keeps up with some 10 M packets/s of skewed.
func fast() (*profile.NIC, *profile.Host) {
	n, h := testDevice(), testHost()
	n.Link, n.PCIeRate = 100_000, 50_000
	n.Units, n.UnitQueue, n.IngressQueue, n.EgressQueue = 16, 16, 512, 512
	n.MatcherInterval = 2
	h.Cores, h.Queue = 4, 512
	return n, h
}

func BenchmarkRun(b *testing.B) {
	in := skewed(1_000_000, 1)
	for _, c := range []struct {
		name    string
		mode    Mode
		ordered bool
		entries uint64
		memory  profile.MemoryModel
	}{
		{"hits", Both, false, 100, profile.MemShared},
		{"misses", Both, false, 10, profile.MemShared},
		{"ordered", Both, true, 100, profile.MemShared},
		{"replicated", Both, false, 100, profile.MemReplicated},
		{"host", HostOnly, false, 0, profile.MemShared},
		{"nic", NICOnly, false, 0, profile.MemShared},
	} {
		b.Run(c.name, func(b *testing.B) {
			n, h := fast()
			n.Memory = c.memory
			b.ReportAllocs()
			for b.Loop() {
				mustRun(b, in, n, h, Load{Arrivals: Poisson, Rate: 5_000_000, Seed: 1},
					Options{Mode: c.mode, Ordered: c.ordered, Cache: cache.Config{Policy: "lru", Entries: c.entries}})
			}
			b.ReportMetric(float64(len(in.Packets))*float64(b.N)/b.Elapsed().Seconds()/1e6, "Mpackets/s")
		})
	}
}
