package replay

import (
	"context"

	"jitnic/cache"
	"jitnic/cache/stream"
	"jitnic/host/run/jit"
)

// Tried is what a set of cuts showed on the first packets.
type Tried struct {
	Tables   int     `json:"tables"`    // tables there are: one more than places where paths are cut
	Segments int     `json:"segments"`  // distinct ways from a cut to the next; without cuts whole ways
	HitRatio float64 `json:"hit_ratio"` // of the first packets; in several caches in the mean
}

// trial is what sets of cuts hit of the first packets in each of some caches.
type trial struct {
	packets uint64
	hits    [][]uint64 // by set, by cache
}

// usualCaches are the caches, in entries, by which cuts are chosen of a run whose
// stream many caches are asked about: the modes' sizes, as LRU.
func usualCaches(seed uint64) []cache.Config {
	g := cache.Grid{Policies: []string{"lru"}, Entries: modeSizes, HotThreshold: 1, Seed: seed}
	return g.Configs()
}

// try runs the first packets once for each set of cuts, with all that a run has
// beside them, and the streams of their requests through the caches.
func try(ctx context.Context, in *Input, o *jit.Options, sets []cutting, caches []cache.Config) (*trial, error) {
	t := &trial{}
	for _, set := range sets {
		rec := stream.NewRecorder(stream.Fields{Time: true})
		s, err := recordCut(ctx, in.first(), o, set.pcs, rec)
		if err != nil {
			return nil, err
		}
		s.Close()
		var hits []uint64
		if t.packets, hits, err = hitsOf(rec.Stream(), s.Requests, caches); err != nil {
			return nil, err
		}
		t.hits = append(t.hits, hits)
	}
	return t, nil
}

// recordCut is Record with paths cut at these slots of the entry program.
func recordCut(ctx context.Context, in Input, o *jit.Options, pcs []int, sink Sink) (*Session, error) {
	how := o.Remedies
	how.Segments = 0
	return record(ctx, in, how, sink, func(t *jit.Options) {
		t.Cuts, t.MaxTrace, t.MaxGuards = pcs, o.MaxTrace, o.MaxGuards
	})
}

// hitsOf is how many packets of a stream hit in each cache, of how many; requests
// says how many each packet makes, nil: one.
func hitsOf(st *stream.Stream, requests []uint8, caches []cache.Config) (packets uint64, hits []uint64, err error) {
	for _, cfg := range caches {
		n, _, err := packetsOf(st, requests, cfg)
		if err != nil {
			return 0, nil, err
		}
		packets, hits = n.Total(), append(hits, n[cache.Hit])
	}
	return packets, hits, nil
}

// packetsOf counts a stream's packets by what becomes of them in a cache.
func packetsOf(st *stream.Stream, requests []uint8, cfg cache.Config) (cache.Counts, cache.Stats, error) {
	if requests == nil {
		requests = make([]uint8, st.Len())
	}
	return cache.Packets(st, requests, cfg)
}

// tried are the sets of cuts of a program, and what they hit of the first packets,
// with the options that go with them.
func tried(ctx context.Context, in Input, how Remedies, caches []cache.Config) ([]cutting, *trial, *jit.Options, error) {
	var o jit.Options
	s, err := Open(ctx, in, Cache{Policy: "fifo", Entries: 1}, func(given *jit.Options) { o = *given })
	if err != nil {
		return nil, nil, nil, err
	}
	defer s.Close()
	o.Remedies = how
	j, err := judged(ctx, &s.In, s.Obj, s.Entry, &o)
	if err != nil {
		return nil, nil, nil, err
	}
	sets := j.cuttings(usualTables)
	t, err := try(ctx, &in, &o, sets, caches)
	return sets, t, &o, err
}

// best is the set with the most hits in the caches from..to, together; one more cut
// has to pay.
func (t *trial) best(from, to int) int {
	best, most := 0, uint64(0)
	for i := range t.hits {
		n := uint64(0)
		for _, h := range t.hits[i][from:to] {
			n += h
		}
		if i == 0 || 1000*(n-min(n, most)) >= paysOf1000*t.packets*uint64(to-from)*uint64(i-best) && n > most {
			best, most = i, n
		}
	}
	return best
}

// rows tell of each set.
func (t *trial) rows(sets []cutting) []Tried {
	var out []Tried
	for i := range t.hits {
		r := Tried{Tables: len(sets[i].pcs) + 1, Segments: sets[i].segments}
		for _, h := range t.hits[i] {
			r.HitRatio += float64(h)
		}
		if n := t.packets * uint64(len(t.hits[i])); n > 0 {
			r.HitRatio /= float64(n)
		}
		out = append(out, r)
	}
	return out
}
