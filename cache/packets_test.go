package cache

import (
	"math/rand/v2"
	"testing"

	"jitnic/cache/stream"
	"jitnic/host/hosttest/must"

	"github.com/google/go-cmp/cmp"
)

// A packet hits where all of its requests do, and else is what its first miss is.
func TestPackets(t *testing.T) {
	s := &stream.Stream{IDs: []uint32{0, 1, 0, 1, 0, 2, stream.None, 0, 1}}
	n, st, err := Packets(s, []uint8{2, 2, 2, 1, 2}, Config{Policy: "lru", Entries: 2})
	must.OK(t, err)
	// 0 and 1 are cold; both hit; 2 is cold and takes 1's place; 1 was evicted.
	want := Counts{Hit: 1, Cold: 2, Capacity: 1, Uncacheable: 1}
	if n != want || st.Packets != 9 {
		t.Errorf("%v of %d requests, want %v", n, st.Packets, want)
	}
}

// A point of packets counts what Packets counts, window by window, and where every
// packet makes one request it is the point of a grid.
func TestPacketPoint(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	s := &stream.Stream{LabelNames: []string{"a", "b"}}
	var requests []uint8
	for range 2000 {
		n := uint8(1 + rng.IntN(3))
		for range n {
			id := uint32(rng.IntN(40))
			s.IDs, s.Bytes, s.Labels = append(s.IDs, id), append(s.Bytes, 60+uint32(len(requests))%9), append(s.Labels, uint8(len(requests)%2))
		}
		requests = append(requests, n)
	}
	for _, cfg := range []Config{{Policy: "lru", Entries: 16, HotThreshold: 1}, {Policy: "sieve", Entries: 8, HotThreshold: 2, InstallDelay: 3}} {
		p, err := NewPacketLab(s, requests, 10, 0).Point(cfg)
		must.OK(t, err)
		n, st, err := Packets(s, requests, cfg)
		must.OK(t, err)
		missed := uint64(0)
		for _, w := range p.Windows {
			missed += w.Misses
		}
		if p.Counts() != n || p.Requests != 2000 || p.Misses != 2000-n[Hit] || missed != p.Misses || p.Installs != st.Installed || len(p.Windows) != 10 ||
			p.Labels[0].Requests != 1000 || p.Labels[0].Misses+p.Labels[1].Misses != p.Misses {
			t.Errorf("%v: %+v, want %v", cfg.Policy, p, n)
		}
		late, err := NewPacketLab(s, requests, 10, 500).Point(cfg)
		must.OK(t, err)
		if late.Requests != 1500 || late.Counts().Total() != 1500 || late.Misses > p.Misses {
			t.Errorf("%v: behind a warm-up %+v", cfg.Policy, late)
		}
		one := make([]uint8, s.Len())
		for i := range one {
			one[i] = 1
		}
		got, err := NewPacketLab(s, one, 10, 100).Point(cfg)
		must.OK(t, err)
		g := Grid{Policies: []string{cfg.Policy}, Entries: []uint64{cfg.Entries}, HotThreshold: cfg.HotThreshold, InstallDelay: cfg.InstallDelay, Windows: 10, Warmup: 100}
		want, err := g.Run(t.Context(), s)
		must.OK(t, err)
		if d := cmp.Diff(want.Points[0], got); d != "" {
			t.Errorf("%v: a grid's point is another:\n%s", cfg.Policy, d)
		}
	}
	for _, bad := range []Config{{Policy: "belady", Entries: 4}, {Policy: "none", Entries: 4}, {Policy: "lru"}} {
		if _, err := NewPacketLab(s, requests, 10, 0).Point(bad); err == nil {
			t.Errorf("%+v was taken", bad)
		}
	}
}
