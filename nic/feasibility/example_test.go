package feasibility_test

import (
	"context"
	"fmt"
	"strings"

	"jitnic/cache"
	"jitnic/host/loader"
	"jitnic/host/vm"
	"jitnic/nic/feasibility"
	"jitnic/nic/match"
	"jitnic/nic/profile"
	"jitnic/nic/workload"
	"jitnic/pathcond"
	"jitnic/pathcond/text"
	"jitnic/pathcond/tree"
	"jitnic/trace"
)

// A program drops telnet and passes the rest, 30 of 100 packets, to the stack.
// Its two paths fit hXDP, and the host is left with the 30; four cores are not
// enough for all at 40 Mpps, and one of hXDP isn't either.
func Example() {
	obj := &loader.Object{}
	state, err := vm.NewState(obj, vm.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer state.Close()
	c := pathcond.NewCompiler(state, obj)
	tree := tree.New(c.B, &pathcond.Env{S: state})
	w := &workload.Workload{Program: "telnet", Capture: "made up", Compiler: c, Shapes: []workload.Shape{{Insns: 20}}}
	const tcp = "layout ip@14 tcp@34; pkt.len >= 38; eth.type == 0x0800; ip.proto == 6; "
	for i, p := range []struct {
		cond, code string
		packets    uint64
	}{
		{tcp + "tcp.dport == 23", "r0 = 1\nexit", 70}, // XDP_DROP
		{tcp + "tcp.dport != 23", "r0 = 2\nexit", 30}, // XDP_PASS
	} {
		cond, err := text.Parse(c, strings.ReplaceAll(p.cond, "; ", "\n"))
		if err != nil {
			fmt.Println(err)
			return
		}
		t, err := trace.Parse(p.code, nil)
		if err != nil {
			fmt.Println(err)
			return
		}
		t.Raw = 20 // instructions that the path executed, its branches included
		w.Paths = append(w.Paths, workload.Path{Raw: t, Trace: t, Cond: cond, Slots: uint32(t.Len() + len(cond)), Packets: p.packets})
		if err := tree.Insert(&pathcond.Path{Cond: cond}, int32(i)); err != nil {
			fmt.Println(err)
			return
		}
	}
	for i := range 100 {
		p := workload.Packet{Path: 0, Abort: workload.None, Flow: uint32(i % 16), Queue: uint16(i % 16), Len: 60, OutLen: 60, Fate: workload.Drop}
		if i%10 < 3 {
			p.Path, p.Fate = 1, workload.Pass
		}
		w.Packets = append(w.Packets, p)
		w.Time = append(w.Time, int64(i)*1000)
	}
	x, err := match.Analyse(w, match.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	n, err := profile.Load("hxdp")
	if err != nil {
		fmt.Println(err)
		return
	}
	h, err := profile.LoadHost("paper")
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, rate := range []uint64{10_000_000, 40_000_000} {
		s, err := feasibility.Run(context.Background(), w, x, match.Trees{tree}, n, h, feasibility.Options{Cache: cache.Config{Policy: "lru"}, Rate: rate, Seed: 1})
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(s.Verdict.Sentence)
		fmt.Printf("  trace cache  %s\n", s.Budget)
		for _, f := range s.Point {
			fmt.Printf("  %-8s     %.2f of %.2f Mpps, mean %.0f ns, %.2f host cores needed\n", f.Mode, f.Throughput/1e6, f.Offered/1e6, f.Mean, f.CoresNeeded)
		}
	}
	// Output:
	// The offload pays at 10 Mpps on hxdp: 100 % of packets hit, and any hit ratio saves host cores; it saves 27.12 % of host cores (0.944 instead of 1.29); takes 372 ns a packet (the host alone 861 ns).
	//   trace cache  1024 slots: limit.slots
	//   nic+host     10.00 of 10.00 Mpps, mean 372 ns, 0.94 host cores needed
	//   host         10.00 of 10.00 Mpps, mean 861 ns, 1.29 host cores needed
	//   nic          10.00 of 10.00 Mpps, mean 372 ns, 0.94 host cores needed
	// Neither keeps up at 40 Mpps on hxdp: NIC and host together lose 2.06 % of the packets, most of them at the rings of the host's cores, the host alone 16.09 %. What would: the host alone with 6 cores (there are 4); NIC and host with 5 cores (there are 4) as flows are spread now, 4 spread evenly.
	//   trace cache  1024 slots: limit.slots
	//   nic+host     39.17 of 40.00 Mpps, mean 42878 ns, 3.78 host cores needed
	//   host         33.57 of 40.00 Mpps, mean 76565 ns, 5.18 host cores needed
	//   nic          39.17 of 40.00 Mpps, mean 42878 ns, 3.78 host cores needed
}
