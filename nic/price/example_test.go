package price_test

import (
	"fmt"

	"jitnic/nic/match"
	"jitnic/nic/price"
	"jitnic/nic/profile"
	"jitnic/nic/workload"
	"jitnic/trace"
)

// One path of 40 instructions that became a trace of four: what it costs hXDP,
// whose exit takes the verdict along,
// where it is installed, and a host where it isn't.
func Example() {
	t, err := trace.Parse("r2 = 7\nr3 = 3\nr0 = 2\nexit", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	t.Raw = 40
	run := workload.Shape{Insns: 40}
	run.Ops[workload.OpHash] = 1
	w := &workload.Workload{
		Paths:   []workload.Path{{Raw: t, Trace: t}},
		Shapes:  []workload.Shape{run},
		Packets: []workload.Packet{{Path: 0, Abort: workload.None, Len: 64, OutLen: 64, Fate: workload.Tx}},
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
	p, err := price.Build(w, n, h, price.Parts{Match: &match.Costs{Paths: []match.PathCost{{Match: 6, Miss: 6}}, Miss: 6}})
	if err != nil {
		fmt.Println(err)
		return
	}
	path, packet := &p.In.Paths[0], &p.In.Packets[0]
	fmt.Printf("a hit     %d cycles to match, %d to execute\n", path.Match, path.Exec)
	fmt.Printf("a miss    %d cycles to match, %.1f ns of a host core beside the driver's %.1f\n", packet.Miss, float64(packet.Host)/1000, float64(h.Driver)/1000)
	fmt.Printf("a trace   %d us of a compiler, %.1f us of the install channel, %d slots\n", path.Compile/1e6, float64(path.Install)/1e6, path.Slots)
	// Output:
	// a hit     6 cycles to match, 3 to execute
	// a miss    6 cycles to match, 70.8 ns of a host core beside the driver's 41.6
	// a trace   40 us of a compiler, 2.5 us of the install channel, 4 slots
}
