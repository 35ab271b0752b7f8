package load

import (
	"context"
	"fmt"

	"jitnic/nic/device"
)

// Resolution is how near a search comes to the rate it looks for, as a share of
// the rate, where none is given.
const Resolution = 0.001

// A Trial is one run of a search.
type Trial struct {
	Rate   uint64 // packets/s
	Lost   uint64
	Behind int64 // packets by which the device fell behind in the second half
	Passed bool
}

// A Throughput is what a search found: a rate at which nothing was lost and the
// device kept up, which is the link's own or as good as the device's own.
type Throughput struct {
	Mode device.Mode
	Rate uint64 // packets/s; 0: no rate passes
	Line bool   // it is all that the link can bring in
	// Unlimited: nothing is lost at the highest rate tried, on a link without
	// limits.
	Unlimited bool
	Trials    []Trial        // in the order they were made
	Result    *device.Result // of the trial at Rate, with the latency; nil where Rate is 0
}

// Throughputs is the search of RFC 2544, section 26.1, for each mode: the
// highest rate of constant gaps at which none of the packets (those of the
// warm-up apart, which are the learning frames of section 23) is lost, all
// queues being drained at the end. resolution is a share of the rate; 0 is
// Resolution.
//
// The RFC's trials are of 60 s, in which a queue that grows overflows. These are
// shorter, so a trial in which more than a resolution's share of the packets is
// left behind fails too; and the rate given is two resolutions below the
// highest that passed, so that it is below the device's own, and the latency at
// it is not that of queues filling up. The more packets, the surer: 100,000 are
// a good number.
//
// A packet that only a host could run is no loss here: in mode NICOnly it is
// lost at any rate (device.Drops.NeedsHost tells how many).
func (b *Bench) Throughputs(ctx context.Context, modes []device.Mode, resolution float64) ([]Throughput, error) {
	if resolution == 0 {
		resolution = Resolution
	}
	if !(resolution > 0 && resolution < 1) {
		return nil, fmt.Errorf("resolution %v: a share between 0 and 1 is needed", resolution)
	}
	out := make([]Throughput, len(modes))
	err := b.each(ctx, len(modes), func(i int) error {
		t, err := b.search(ctx, modes[i], resolution)
		if err != nil {
			return fmt.Errorf("%v: %w", modes[i], err)
		}
		out[i] = *t
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// highest is the highest rate that is tried without a link's: a packet in 10 ps.
const highest = 100_000_000_000

func (b *Bench) search(ctx context.Context, mode device.Mode, resolution float64) (*Throughput, error) {
	t := &Throughput{Mode: mode}
	passes := func(rate uint64) (bool, error) {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		r, err := b.at(device.Constant, mode, rate)
		if err != nil {
			return false, fmt.Errorf("%d packets/s: %w", rate, err)
		}
		lost := r.Drops.Total() - r.Drops.NeedsHost
		ok := lost == 0 && float64(r.Growth) <= max(1, resolution*float64(r.Packets/2))
		t.Trials = append(t.Trials, Trial{rate, lost, r.Growth, ok})
		if ok {
			t.Rate, t.Result = rate, r
		}
		return ok, nil
	}

	// From the top: the link's rate, or as far as doubling gets.
	hi := device.LineRate(b.Input, b.NIC)
	if hi > 0 && hi <= highest {
		ok, err := passes(hi)
		if err != nil {
			return nil, err
		}
		if ok {
			t.Line = true
			return t, nil
		}
	} else {
		for hi = 1_000_000; ; hi *= 2 {
			hi = min(hi, highest)
			ok, err := passes(hi)
			if err != nil {
				return nil, err
			}
			if !ok {
				break
			}
			if hi == highest {
				t.Unlimited = true
				return t, nil
			}
		}
	}
	// Between one at which nothing is lost, or 0, and one at which something is.
	lo := t.Rate
	for hi-lo > 1 && float64(hi-lo) > resolution*float64(lo) {
		mid := lo + (hi-lo)/2
		ok, err := passes(mid)
		if err != nil {
			return nil, err
		}
		if ok {
			lo = mid
		} else {
			hi = mid
		}
	}
	if lo == 0 {
		return t, nil
	}
	// And a little down, to a rate that passes.
	for off := 2 * resolution; ; off *= 2 {
		rate := uint64(float64(lo) * (1 - off))
		if off >= 1 || rate == 0 {
			t.Rate, t.Result = 0, nil
			return t, nil
		}
		ok, err := passes(rate)
		if err != nil || ok {
			return t, err
		}
	}
}
