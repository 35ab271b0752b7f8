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
//
//	pays           host cores are saved, no more packets are lost, none takes longer on average
//	does not pay   no host cores are saved, or packets are lost that the host alone doesn't lose
//	depends        what is won and what is lost are different things, or an assumed
//	               figure within its range makes another answer, or chance does
//	neither        packets are lost with the NIC and without; what would keep up is said
//	  keeps up
//	none           the link can't bring in the load, or too many packets could not be run
//
// A difference counts from a hundredth on, of losses from one packet in ten
// thousand, and an assumed figure turns the answer only by more than what runs of
// other seeds differ by. The runs at the rate asked for are of the steady state (the packets
// have passed the trace cache once before), and so are curves and throughput;
// one run more begins cold. Cores needed are those that would lose nothing, so
// they may be more than the host has, and what makes traces is counted with
// them.
//
// An interrupted study has the sections that were finished, each of them whole.
// With the ideal device and the ideal host the cold run counts what a replay
// counts, class by class.
package feasibility
