package cache

import (
	"context"
	"fmt"
	"math"

	"jitnic/cache/stream"
)

// MiniSim estimates caches from a share of the ids: the requests of ids whose
// hash is in the share go to caches of the same share of the budget, which miss
// about as often as the whole ones do on all (Waldspurger, Saemundsson, Ahmad,
// Park: Cache modeling and optimization using miniature simulations, USENIX ATC
// 2017). It serves every policy and admission; the offline bounds too.
//
// Points hold the whole stream's numbers: requests counted, misses scaled by what
// the share leaves out. Hits are the rest: whether the few hottest ids, which
// always hit, are in the sample or not hardly changes what misses, but much how
// many requests it has (SHARDS-adj's correction). A budget of which the share is no whole entry is not estimated; its
// index is in skipped.
func MiniSim(ctx context.Context, s *stream.Stream, configs []Config, share float64, seed uint64) (points []Point, skipped []int, err error) {
	if !(share > 0 && share <= 1) {
		return nil, nil, fmt.Errorf("minisim: share %v: want above 0 and up to 1", share)
	}
	part := s.Sample(share, seed)
	l, whole := newLab(part, defaultWindows, 0), newLab(s, 1, 0)
	for i, cfg := range configs {
		if ctx.Err() != nil {
			break
		}
		small := cfg
		small.Entries, small.Slots = portion(cfg.Entries, share), portion(cfg.Slots, share)
		if small.Entries+small.Slots == 0 {
			skipped = append(skipped, i)
			continue
		}
		small.Tier2 = cfg.Tier2.of(part)
		small.InstallDelay = uint64(math.Round(float64(cfg.InstallDelay) * share))
		p, err := l.simulate(ctx, small, nil)
		if err != nil {
			return nil, nil, err
		}
		p.Entries, p.Slots, p.InstallDelay = cfg.Entries, cfg.Slots, cfg.InstallDelay
		p.scale(whole.point(cfg, nil), 1/share)
		points = append(points, p)
	}
	return points, skipped, nil
}

// portion is the share of a budget in whole units, 0 where there is no whole one.
func portion(budget uint64, share float64) uint64 {
	x := float64(budget) * share
	if x < 1-1e-9 {
		return 0
	}
	return uint64(math.Round(x))
}

// scale makes the counts of a sample those of the whole stream.
func (p *Point) scale(whole Point, f float64) {
	if p.Misses > 0 {
		f = min(f, float64(whole.Requests)/float64(p.Misses))
	}
	missBytes := float64(p.MissBytes) * f
	for _, n := range []*uint64{&p.Cold, &p.NotHot, &p.Capacity, &p.Invalid, &p.InFlight, &p.Uncacheable, &p.Installs, &p.Evictions} {
		*n = uint64(math.Round(float64(*n) * f))
	}
	p.Misses = p.Cold + p.NotHot + p.Capacity + p.Invalid + p.InFlight + p.Uncacheable
	p.Requests = whole.Requests
	p.Misses = min(p.Misses, p.Requests)
	p.Hits = p.Requests - p.Misses
	p.MissBytes = min(uint64(math.Round(missBytes)), whole.Bytes)
	p.Bytes = whole.Bytes
	p.Labels, p.Windows, p.Parts = nil, nil, nil
	p.InstallsPerSecond *= f
	p.ratios()
}
