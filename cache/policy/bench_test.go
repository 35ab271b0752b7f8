package policy

import (
	"math/bits"
	"sync"
	"testing"

	"jitnic/cache/stream"
)

// The corpus's Zipf stream, made once.
var zipf = sync.OnceValue(func() *stream.Stream { return stream.Zipf(100_000, 10_000_000, 42) })

// BenchmarkPolicy is each policy on 10,000,000 requests at 10,000 entries, one
// core. (The targets of the laboratory are in M requests a second: lru 100,
// fifo and sieve 150, clock 120, arc, s3-fifo and 2q 80, lfu 50, w-tinylfu 30,
// belady 25.)
func BenchmarkPolicy(b *testing.B) {
	s := zipf()
	miss := make([]uint64, (len(s.IDs)+63)/64)
	for _, name := range append(Names(), OfflineNames()...) {
		b.Run(name, func(b *testing.B) {
			for range b.N {
				switch name {
				case "belady":
					Belady(Requests{IDs: s.IDs, N: s.NumIDs()}, 10_000, miss)
				case "belady-bypass":
					BeladyBypass(Requests{IDs: s.IDs, N: s.NumIDs()}, 10_000, miss)
				case "pfoo-l":
					NewPFOOL(Requests{IDs: s.IDs, N: s.NumIDs()}).Misses(10_000)
				default:
					p, err := New(name, Config{Capacity: 10_000, IDs: s.NumIDs(), Seed: 1})
					if err != nil {
						b.Fatal(err)
					}
					Run(p, s.IDs, miss)
				}
			}
			n := 0
			for _, m := range miss {
				n += bits.OnesCount64(m)
			}
			b.ReportMetric(float64(len(s.IDs))*float64(b.N)/b.Elapsed().Seconds()/1e6, "Mreq/s")
			b.ReportMetric(float64(n), "misses")
			b.ReportMetric(0, "ns/op")
		})
	}
}
