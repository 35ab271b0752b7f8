package mem

import (
	"fmt"
	"testing"

	"jitnic/host/hosttest/must"
)

func Example() {
	a, err := New(Span(100) + Span(4096))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer a.Close()
	stack, _ := a.Alloc(KindStack, 0, 100)
	values, _ := a.Alloc(KindMap, 7, 4096)
	a.B[values+8] = 42

	fmt.Println(a.Find(values+8, 8).Owner, a.Bytes(values+8, 1))
	fmt.Println(a.Find(stack+92, 8) != nil, a.Find(stack+93, 8) != nil, a.Find(0, 1) != nil)
	// Output:
	// 7 [42]
	// true false false
}

func TestAlloc(t *testing.T) {
	sizes := []uint64{1, 63, 64, 65, 0, 4096, 1 << 20}
	total := uint64(0)
	for _, n := range sizes {
		total += Span(n)
	}
	a := must.Get(New(total))(t)
	defer a.Close()
	var last uint64
	for i, n := range sizes {
		addr := must.Get(a.Alloc(KindMap, i, n))(t)
		if addr%64 != 0 || addr < last+guard {
			t.Errorf("region %d at %#x, the last ended at %#x", i, addr, last)
		}
		for _, c := range []struct {
			addr, n uint64
			in      bool
		}{{addr, n, true}, {addr + n, 0, true}, {addr, n + 1, false}, {addr - 1, 1, false}, {addr + n + 1, 0, false}, {addr, ^uint64(0), false}} {
			if r := a.Find(c.addr, c.n); (r != nil && r.Owner == i) != c.in {
				t.Errorf("region %d: find %#x, %d: %v", i, c.addr, c.n, r)
			}
		}
		last = addr + n
	}
	if _, err := a.Alloc(KindMap, 0, total); err == nil {
		t.Error("a full arena gave more")
	}
	if _, err := a.Alloc(KindMap, 0, ^uint64(0)-1000); err == nil {
		t.Error("an overflowing size was given")
	}
	if a.Bytes(uint64(len(a.B)), 1) != nil || a.Bytes(^uint64(0), 2) != nil {
		t.Error("bytes outside the arena")
	}
	if _, err := New(1 << 60); err == nil {
		t.Error("2^60 bytes were reserved")
	}
	if n := testing.AllocsPerRun(10, func() { a.Find(last, 0) }); n != 0 {
		t.Errorf("find allocates %v", n)
	}
}
