package ladder_test

import (
	"context"
	"fmt"

	"jitnic/superopt"
	"jitnic/superopt/ladder"
)

// The first rungs, with the dataflow passes alone: no solver is needed.
func Example() {
	rungs, err := ladder.Rungs()
	if err != nil {
		fmt.Println(err)
		return
	}
	rows, err := ladder.Run(context.Background(), []*ladder.Rung{rungs[0], rungs[3]}, &superopt.Options{Layers: "p"}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, r := range rows {
		fmt.Printf("%s: %d -> %d, want %d\n%s", r.Name, r.Before, r.After, r.Want, r.Prog)
	}
	// Output:
	// 01-double: 3 -> 2, want 2
	//    0: r0 = 2
	//    1: exit
	// 04-dead-stores: 4 -> 2, want 2
	//    0: r0 = r1
	//    1: exit
}
