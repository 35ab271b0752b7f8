// Package verify holds host/vm against the running kernel: the same program,
// maps and packets through both, packet by packet.
//
// The VM is filled first (object file, then map file); what its maps hold is
// put into their twins in the kernel. Each packet then runs in the VM and
// through BPF_PROG_TEST_RUN; verdict, bytes, length and metadata must be equal,
// and at the end every map. Clock, random draws, CPU, interface and queue are
// made equal (see host/kernel); the kernel runs in an empty network namespace,
// in which bpf_fib_lookup finds what it finds in an empty table.
//
// What can't be made equal is skipped and counted by its reason:
//
//	short, long     refused by both before the program sees it
//	fib table       bpf_fib_lookup with a table of the VM's own
//	not supported   a helper or kernel function the VM hasn't
//	step limit      the VM's limit of a million instructions
//
// After a skipped packet the kernel's maps are brought to what the VM's hold.
// Redirect targets aren't compared: the kernel doesn't tell them. Interfaces in
// devmaps are all the loopback device in the kernel.
package verify
