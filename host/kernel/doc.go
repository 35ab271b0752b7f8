// Package kernel is the running kernel as oracle: the same program, packets
// and maps as in host/vm, through BPF_PROG_TEST_RUN.
//
//	loader.Object ── Load ──→ Prog, Maps          bpf(2): maps, then programs
//	packet, context ── Prog.Run ──→ Result        verdict, packet, metadata
//	Maps.Map(i).Entries ──→ what a map holds      to compare with host/maps
//
// What is loaded is exactly [loader.Program.Insns], with map indexes replaced by
// file descriptors; [LoadRaw] takes any other code in the same form, such as an
// optimised or a random program.
//
// # What BPF_PROG_TEST_RUN does
//
// Found out on Linux 6.18, and held by this package's tests (net/bpf/test_run.c
// has the reasons):
//
//   - fewer than 14 bytes of packet (the metadata not counted): EINVAL;
//   - up to 3,520 bytes are linear (4096 less 256 of headroom and 320 of
//     skb_shared_info, less the metadata's share of the headroom), the rest is
//     put in frags of 4,096 bytes, whether or not the program said xdp.frags;
//     past 17 frags it is ENOMEM;
//   - without a context the packet comes in on queue 0 of the loopback device of
//     the caller's network namespace: ingress_ifindex 1, rx_queue_index 0;
//   - a context's data is the number of metadata bytes at the front of the input
//     (a multiple of 4, at most 252), data_end the number of all bytes, data_meta
//     and egress_ifindex must be 0. ingress_ifindex must be 0 or an interface
//     that has an XDP receive queue of that rx_queue_index;
//   - the output begins with the metadata the program left; a context given in
//     comes back with data at its length;
//   - the redirect target is not told, the packet goes nowhere.
//
// # Making inputs equal
//
// A run in the kernel must see the same clock, random draws and CPU as a run in
// the VM. [Isolated] pins the CPU and gives an empty network namespace (so that
// bpf_fib_lookup finds no route). With [Options.Latch] calls of the clock and
// random helpers are turned into calls of a function behind the program that
// answers from a map which [Maps.Latch] fills: the verifier knows as little of
// its result as of the helper's.
//
// # What takes long
//
// The verifier walks through up to a million steps, and a map of gigabytes is made in
// one system call. [Answered] answers an interrupt meanwhile; loading goes through it
// where there is an [Options.Context].
package kernel
