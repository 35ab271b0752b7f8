package mem

import (
	"os"
	"testing"

	"jitnic/host/hosttest/must"
)

// A few writes into a large reservation are found again, and little else.
func TestTouched(t *testing.T) {
	if _, err := os.Stat("/proc/self/pagemap"); err != nil {
		t.Skip("no /proc/self/pagemap")
	}
	a := must.Get(New(1 << 32))(t)
	defer a.Close()
	addr := must.Get(a.Alloc(KindMap, 0, 3<<30))(t)
	b := a.Bytes(addr, 3<<30)
	want := []int{5, 1<<30 + 4096, 2<<30 + 77, 3<<30 - 1}
	for _, i := range want {
		b[i] = 1
	}
	found, sum := 0, 0
	last := -1
	Touched(b, func(lo, hi int) {
		if lo <= last || hi <= lo || hi > len(b) {
			t.Fatalf("run %d to %d after %d", lo, hi, last)
		}
		last, sum = hi, sum+hi-lo
		for _, i := range want {
			if lo <= i && i < hi {
				found++
			}
		}
	})
	// Huge pages make more of a write than 4 KiB.
	if found != len(want) || sum > len(want)*(4<<20) {
		t.Errorf("%d of %d writes in %d bytes", found, len(want), sum)
	}
	whole := 0
	Touched(b[:100], func(lo, hi int) { whole += hi - lo })
	if whole != 100 {
		t.Errorf("a small piece: %d of 100 bytes", whole)
	}
}
