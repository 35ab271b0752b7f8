// Package profile holds what devices and hosts cost: every number with its
// unit and its source.
//
// A profile is a text file, one parameter a line. What a paper, a data sheet or
// a driver says is cited; what nobody published is assumed, with the range over
// which a study should sweep it:
//
//	clock         = 156.25 MHz                 # OSDI'20, section 4.3
//	pcie.read     = 573 ns 546..600            # pcie-bench (SIGCOMM'18): medians by host
//	install.stall = 64 cycles assumed 0..4096  # not published
//	limit.slots   = unlimited slots assumed 4096..unlimited
//	matcher.kind  = tree assumed tree|linear|tss|tcam
//	limit.helpers = map_lookup_elem, xdp_adjust_head   # nfp/bpf/verifier.c
//
// A file gives every parameter, or starts with "base = hxdp" and gives those
// in which it differs from that built-in profile. Numbers are decimal, with
// underscores between digits where that helps; units are SI's (MHz, us,
// Gbit/s) and 1024's for bytes (KiB, MiB). Anything else is an error that names
// file and line: a slip must not become an assumption.
//
// [NIC] is a device (built in: see [Names]), [Host] the machine it sits in;
// `jitnic calibrate` writes the profile of the machine at hand. [NIC.Params]
// gives reports each value with its source, [NIC.Sweep] and [NIC.With] vary
// one, and [NIC.Set] takes the user's "--set key=value" and marks it so.
package profile
