package pair

import (
	"context"
	"math/rand/v2"
	"slices"
	"time"

	"jitnic/host/kernel"
)

// How long both are timed: rounds of one packet each, a share of a round for
// each of the two.
const (
	rounds = 15
	share  = 400 * time.Microsecond
)

// timed runs both in turn on one packet after another, which programs that
// write find as they left it, alike on both sides; once in a round where a run is long.
func timed(ctx context.Context, a, b *kernel.Prog, seed uint64, long bool) (*Ratio, error) {
	rng := rand.New(rand.NewPCG(seed, 10))
	r := &Ratio{Rounds: rounds}
	least := uint32(64)
	if long {
		least = 1
	}
	for _, p := range []*kernel.Prog{a, b} {
		if kept, err := p.Keep(); err == nil { // it only takes longer without
			defer kept.Close()
		}
	}
	var olds, news, ratios []float64
	for i := range rounds {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		packet := Packet(rng)
		if len(packet) < 64 {
			packet = append(packet, make([]byte, 64-len(packet))...)
		}
		probe, err := a.Bench(packet, least)
		if err != nil {
			return nil, err
		}
		n := uint32(min(max(int64(share)/max(probe.Nanoseconds(), 1), int64(least)), 1e5))
		var t [2]float64
		for k := range 2 {
			k = k ^ i&1 // the other one first in every other round
			p := []*kernel.Prog{a, b}[k]
			d, err := p.Bench(packet, n)
			if err != nil {
				return nil, err
			}
			t[k] = float64(d.Nanoseconds()) + 0.5 // the kernel cuts off
		}
		olds, news, ratios = append(olds, t[0]), append(news, t[1]), append(ratios, t[1]/t[0])
	}
	for _, s := range [][]float64{olds, news, ratios} {
		slices.Sort(s)
	}
	r.OldNS, r.NewNS = olds[rounds/2], news[rounds/2]
	r.Median, r.Q1, r.Q3 = ratios[rounds/2], ratios[rounds/4], ratios[rounds*3/4]
	return r, nil
}
