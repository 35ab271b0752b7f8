package native

import (
	"math/rand/v2"
	"testing"

	"jitnic/nic"
)

// Every path that has got a place is found there by its key, no two have the same, and
// few get none.
func TestExactTable(t *testing.T) {
	r := rand.New(rand.NewPCG(21, 22))
	left, all := 0, 0
	for round := range 200 {
		n := 64 + r.IntN(400)
		words := 1 + round%2
		var paths []exactPath
		for i := range n {
			w := way{{at: 8, size: 8, known: 1<<40 - 1, value: r.Uint64() & (1<<40 - 1)}}
			if words == 2 {
				w = append(w, piece{at: 24, size: 8, known: 1<<63 - 1, value: uint64(i)})
			}
			paths = append(paths, exactPath{way: w, path: nic.Path(i)})
		}
		table, placed := newExactTable(paths, words)
		all, left = all+n, left+n-len(placed)
		seen := map[uint64]bool{}
		for _, p := range placed {
			key, _, _ := p.way.words()
			h := exactHash(key, words)
			at := (h<<table.shift() ^ uint64(table.moves[h>>(64-table.buckets)])) & (table.mask << table.shift()) / 8
			e := table.entries[at:]
			if e[0] != key[0] || words == 2 && e[1] != key[1] || e[words] != uint64(p.path)+1 || seen[at] {
				t.Fatalf("round %d: path %d isn't where its key leads", round, p.path)
			}
			seen[at] = true
		}
		filled := 0
		for at := words; at < len(table.entries); at += table.stride {
			if table.entries[at] != 0 {
				filled++
			}
		}
		if filled != len(placed) {
			t.Fatalf("round %d: %d entries for %d paths", round, filled, len(placed))
		}
	}
	if left == 0 || left > all/20 {
		t.Errorf("%d of %d paths have no place: want some, to see them left out, and few", left, all)
	}
}
