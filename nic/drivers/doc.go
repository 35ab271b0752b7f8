// Package drivers knows what NICs' Linux drivers offload: XDP programs to the
// device (one driver does), or flows that tc's flower names, and where XDP runs
// otherwise. Each entry names the line of the kernel that says so.
//
// What is here is of mainline Linux 6.1. A driver that the switch of its ndo_bpf
// has no XDP_SETUP_PROG_HW in refuses `ip link set … xdpoffload`; one that has
// XDP_SETUP_PROG runs XDP on the host's cores, as profile.Host prices it.
package drivers
