package policy_test

import (
	"fmt"

	"jitnic/cache/policy"
)

// A cache of two entries, driven step by step.
func Example() {
	p, err := policy.New("lru", policy.Config{Capacity: 2})
	if err != nil {
		panic(err)
	}
	var evicted []uint32
	for _, id := range []uint32{0, 1, 0, 2, 1} {
		hit := p.Access(id)
		evicted = evicted[:0]
		if !hit {
			evicted = p.Insert(id, 1, 1, evicted)
		}
		fmt.Println("id", id, "hit", hit, "evicted", evicted)
	}
	// Output:
	// id 0 hit false evicted []
	// id 1 hit false evicted []
	// id 0 hit true evicted []
	// id 2 hit false evicted [1]
	// id 1 hit false evicted [0]
}

// The same as a stream: bit i of the result is set where request i missed.
func ExampleRun() {
	p, _ := policy.New("sieve", policy.Config{Capacity: 2})
	miss := make([]uint64, 1)
	policy.Run(p, []uint32{0, 1, 0, 2, 0}, miss)
	fmt.Printf("%05b\n", miss[0])
	// Output: 01011
}
