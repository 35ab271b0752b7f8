package cache

import (
	"context"
	"math"
	"testing"

	"jitnic/cache/policy"
	"jitnic/cache/stream"
	"jitnic/host/hosttest/must"
)

// Every policy's estimate is near its count on the corpus's kind of stream, and
// with a share of one it is the count.
func TestMiniSimIsNearTheWhole(t *testing.T) {
	s := stream.Zipf(20_000, 400_000, 42)
	for _, info := range policy.All() {
		if info.Kind == policy.Reference || info.Kind == policy.Hardware {
			continue // sets and places do not scale down
		}
		cfg := Config{Policy: info.Name, Entries: 2000, Seed: 1}
		want, err := Simulate(s, cfg)
		must.OK(t, err)
		got, skipped, err := MiniSim(context.Background(), s, []Config{cfg, {Policy: info.Name, Entries: 2}}, 0.2, 1)
		if err != nil || len(got) != 1 || len(skipped) != 1 || skipped[0] != 1 {
			t.Fatalf("%s: %d points, %v skipped, %v", info.Name, len(got), skipped, err)
		}
		p := got[0]
		if d := math.Abs(p.MissRatio - want.MissRatio); d > 0.05 {
			t.Errorf("%s: misses %.3f, the whole %.3f", info.Name, p.MissRatio, want.MissRatio)
		}
		if p.Hits+p.Misses != p.Requests || p.Requests != uint64(s.Len()) {
			t.Errorf("%s: %d hits and %d misses of %d", info.Name, p.Hits, p.Misses, p.Requests)
		}
	}
	one, _, err := MiniSim(context.Background(), s, []Config{{Policy: "arc", Entries: 2000}}, 1, 1)
	whole, _ := Simulate(s, Config{Policy: "arc", Entries: 2000})
	if err != nil || one[0].Misses != whole.Misses || one[0].Cold != whole.Cold {
		t.Errorf("all of it: %+v, %v, want %+v", one, err, whole)
	}
}
