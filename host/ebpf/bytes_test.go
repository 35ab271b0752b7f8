package ebpf

import "testing"

// TestBytes holds sets of bytes to one bool each; spans reach out of the set on both
// sides, where every byte may be read.
func TestBytes(t *testing.T) {
	const size = 320
	b := MakeBytes(size)
	var want [size]bool
	for i := range 6000 {
		lo := i*37%(size+80) - 40
		n := 1 + i*101%97
		all, any := true, false
		for k := lo; k < lo+n; k++ {
			switch {
			case k < 0 || k >= size:
				any = true
			case want[k]:
				any = true
			default:
				all = false
			}
		}
		if b.Any(lo, n) != any || b.All(lo, n) != all {
			t.Fatalf("step %d: %d bytes from %d on: any %v, all %v", i, n, lo, !any, !all)
		}
		use := i%3 > 0
		for k := max(lo, 0); k < min(lo+n, size); k++ {
			want[k] = use
		}
		if use {
			b.Use(lo, n)
		} else if b.Kill(lo, n) != any {
			t.Fatalf("step %d: %d bytes from %d on: killed one that was read: %v", i, n, lo, !any)
		}
		for k, in := range want {
			if b[k>>6]>>(k&63)&1 != 0 != in {
				t.Fatalf("step %d: %d bytes from %d on: byte %d", i, n, lo, k)
			}
		}
	}
}
