package cache

import (
	"context"
	"testing"

	"jitnic/cache/stream"
	"jitnic/host/hosttest/must"
)

// Unique paths flush fifo and lru; asking for a second request before an
// install keeps them out, and the recommendation says so.
func TestSiegeRecommendsWhatHolds(t *testing.T) {
	legit := stream.Zipf(500, 60_000, 4)
	g := &Siege{Policies: []string{"fifo", "lru", "s3-fifo", "infinite"}, Admissions: []string{"always", "threshold/2", "threshold/5"}, Entries: []uint64{200}, Seed: 1}
	s := must.Get(g.Run(context.Background(), legit))(t)
	get := func(p, a, attack string) Loss {
		for _, l := range s.Losses {
			if l.Policy == p && l.Admission == a && l.Attack == attack {
				return l
			}
		}
		t.Fatalf("no loss of %s, %s under %s", p, a, attack)
		return Loss{}
	}
	plain, kept := get("lru", "always", "unique"), get("lru", "threshold/2", "unique")
	if plain.Loss < 0.05 || plain.Hostile != 1 {
		t.Errorf("unique paths against lru: %+v", plain)
	}
	if kept.Loss > 0.001 || kept.Loss < -0.001 {
		t.Errorf("unique paths against lru with threshold/2: %+v", kept)
	}
	if b := get("lru", "threshold/2", "burst"); b.Loss < 0.01 {
		t.Errorf("bursts pass threshold/2: %+v", b)
	}
	d := s.Defences[0]
	if d.Worst.Policy == "infinite" || !d.HasPlain || d.Worst.Attacked >= d.Plain.Attacked || s.Partial {
		t.Errorf("recommended %+v", d)
	}
	for _, l := range s.Losses {
		if l.Policy != "infinite" && l.Policy != "" && l.Entries == 200 && l.Attacked < 0 {
			t.Errorf("%+v", l)
		}
	}
	if _, err := (&Siege{Policies: []string{"belady"}, Entries: []uint64{3}}).Run(context.Background(), legit); err == nil {
		t.Error("a bound is attacked")
	}
}
