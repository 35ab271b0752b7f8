package pathcond_test

import (
	"fmt"

	"jitnic/host/ebpf"
	"jitnic/host/loader"
	"jitnic/host/maps"
	"jitnic/host/vm"
	"jitnic/pathcond"
	"jitnic/pathcond/text"
	"jitnic/pathcond/tree"
	"jitnic/trace"

	cebpf "github.com/cilium/ebpf"
)

// A program that drops TCP to port 23 and counts what it drops is run on one
// packet. The run becomes a condition on packets and a trace without jumps:
// later packets that satisfy the condition need only the trace.
func Example() {
	counter := &maps.Spec{Name: "dropped", Type: cebpf.Array, KeySize: 4, ValueSize: 8, Max: 1}
	code, err := ebpf.Parser{MapIndex: func(name string) (int, bool) { return 0, name == "dropped" }}.Code(`
		r2 = *(u32 *)(r1 +0)           # data
		r3 = *(u32 *)(r1 +4)           # data_end
		r0 = 2                         # XDP_PASS
		r4 = r2
		r4 += 38
		if r4 > r3 goto +13
		r5 = *(u16 *)(r2 +12)
		if r5 != 8 goto +11            # IPv4
		r5 = *(u8 *)(r2 +14)
		if r5 != 0x45 goto +9          # without options
		r5 = *(u8 *)(r2 +23)
		if r5 != 6 goto +7             # TCP
		r5 = *(u16 *)(r2 +36)
		if r5 != 0x1700 goto +5        # port 23
		r1 = map[dropped] +0
		r2 = 1
		lock *(u64 *)(r1 +0) += r2
		r0 = 1                         # XDP_DROP
		exit`)
	if err != nil {
		fmt.Println(err)
		return
	}
	prog := &loader.Program{Name: "telnet", Insns: code, Maps: []*maps.Spec{counter}}
	obj := &loader.Object{File: "example", Programs: []*loader.Program{prog}, Maps: prog.Maps}
	s, err := vm.NewState(obj, vm.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	it, err := vm.NewInterp(s, obj, prog)
	if err != nil {
		fmt.Println(err)
		return
	}

	// Record a run.
	packet := make([]byte, 54)
	copy(packet[12:], []byte{0x08, 0x00, 0x45})
	packet[23] = 6
	packet[37] = 23
	c := pathcond.NewCompiler(s, obj)
	var rec vm.Recording
	var out vm.Output
	c.Before()
	it.RunRecorded(&vm.Input{Data: packet}, &out, &rec)

	// Compile it.
	path := c.Compile(&rec, len(packet), out.Err)
	fmt.Print(text.Format(c, path.Cond))
	fmt.Println()
	fmt.Print(trace.Format(path.Trace, prog.MapNames))

	// Match another packet.
	guards := tree.New(c.B, &pathcond.Env{S: s, Versions: c.Versions})
	if err := guards.Insert(path, 0); err != nil {
		fmt.Println(err)
	}
	fmt.Println()
	for _, port := range []byte{23, 80} {
		packet[37] = port
		if err := s.Begin(&vm.Input{Data: packet}); err != nil {
			fmt.Println(err)
		}
		fmt.Printf("port %d: path %d\n", port, guards.Match())
	}
	// Output:
	// layout ip@14 tcp@34
	// pkt.len >= 38
	// eth.type == 0x0800
	// ip.vihl == 0x45
	// ip.proto == 6
	// tcp.dport == 23
	//
	// # trace: raw 19, straight 14, length 5
	// r1 = map[dropped] +0
	// r2 = 1
	// lock *(u64 *)(r1 +0) += r2
	// r0 = 1
	// exit
	//
	// port 23: path 0
	// port 80: path -1
}
