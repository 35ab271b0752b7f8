package pathcond_test

import (
	"fmt"

	"jitnic/host/ebpf"
	"jitnic/host/loader"
	"jitnic/host/vm"
	"jitnic/pathcond"
	"jitnic/pathcond/text"
	"jitnic/trace"
)

// A program finds the protocol behind a VLAN tag, or without one, and then decides
// by it. Cut behind the search, the decision is the same segment for packets with a
// tag and without: it asks what register 4 holds, not where that came from.
func ExampleCompiler_Segments() {
	code, err := ebpf.Parser{}.Code(`
		r2 = *(u32 *)(r1 +0)           # data
		r3 = *(u32 *)(r1 +4)           # data_end
		r5 = r2
		r5 += 18
		r0 = 1                         # XDP_DROP
		if r5 > r3 goto +6
		r4 = *(u16 *)(r2 +12)
		if r4 != 0x81 goto +1          # VLAN
		r4 = *(u16 *)(r2 +16)
		if r4 == 8 goto +1             # the cut is before this: IPv4
		goto +1
		r0 = 2                         # XDP_PASS
		exit`)
	if err != nil {
		fmt.Println(err)
		return
	}
	prog := &loader.Program{Name: "ipv4", Insns: code}
	obj := &loader.Object{File: "example", Programs: []*loader.Program{prog}}
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
	c := pathcond.NewCompiler(s, obj)
	fmt.Println("may be cut at", c.Candidates("ipv4"))
	if err := c.SetCuts("ipv4", []int{9}); err != nil {
		fmt.Println(err)
		return
	}
	tagged, plain := make([]byte, 60), make([]byte, 60)
	tagged[12], tagged[16], plain[12] = 0x81, 8, 8
	var last []*pathcond.Path
	for _, packet := range [][]byte{tagged, plain} {
		var rec vm.Recording
		var out vm.Output
		c.Before()
		it.RunRecorded(&vm.Input{Data: packet}, &out, &rec)
		ways := c.Segments(&rec, len(packet), nil)
		for _, p := range ways {
			fmt.Printf("table %d, then %d:\n%s", p.Table, p.Next, text.Format(c, p.Cond))
		}
		last = append(last, ways[len(ways)-1])
	}
	fmt.Println("the same decision:", last[0].Cond[0] == last[1].Cond[0])
	fmt.Print(trace.Format(last[0].Trace, nil))
	// Output:
	// may be cut at [6 8 9 10 11 12]
	// table 0, then 1:
	// layout vlan@14
	// pkt.len >= 18
	// eth.type == 0x8100
	// table 1, then 0:
	// mem[270688 +: 8] == 8
	// table 0, then 1:
	// pkt.len >= 18
	// eth.type != 0x8100
	// table 1, then 0:
	// mem[270688 +: 8] == 8
	// the same decision: true
	// # trace: raw 3, straight 5, length 2
	// r0 = 2
	// exit
}
