package explore

import (
	"context"
	"errors"
	"testing"

	"jitnic/host/hosttest"
	"jitnic/host/hosttest/must"
	"jitnic/host/run/jit"
)

// From one packet the search reaches many paths of the firewall, and finds the
// same packets again.
func TestExplore(t *testing.T) {
	p := hosttest.Sample(t, "firewall")
	seed := make([]byte, 64)
	copy(seed[12:], []byte{0x08, 0x00, 0x45, 0, 0, 50})
	seed[23] = 6
	var first [][]byte
	for round := range 2 {
		r := must.Get(jit.New(p.Obj, p.Entry, Options()))(t)
		found := must.Get(Packets(context.Background(), r, [][]byte{seed}, 60, 200_000, 1))(t)
		t.Logf("%d paths after %d packets", len(found), r.Packets)
		if len(found) < 60 {
			t.Errorf("%d paths, want 60", len(found))
		}
		r.Close()
		if round == 0 {
			first = found
			continue
		}
		for i := range found {
			if string(found[i]) != string(first[i]) {
				t.Fatalf("packet %d differs in the second search", i)
			}
		}
	}
}

// TestInterrupted: the search ends when its context does, whatever its budget.
func TestInterrupted(t *testing.T) {
	p := hosttest.Sample(t, "firewall")
	r := must.Get(jit.New(p.Obj, p.Entry, Options()))(t)
	defer r.Close()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Packets(ctx, r, [][]byte{make([]byte, 64)}, 1<<30, 1<<30, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want the context's", err)
	}
}
