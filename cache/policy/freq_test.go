package policy

import "testing"

// Ids used very often are told apart too: by their uses, then by when they
// came to that many.
func TestHotIdsAreToldApart(t *testing.T) {
	p := wired(newLFU(Config{Capacity: 3})).(*lfu)
	use := func(id uint32, n int) {
		for range n {
			if !p.Access(id) {
				p.Insert(id, 1, 1, nil)
			}
		}
	}
	use(0, 300)
	use(1, 200)
	use(2, 200)
	use(1, 0)
	for _, want := range []uint32{1, 2, 0} {
		g := p.f.min()
		if g != want {
			t.Fatalf("least used is %d, want %d", g, want)
		}
		p.Remove(g)
	}
	// Beyond the number of lists.
	use(3, freqLists+10)
	use(4, freqLists+5)
	if g := p.f.min(); g != 4 {
		t.Errorf("least used is %d, want 4", g)
	}
	if n := len(p.f.list); n > freqLists {
		t.Errorf("%d lists", n)
	}
	use(5, 2)
	if g := p.f.min(); g != 5 {
		t.Errorf("least used is %d, want 5", g)
	}
}
