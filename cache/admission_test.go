package cache

import (
	"testing"

	"jitnic/cache/stream"
	"jitnic/host/hosttest/must"
)

// On a stream where large ids come once and small ones again and again, the
// admissions that look at sizes or at second requests beat letting all in.
func TestAdmissionsKeepWhatPays(t *testing.T) {
	small := stream.Zipf(2000, 300_000, 7)
	s := &stream.Stream{}
	next := uint32(small.NumIDs())
	for i, id := range small.IDs {
		s.IDs = append(s.IDs, id)
		if i%4 == 0 {
			s.IDs = append(s.IDs, next)
			next++
		}
	}
	s.Sizes = make([]uint32, next)
	for id := range s.Sizes {
		s.Sizes[id] = 4
		if id >= small.NumIDs() {
			s.Sizes[id] = 400
		}
	}
	misses := func(admission string) uint64 {
		p := must.Get(Simulate(s, Config{Policy: "lru", Admission: admission, Slots: 4000, Seed: 1}))(t)
		return p.Misses
	}
	all := misses("always")
	for _, a := range []string{"size/64", "bloom", "doorkeeper", "adaptsize"} {
		if m := misses(a); m*10 > all*9 {
			t.Errorf("%s misses %d, letting all in %d", a, m, all)
		}
	}
}

// A Bloom filter never forgets within its period, and is wrong on few.
func TestBloomHoldsWhatItSaw(t *testing.T) {
	a := newBloom(admissionConfig{n: 1000, seed: 3}).(*bloom)
	wrong := 0
	for id := range uint32(1000) {
		a.Note(id, false)
		if a.Admit(id, 1, 1, 1) {
			wrong++
		}
	}
	if wrong > 20 {
		t.Errorf("%d of 1000 admitted at first sight", wrong)
	}
	for id := range uint32(900) {
		if a.Note(id, false); a.held < a.most && !a.Admit(id, 1, 1, 1) {
			t.Errorf("%d was forgotten", id)
		}
	}
}
