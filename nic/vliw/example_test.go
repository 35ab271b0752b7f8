package vliw_test

import (
	"fmt"

	"jitnic/host/ebpf"
	"jitnic/host/loader"
	"jitnic/host/maps"
	"jitnic/host/vm"
	"jitnic/nic/vliw"
	"jitnic/trace"

	cebpf "github.com/cilium/ebpf"
)

// flows is the map of the examples.
var flows = []*maps.Spec{{Name: "flows", Type: cebpf.Hash, KeySize: 8, ValueSize: 16, Max: 1024}}

// A trace that counts a packet of a known flow and decrements its TTL.
func Example() {
	t, err := trace.Parse(`
		r6 = *(u32 *)(r1 +0)            # data
		r2 = *(u64 *)(r6 +26)           # addresses
		*(u64 *)(r10 -8) = r2
		r7 = *(u8 *)(r6 +22)            # TTL
		r7 += -1
		*(u8 *)(r6 +22) = r7
		r2 = r10
		r2 += -8
		r1 = map[flows]
		call map_lookup_elem#1
		r1 = 1
		lock *(u64 *)(r0 +0) += r1
		r3 = *(u64 *)(r0 +8)
		r3 += r1
		*(u64 *)(r0 +8) = r3
		r0 = 3                          # XDP_TX
		exit`, func(name string) (int, bool) { return 0, name == "flows" })
	if err != nil {
		fmt.Println(err)
		return
	}
	name := func(int) string { return "flows" }
	plain := (&vliw.Machine{Lanes: 4, Helpers: 1, Load: 2, MapLoad: 2, Hash: 2}).For(flows)
	for _, m := range []*vliw.Machine{plain, plain.Extended()} {
		s, err := vliw.New(t, m)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Print(s.Format(name))
	}
	fmt.Printf("one instruction a cycle, in order: %d cycles\n", vliw.ScalarCycles(t, plain))
	// Output:
	// # 17 insns, 13 bundles, IPC 1.31, critical path 13
	//    0  r6 = *(u32 *)(r1 +0)       |  r1 = map[flows]
	//    1  -
	//    2  r2 = *(u64 *)(r6 +26)      |  r7 = *(u8 *)(r6 +22)
	//    3  -
	//    4  *(u64 *)(r10 -8) = r2      |  r7 += -1             |  r2 = r10
	//    5  *(u8 *)(r6 +22) = r7       |  r2 += -8
	//    6  call map_lookup_elem#1
	//    7  r1 = 1
	//    8  lock *(u64 *)(r0 +0) += r1 |  r3 = *(u64 *)(r0 +8)
	//    9  -
	//   10  r3 += r1
	//   11  *(u64 *)(r0 +8) = r3       |  r0 = 3
	//   12  exit
	// # 15 insns, 10 bundles, IPC 1.70, critical path 10, 11 cycles, fused from 17, 1 renamed
	//    0  r6 = *(u32 *)(r1 +0)       |  r1 = map[flows]
	//    1  -
	//    2  r2 = *(u64 *)(r6 +26)      |  r7 = *(u8 *)(r6 +22)
	//    3  -
	//    4  *(u64 *)(r10 -8) = r2      |  r7 += -1               |  r2 = r10 + -8
	//    5  *(u8 *)(r6 +22) = r7       |  call map_lookup_elem#1
	//    6  r1 = 1                     |  r8 = *(u64 *)(r0 +8)
	//    7  lock *(u64 *)(r0 +0) += r1
	//    8  r8 += r1
	//    9  *(u64 *)(r0 +8) = r8       |  exit 3
	// one instruction a cycle, in order: 21 cycles
}

// A program with branches, for a core that runs all of it, and what a run that
// leaves by the first branch takes.
func ExampleProgram() {
	code, err := ebpf.Parser{}.Code(`
		r2 = *(u32 *)(r1 +0)            # data
		r3 = *(u32 *)(r1 +4)            # data_end
		r4 = r2
		r4 += 34
		r0 = 1                          # XDP_DROP
		if r4 > r3 goto +4
		r5 = *(u16 *)(r2 +12)
		if r5 != 8 goto +2              # IPv4
		r0 = *(u8 *)(r2 +23)
		r0 &= 3
		exit`)
	if err != nil {
		fmt.Println(err)
		return
	}
	p := &loader.Program{Name: "proto", Insns: code}
	obj := &loader.Object{File: "example", Programs: []*loader.Program{p}}
	short := []vm.Step{{PC: 0}, {PC: 1}, {PC: 2}, {PC: 3}, {PC: 4}, {PC: 5, Addr: 1}, {PC: 10}}
	plain := &vliw.Machine{Lanes: 4, Helpers: 1}
	for _, m := range []*vliw.Machine{plain, plain.Extended()} {
		s, err := vliw.Program(obj, p, m)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Print(s.Format(nil))
		fmt.Printf("a short packet: %d cycles\n", s.Cycles(short))
	}
	// Output:
	// # proto: 11 insns, 9 bundles in 4 pieces, IPC 1.22
	// 0:
	//    0  r2 = *(u32 *)(r1 +0) |  r3 = *(u32 *)(r1 +4) |  r0 = 1
	//    1  r4 = r2
	//    2  r4 += 34
	//    3  if r4 > r3 goto +4
	// 6:
	//    0  r5 = *(u16 *)(r2 +12)
	//    1  if r5 != 8 goto +2
	// 8:
	//    0  r0 = *(u8 *)(r2 +23)
	//    1  r0 &= 3
	// 10:
	//    0  exit
	// a short packet: 5 cycles
	// # proto: 8 insns, 7 bundles in 2 pieces, IPC 1.57, from 11 (bounds -1, zeroing -0, dead -3, fused -0)
	// 0:
	//    0  r2 = *(u32 *)(r1 +0)  |  r0 = 1
	//    1  r5 = *(u16 *)(r2 +12)
	//    2  if r5 != 8 goto +2
	//    3  r0 = *(u8 *)(r2 +23)
	//    4  r0 &= 3
	//    5  exit
	// 10:
	//    0  exit
	// a short packet: 1 cycles
}
