// Package xdpfilter makes XDP programs of tcpdump's expressions: a packet that
// matches passes (XDP_PASS), any other is dropped.
//
//	"tcp port 443" ── filter.Compile ──▶ compare and branch
//	                ── Program.Code ──▶ classic BPF, as `tcpdump -ddd` has it
//	                ── translate ─────▶ straight eBPF, jumps only forward
//
// The translation is what the kernel does with socket filters (bpf_convert_filter
// in net/core/filter.c) for the packet memory that XDP gives: a load is a
// comparison with data_end, unless every way to it has made one that covers it,
// and then a load. Fields that are compared for equality stay in network order.
// The verifier takes what comes out as it stands.
//
// A parameter without a value ("host $a and port $b") is read from the program's
// .data when a packet comes: an array of one entry with a member for each. With
// its value it is folded in, and nothing of it is left.
//
// What the program sees is what XDP sees: "len" is data_end - data, so a packet
// that its capture cut is as long as what the capture kept of it, and what lies
// beyond the linear part of a packet in fragments is not there.
package xdpfilter
