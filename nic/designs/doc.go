// Package designs compares ways to split a packet program between a NIC and its
// host, on one capture, device and budget.
//
//	trace       whole paths as straight-line traces in a cache: jitnic's own
//	hxdp        the whole program interpreted on the NIC, for every packet
//	warp        a static prefix without state on the NIC, the rest on the host
//	flow        an exact-match flow cache, as naive as a flow table is
//	flow-sound  the same, told by an oracle when its flow takes another path
//	megaflow    a cache of wildcarded flows in a tuple-space search
//
// A [Design] is a pure function of a [Setting]: what a program did with a capture
// (nic/workload) and what that costs on a device (nic/price). All give the same
// [Result]: what ran wholly on the NIC and what was decided wrongly there; how
// many entries that takes, used, and would need; installs; host time saved; mean
// cycles and latency of an idle device. For load and queues a Result has an
// input of nic/device. [Claims] are jitnic's own claims about traces as numbers.
//
// Where a rival isn't defined to the last, it is given the benefit: flow and
// megaflow entries have jitnic's traces for actions, though a flow table's are
// constants, and so have their maps where traces have them; they take no
// compiling; handing over registers and stack from prefix to host is free.
// Which megaflow entry a packet asks for stands in the workload (nic/workload/consult).
package designs
