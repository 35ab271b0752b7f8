package load

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"jitnic/nic/device"
	"jitnic/nic/profile"
)

// A Bench is a device under test and what it is offered, but for rate and mode.
type Bench struct {
	Input *device.Input
	NIC   *profile.NIC
	Host  *profile.Host
	// Load is what packets come how; its Rate is not read.
	Load device.Load
	// Options holds for all runs; its Mode is not read.
	Options device.Options
	// Workers is how many runs are made at once; 0 is 1.
	Workers int
}

// AllModes is host only, NIC only, and both.
func AllModes() []device.Mode {
	return []device.Mode{device.HostOnly, device.NICOnly, device.Both}
}

// A Point is one rate and mode of a load curve. Latencies are in ns.
type Point struct {
	Mode       device.Mode
	Rate       uint64  // asked for, packets/s
	AboveLine  bool    // more than the device's link can bring in
	Offered    float64 // packets/s
	Throughput float64 // packets/s that finished
	Mean       float64
	P50        float64
	P99        float64
	P999       float64
	Max        float64
	Lost       uint64 // packets
	Loss       float64
	HitRatio   float64
	Cores      float64 // of the host, busy

	Result *device.Result
}

// Sweep runs each mode at each rate. Points come mode by mode.
func (b *Bench) Sweep(ctx context.Context, modes []device.Mode, rates []uint64) ([]Point, error) {
	line := device.LineRate(b.Input, b.NIC)
	points := make([]Point, len(modes)*len(rates))
	err := b.each(ctx, len(points), func(i int) error {
		mode, rate := modes[i/len(rates)], rates[i%len(rates)]
		r, err := b.at(b.Load.Arrivals, mode, rate)
		if err != nil {
			return fmt.Errorf("%v at %d packets/s: %w", mode, rate, err)
		}
		const ns = 1000
		points[i] = Point{
			Mode: mode, Rate: rate, AboveLine: line > 0 && rate > line,
			Offered: r.Offered, Throughput: r.Throughput,
			Mean: r.Latency.Mean / ns, P50: float64(r.Latency.P50) / ns, P99: float64(r.Latency.P99) / ns,
			P999: float64(r.Latency.P999) / ns, Max: float64(r.Latency.Max) / ns,
			Lost: r.Drops.Total(), Loss: r.Loss(), HitRatio: r.HitRatio(), Cores: r.Cores, Result: r,
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return points, nil
}

// at is one run.
func (b *Bench) at(arrivals device.Arrivals, mode device.Mode, rate uint64) (*device.Result, error) {
	l, o := b.Load, b.Options
	l.Arrivals, l.Rate, o.Mode = arrivals, rate, mode
	return device.Run(b.Input, b.NIC, b.Host, l, o)
}

// each makes n things, some at once. The error is that of the first that fails,
// in the order of their numbers, of those that were begun.
func (b *Bench) each(ctx context.Context, n int, do func(int) error) error {
	errs := make([]error, n)
	var next, failed atomic.Int64
	var wg sync.WaitGroup
	for range min(max(1, b.Workers), n) {
		wg.Go(func() {
			for failed.Load() == 0 && ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				if errs[i] = do(i); errs[i] != nil {
					failed.Add(1)
				}
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return ctx.Err()
}
