// Package vliw lays code out for the core of a SmartNIC that starts several
// instructions a cycle: traces, which have no branches, and for comparison whole
// programs, as hXDP runs them (Brunella et al., "hXDP: Efficient Software Packet
// Processing on FPGA NICs", OSDI 2020). It knows nothing of caches: it says how
// many cycles code takes, and which instruction starts when.
//
// A [Machine] is the core's shape: lanes, ports, latencies; [MachineOf] reads it
// from a profile. [New] makes a [Schedule] of a trace, [Program] one of a whole
// program, [Cost] prices code for an optimiser. [Cycles] and [ScalarCycles] are
// a trace's time on the VLIW and on a core that starts one instruction a cycle in
// order; [ProgramSchedule.Cycles] is a recorded run's.
//
// # How it is done
//
// Ops are put into a dependence graph (graph.go): true, anti and output
// dependences by registers, and by memory where two accesses may touch the same
// bytes (host/points). That is told by region (packet, stack, context, values of
// each map, which keys a map has, what calls change beside) and within one by the
// offset from the same base. Where addresses point is worked out from the code:
// r1 is the context at entry, its fields are the packet's bounds, r10 is the
// stack, a look-up gives a value of its map. Meta of a trace only refines what
// stays unknown, and rewritten traces have none. A list scheduler (list.go) then
// fills the cycles by critical path.
//
// hXDP's extensions are options of the machine: fusing two instructions to one
// (fuse.go), renaming (rename.go), and for programs leaving out what the hardware
// does (clean.go) and branches side by side. A program is cut into pieces
// (flowgraph.go, chain.go, program.go): blocks, or chains of blocks that are entered
// at their start, with copies of exits that other chains lead to as well. Where the
// core forwards results within a lane only, a piece hands on in which lane what
// it computed last can be read. Code moves up over a branch, on machines that
// speculate, only if nobody can tell: arithmetic, and loads that can't fault,
// into registers that are dead where the branch goes.
//
// # Why to believe it
//
// An executor (in the tests) runs schedules as the core would: a bundle reads everything before
// it writes anything, and a result read too early, in the wrong lane, or landing
// out of order is an error. The tests run every path of every sample program on
// every capture so, on cores with all latencies apart, and random programs, and
// what the superoptimizer made of traces, and compare each packet with the
// interpreter: verdict, bytes, redirect and maps.
//
// # What comes out
//
// TestIPC prints this table: instructions of eBPF by bundles, as the hXDP paper
// counts (its table 3), and cycles a packet over the first 300 packets of each
// capture. "basic" is 4 lanes, one helper call a cycle, basic blocks and plain
// eBPF; "extended" adds hXDP's extensions; "hxdp" ([HXDP]) also its rule that a
// result can be read in the next cycle only in its own lane.
//
//	               program, static IPC            traces, static IPC               cycles a packet (hxdp)
//	               insns  basic extended  hxdp     insns  basic extended  hxdp     program  traces  scalar
//	ipv6filter       402   1.34     1.70  1.45       2.0   1.00     2.00  2.00        18.4     1.0     2.0
//	firewall         639   1.29     1.60  1.48      33.8   1.96     2.61  2.56        82.2    18.8    36.4
//	conntrack        860   1.43     1.96  1.74      71.7   2.39     3.67  3.57        90.2    22.7    68.5
//	loadbalancer    1062   1.52     2.03  1.88     158.9   1.83     2.71  2.62       111.1    27.5    70.5
//	router           600   1.40     2.03  1.88      66.4   2.28     3.13  2.84        83.4    33.3    82.0
//	ratelimiter      497   1.36     1.83  1.60      42.4   2.63     3.37  3.12        69.7    15.0    39.2
//	nat             1131   1.47     1.99  1.73      55.5   1.81     2.31  2.07        72.6    19.5    36.3
//	telemetry        358   1.49     1.72  1.54     135.4   1.68     1.89  1.88       133.0    41.8    94.2
//
// Published are 1.7 to 2.8 for whole programs. `jitnic feasibility validate` has
// programs of the shape of hXDP's beside its own figures. Ours are long chains of
// tests and checksum folds, each step of which needs the one before, where the
// kernel's samples mostly move headers; and every result lands before a branch
// leaves a piece, so that a program still does what it says.
//
// Traces beat their programs throughout. The two checksum programs, nat and
// telemetry, are as good as the critical path allows. IPC says how full the lanes
// are; cycles are what counts.
package vliw
