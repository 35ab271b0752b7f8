package policy

import (
	"testing"

	"pgregory.net/rapid"
)

// A history is a list, also across sweeps and renumbering.
func TestHistoryIsAList(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := newHistory(0)
		if rapid.Bool().Draw(t, "near the end") {
			h.head, h.tail = historyEnd-20, historyEnd-20
		}
		var list []uint32 // oldest first
		cut := func(id uint32) bool {
			for i, x := range list {
				if x == id {
					list = append(list[:i:i], list[i+1:]...)
					return true
				}
			}
			return false
		}
		r := rng(rapid.Uint64().Draw(t, "seed"))
		for range rapid.IntRange(1, 3000).Draw(t, "steps") {
			id := r.below(90)
			switch r.below(12) {
			case 0:
				if len(list) > 0 {
					if g := h.pop(); g != list[0] {
						t.Fatalf("pop %d, want %d", g, list[0])
					}
					list = list[1:]
				}
			case 1:
				if len(list) > 0 {
					if g, w := h.popYoungest(), list[len(list)-1]; g != w {
						t.Fatalf("popYoungest %d, want %d", g, w)
					}
					list = list[:len(list)-1]
				}
			case 2:
				if cut(id) {
					h.drop(id)
				}
			case 3: // some of those in, some several times
				var again []uint32
				for range r.below(150) {
					if len(list) > 0 {
						x := list[r.below(uint32(len(list)))]
						again = append(again, x)
						cut(x)
						list = append(list, x)
					}
				}
				if id, ok := h.renew(again); !ok {
					t.Fatalf("renew: %d isn't in", id)
				}
			default:
				if !cut(id) {
					h.live++
				}
				list = append(list, id)
				h.push(id)
			}
			if h.live != len(list) {
				t.Fatalf("%d live, want %d", h.live, len(list))
			}
			in := false
			for _, x := range list {
				in = in || x == id
			}
			if h.has(id) != in {
				t.Fatalf("has(%d) = %v", id, h.has(id))
			}
		}
	})
}
