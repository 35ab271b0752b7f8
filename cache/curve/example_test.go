package curve_test

import (
	"fmt"

	"jitnic/cache/curve"
)

// One pass gives lru's misses at every number of entries.
func ExampleExact() {
	c := curve.Exact([]uint32{0, 1, 2, 0, 1, 2, 0, 0}, 3)
	for entries := range uint64(5) {
		fmt.Println(entries, "entries:", c.Misses(entries), "misses")
	}
	fmt.Println(c.Smallest(0.5))
	// Output:
	// 0 entries: 8 misses
	// 1 entries: 7 misses
	// 2 entries: 7 misses
	// 3 entries: 3 misses
	// 4 entries: 3 misses
	// 3 true
}
