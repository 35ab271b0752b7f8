package policy

import (
	"math/rand/v2"
	"slices"
	"testing"

	"jitnic/host/hosttest/must"
)

// A policy that Fills evicts nothing while every id has room, whichever of
// them are requested.
func TestFills(t *testing.T) {
	for _, info := range All() {
		if info.Kind == Bound || info.Refuses {
			continue
		}
		fills := true
		for seed := range uint64(60) {
			r := rand.New(rand.NewPCG(seed, 1))
			n := 1 + r.IntN(300)
			ids := make([]uint32, 20*n)
			for i := range ids {
				ids[i] = uint32(min(r.IntN(n), r.IntN(n)))
			}
			p := must.Get(New(info.Name, Config{Capacity: uint64(n + r.IntN(3)*r.IntN(n)), Seed: seed, IDs: n}))(t)
			miss := make([]uint64, (len(ids)+63)/64)
			Run(p, ids, miss)
			for i, id := range ids {
				if miss[i>>6]>>(i&63)&1 == 1 && slices.Contains(ids[:i], id) {
					fills = false
				}
			}
		}
		if fills != info.Fills() {
			t.Errorf("%s: fills: %v, the registry says %v", info.Name, fills, info.Fills())
		}
	}
}
