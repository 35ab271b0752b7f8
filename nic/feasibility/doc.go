// Package feasibility answers whether an offload pays: one program, one
// capture's traffic, one device, one host.
//
// A Study puts the parts of the device model together: what fits (nic/fit),
// what matching costs (nic/match), what executing costs (nic/vliw), all as
// prices (nic/price); runs of the discrete-event model (nic/device) with NIC
// and host, host alone, NIC alone; load curves and RFC 2544's throughput
// (nic/device/load); other designs on the same capture (nic/designs). Each
// assumed figure is put to the ends of its range, and what turns the answer is
// named with it.
package feasibility
