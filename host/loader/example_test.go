package loader_test

import (
	"fmt"

	"jitnic/host/ebpf"
	"jitnic/host/loader"
)

// An object of 2016's kind: definitions for iproute2, tail-called programs in
// sections "ID/KEY", no license, no types.
func ExampleLoad() {
	obj, err := loader.Load("testdata/old.o", loader.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, m := range obj.Maps {
		fmt.Println("map", m.Name, m.Type)
	}
	p, err := obj.Entry("prog")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("program %s, section %s, %d slots\n", p.Name, p.Section, len(p.Insns))
	fmt.Print(ebpf.Printer{MapName: p.MapNames}.Code(p.Insns[:8]))
	// Output:
	// map jumps ProgramArray
	// map inner Array
	// map outer ArrayOfMaps
	// map prefixes LPMTrie
	// program entry, section prog, 19 slots
	// r6 = r1
	// r1 = 0x101010100000020 ll
	// *(u64 *)(r10 -8) = r1
	// r2 = r10
	// r2 += -8
	// r1 = map[prefixes]
}
