package calibrate_test

import (
	"fmt"

	"jitnic/host/calibrate"
	"jitnic/nic/profile"
)

// A study of two figures becomes a host profile: what it measured says how,
// what it didn't keeps the source of the profile it is based on.
func Example() {
	s := &calibrate.Study{
		Machine: calibrate.Machine{CPU: "some CPU", CPUs: 4, Kernel: "6.18", JIT: "on", Date: "2026-11-21"},
		Figures: []calibrate.Figure{
			{Group: "type", Name: "access", Map: "array", Entries: 1000, Value: 2.313, Unit: "ns", Median: 2.344, Q1: 2.3, Q3: 2.425, Rounds: 31, Ops: 32},
			{Group: "type", Name: "access", Map: "hash", Entries: 1000, Value: 26.781, Unit: "ns", Median: 26.875, Q1: 26, Q3: 27.8, Rounds: 31, Ops: 32},
		},
	}
	base, err := profile.LoadHost("paper")
	if err != nil {
		panic(err)
	}
	h, err := s.Profile(base)
	if err != nil {
		panic(err)
	}
	fmt.Println(h.Array, "ps:", h.From["map.array"].Source)
	fmt.Println(h.Driver, "ps:", h.From["driver"].Source)
	for _, c := range s.Compare() {
		fmt.Printf("%s: %.1f here, %.1f in the paper\n", c.What, c.Here, c.Lo)
	}
	// Output:
	// 2313 ps: measured on Linux 6.18, 2026-11-21: look-up and load of the value (array, 1000 entries); BPF_PROG_TEST_RUN, lower quartile, 31 rounds (median 2.344, IQR 0.125)
	// 41600 ps: CoNEXT'18: XDP_DROP, 24 Mpps on one core. The hook alone takes 38 ns (CoNEXT'25)
	// map access, array: 2.3 here, 3.9 in the paper
	// map access, hash: 26.8 here, 18.8 in the paper
}
