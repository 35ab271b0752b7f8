package feasibility

import (
	"context"
	"testing"

	"jitnic/cache"
	"jitnic/host/hosttest"
	"jitnic/host/hosttest/must"
	"jitnic/host/run/jit"
	"jitnic/nic/profile"
)

// cuts are places of a sample's program at which it may be cut, so many of them.
func cuts(t testing.TB, name string, n int) []int {
	t.Helper()
	p := hosttest.Sample(t, name)
	r := must.Get(jit.New(p.Obj, p.Entry, jit.Options{Prepare: p.Prepare}))(t)
	defer r.Close()
	all := r.Comp.Candidates(p.Entry.Name)
	var out []int
	for i := range n {
		if k := (i + 1) * len(all) / (n + 1); len(all) > 0 && (len(out) == 0 || out[len(out)-1] != all[k]) {
			out = append(out, all[k])
		}
	}
	return out
}

// cut is what a sample, cut into so many tables, does with a capture.
func cut(t testing.TB, name, capture string, limit uint64, tables int) seen {
	t.Helper()
	w, x, trees := observeWith(t, name, capture, limit, jit.Options{Cuts: cuts(t, name, tables-1)})
	return seen{w, x, trees}
}

// Where nothing takes time and the cache holds all of them, a study of segments
// counts what a replay of them counts, packet by packet of each outcome.
func TestSegmentsCountAsReplay(t *testing.T) {
	n, h := profiles(t, "ideal", "ideal")
	for _, name := range []string{"telemetry", "firewall", "conntrack", "router", "nat"} {
		pcs := cuts(t, name, 2)
		if len(pcs) == 0 {
			t.Fatalf("%s: no place to cut", name)
		}
		for _, capture := range []string{"sample:lab", "sample:vlan"} {
			cfg := lru(1 << 16)
			var want cache.Counts
			play(t, name, capture, 1500, jit.Options{Cache: cfg, Cuts: pcs}, func(o cache.Outcome) { want[o]++ })
			c := cut(t, name, capture, 1500, 3)
			s := must.Get(Run(context.Background(), c.w, c.x, c.tree, n, h, Options{Cache: cfg, Rate: 1_000_000, Packets: len(c.w.Packets), Seed: 1, Designs: true}))(t)
			for o, k := range want {
				if got := s.Cold.Outcomes[cache.Outcome(o).String()]; got != k {
					t.Errorf("%s on %s: %d packets %v, replay counts %d", name, capture, got, cache.Outcome(o), k)
				}
			}
			if s.Segments == nil || s.Segments.Segments != len(c.w.Segments) || s.Segments.Tables != c.w.Tables() || s.Segments.Each < 1 || s.Segments.Each > float64(s.Segments.Tables) {
				t.Errorf("%s on %s: %+v", name, capture, s.Segments)
			}
			if s.Segments.Lookups != 0 || s.Segments.HeldNS != 0 {
				t.Errorf("%s on %s: the ideal device takes time: %+v", name, capture, s.Segments)
			}
			if d := s.Designs; len(d.Results) != 2 || len(d.Refused) != 4 || d.Claim != nil || d.Results[0].Hits != want[cache.Hit] {
				t.Errorf("%s on %s: designs %d, refused %+v, %d hits of %d", name, capture, len(d.Results), d.Refused, d.Results[0].Hits, want[cache.Hit])
			}
		}
	}
}

// What a device has no room for is refused by the parameter's name: tables, and what
// is held back; other parameters of segments cost what they say.
func TestSegmentsOnDevices(t *testing.T) {
	c := cut(t, "telemetry", "sample:vlan", 800, 3)
	_, h := profiles(t, "hxdp", "paper")
	study := func(set ...string) *Study {
		t.Helper()
		n := must.Get(profile.Load("hxdp"))(t)
		for i := 0; i < len(set); i += 2 {
			must.OK(t, n.Set(set[i], set[i+1]))
		}
		s := must.Get(Run(context.Background(), c.w, c.x, c.tree, n, h, Options{Cache: lru(64), Rate: 100_000, Packets: 3000, Seed: 1}))(t)
		return s
	}
	base := study()
	if base.Segments.HeldMost == 0 || base.Segments.Lookups == 0 || base.Need.Offload != 1 || base.Point[0].HitRatio == 0 {
		t.Fatalf("%+v, %v can be offloaded, %v hit", base.Segments, base.Need.Offload, base.Point[0].HitRatio)
	}
	for _, x := range []struct{ limit, value string }{{"matcher.tables", "1"}, {"matcher.tables", "2"}, {"limit.held", "8 B"}} {
		s := study(x.limit, x.value)
		blocked := ""
		for _, b := range s.Fit.Blockers {
			blocked = b.Limit
		}
		if s.Need.Offload >= 1 || blocked != x.limit {
			t.Errorf("%s = %s: %v can be offloaded, blocked by %q", x.limit, x.value, s.Need.Offload, blocked)
		}
	}
	// Each costs hits latency, and the more the more.
	for _, key := range []string{"matcher.next", "exec.held"} {
		last := 0.0
		for _, v := range []string{"0 cycles", "4 cycles", "16 cycles"} {
			if key == "exec.held" {
				v += "/store"
			}
			if s := study(key, v); s.Point[0].HitMean <= last {
				t.Errorf("%s = %s: a hit takes %v ns, not more than %v", key, v, s.Point[0].HitMean, last)
			} else {
				last = s.Point[0].HitMean
			}
		}
	}
}
