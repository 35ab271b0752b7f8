package match_test

import (
	"fmt"
	"os"
	"strings"

	"jitnic/host/loader"
	"jitnic/host/maps"
	"jitnic/host/vm"
	"jitnic/nic/match"
	"jitnic/nic/profile"
	"jitnic/nic/workload"
	"jitnic/pathcond"
	"jitnic/pathcond/text"
	"jitnic/pathcond/tree"

	cebpf "github.com/cilium/ebpf"
)

// Five paths of a program that drops telnet and looks up the source of other
// TCP: a TCAM holds those that ask for no map.
func Example() {
	obj := &loader.Object{Maps: []*maps.Spec{{Name: "known", Type: cebpf.Hash, KeySize: 4, ValueSize: 4, Max: 8}}}
	s, err := vm.NewState(obj, vm.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	c := pathcond.NewCompiler(s, obj)
	tree := tree.New(c.B, &pathcond.Env{S: s})
	w := &workload.Workload{Program: "telnet", Capture: "made up", Compiler: c}
	const tcp = "layout ip@14 tcp@34; pkt.len >= 38; eth.type == 0x0800; ip.proto == 6; "
	for i, p := range []struct {
		packets uint64
		cond    string
	}{
		{10, "pkt.len >= 38; eth.type != 0x0800"},
		{20, tcp + "tcp.dport == 23"},
		{40, tcp + "tcp.dport != 23; map known[ip.src] present"},
		{5, tcp + "tcp.dport != 23; map known[ip.src] absent"},
		{25, "layout ip@14; pkt.len >= 38; eth.type == 0x0800; ip.proto != 6"},
	} {
		cond, err := text.Parse(c, strings.ReplaceAll(p.cond, "; ", "\n"))
		if err != nil {
			fmt.Println(err)
			return
		}
		w.Paths = append(w.Paths, workload.Path{Cond: cond, Packets: p.packets, First: uint64(i)})
		if err := tree.Insert(&pathcond.Path{Cond: cond}, int32(i)); err != nil {
			fmt.Println(err)
			return
		}
	}
	x, err := match.Analyse(w, match.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	r, err := x.Report(match.Trees{tree}, &profile.NIC{Name: "a NIC", Matcher: profile.MatchTree, MatcherLanes: 2, MatcherBase: 10, MatcherStep: 3, MatcherLookup: 20})
	if err != nil {
		fmt.Println(err)
		return
	}
	r.Format(os.Stdout)
	// Output:
	// program     telnet
	// capture     made up
	// conditions  5, of 100.00 % of 100 packets
	// predicates  4.0 of a condition, at most 5
	//
	// matcher  holds         entries  capacity  key     memory     steps  worst  look-ups  hit          worst  miss
	// linear   5 (100.00 %)  5        -         -       1.2 Kibit  1.9    3      0.5       24.9 cycles  36     28
	// tree *   5 (100.00 %)  5        -         -       372 bit    4.0    5      0.5       31.0 cycles  45     31
	// tss      5 (100.00 %)  4        -         40 bit  1.5 Kibit  2.3    3      0.5       25.9 cycles  36     28
	// tcam     3 (55.00 %)   41       -         56 bit  5.8 Kibit  1.0    1      0.0       13.0 cycles  13     13
	// * of a NIC, with its limits
	//
	// predicates  number  in conditions
	// equality    8       4 (90.00 %)
	// inequality  4       4 (80.00 %)
	// range       5       5 (100.00 %)
	// table       0       0 (0.00 %)
	// relation    0       0 (0.00 %)
	// latched     0       0 (0.00 %)
	// state       2       2 (45.00 %)
	//
	// beyond entries it takes  conditions   behind a parser
	// nothing                  3 (55.00 %)  3 (55.00 %)
	// maps                     2 (45.00 %)  2 (45.00 %)
	//
	// TCAM                     on the packet  behind a parser
	// holds whole              3 (55.00 %)    3 (55.00 %)
	// without maps             5 (100.00 %)   5 (100.00 %)
	// distinct of these        4              4
	// entries, expanded        325            325
	// entries, by priority     41             41
	// entries, ranges encoded  5              5
	// key                      56 bit         56 bit
	//
	// tuple-space search
	// masked equality only   0 (0.00 %)
	// after expansion        3 (55.00 %)   325 masks, 325 entries
	// with the rest checked  5 (100.00 %)  4 masks, 4 entries
	// probes                 1.9           worst 4
	// candidates             1.1           worst 5
	//
	// kept out of a TCAM by      class  conditions   by it alone  parser
	// map known[ip.src] present  state  1 (40.00 %)  1 (40.00 %)
	// map known[ip.src] absent   state  1 (5.00 %)   1 (5.00 %)
}
