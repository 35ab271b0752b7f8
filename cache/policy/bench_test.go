package policy

import (
	"math/bits"
	"sync"
	"testing"
	"time"

	"jitnic/cache/stream"
	"jitnic/host/hosttest/must"
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

// BenchmarkRunner is what each policy's own loop gains over the steps: both
// pass the same stream in turn, five times, and the ratio is of the fastest.
// A loop that gains less than 1.3 does not pay for being there.
func BenchmarkRunner(b *testing.B) {
	s := zipf()
	ids := s.IDs[:2_000_000]
	miss := make([]uint64, (len(ids)+63)/64)
	for _, name := range Names() {
		made := func() Policy {
			p := must.Get(New(name, Config{Capacity: 10_000, IDs: s.NumIDs(), Seed: 1}))(b)
			return p
		}
		if _, ok := made().(Runner); !ok {
			continue
		}
		b.Run(name, func(b *testing.B) {
			own, steps := time.Duration(1<<62), time.Duration(1<<62)
			for range 5 * b.N {
				p, q := made(), made()
				t0 := time.Now()
				Run(p, ids, miss)
				t1 := time.Now()
				play(q, ids, miss)
				own, steps = min(own, t1.Sub(t0)), min(steps, time.Since(t1))
			}
			b.ReportMetric(float64(steps)/float64(own), "steps/own")
			b.ReportMetric(0, "ns/op")
		})
	}
}
