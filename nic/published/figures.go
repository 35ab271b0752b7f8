package published

// Kind says what a figure is of, and so what the model is asked.
type Kind string

// The kinds.
const (
	Rate     Kind = "Mpps"         // highest rate without loss, wholly on the device
	Rows     Kind = "rows"         // VLIW instructions of the whole program
	HostRate Kind = "Mpps of core" // highest rate of one core of the host
)

// Variant is how the program was compiled or run, where not as the profile says.
type Variant string

// The variants.
const (
	AsIs       Variant = ""
	PlainExit  Variant = "exit without a constant" // as eBPF has it
	KeepBounds Variant = "bounds checks kept"      // REMOVE_MEM_BOUNDARY_CHECKS = False
)

// Tolerance is how far, as a share of the figure, the model may be from it
// without an explanation. SameLength is how far our program may be from the
// published one in instructions for the two to be compared.
const (
	Tolerance  = 0.15
	SameLength = 0.05
)

// Figure is one published figure and what it is of.
type Figure struct {
	Profile string  `json:"profile"` // of the device, or host:NAME
	Program string  `json:"program"` // of this package
	Theirs  string  `json:"theirs"`  // what the source calls its program
	Slots   int     `json:"slots"`   // instructions of the source's program; 0: not told
	Kind    Kind    `json:"kind"`
	Variant Variant `json:"variant,omitempty"`
	Value   float64 `json:"value"`
	About   bool    `json:"about,omitempty"` // read from a figure
	Source  string  `json:"source"`
	Says    string  `json:"says,omitempty"`    // the sentence; "": a table, figure or file
	Differs string  `json:"differs,omitempty"` // the cited fact by which the model may be further off
}

const (
	osdi      = "Brunella et al., hXDP, OSDI 2020"
	artifacts = "github.com/axbryd/hXDP-Artifacts"
	roms      = artifacts + ", testbed_scripts/2_datapath_programming/SPH_roms/"
	fastest   = "hXDP can drop 52Mpps vs the 38Mpps of the x86 CPU core@3.7GHz, and 32Mpps of the Netronome NFP4000."
)

// Figures lists all, profile by profile.
func Figures() []Figure { return append([]Figure(nil), figures...) }

// Loads of 64-byte frames of UDP over IPv4, FCS counted, unless the program's
// comment says otherwise.
var figures = []Figure{
	{Profile: "hxdp", Program: "drop", Theirs: "XDP_DROP", Kind: Rate, Value: 52, Source: osdi + ", section 5.2", Says: fastest},
	{Profile: "hxdp", Program: "drop", Theirs: "XDP_DROP.bin", Kind: Rate, Variant: PlainExit, Value: 22.41349, Source: artifacts + ", README.md",
		Says: "DROP RATE: 22.41349 Mpps"},
	{Profile: "hxdp", Program: "tx", Theirs: "XDP_TX", Kind: Rate, Value: 22.5, Source: osdi + ", section 5.2; the program is " + roms + "XDP_TX_early_exit.bin"},
	{Profile: "hxdp", Program: "redirect", Theirs: "XDP_REDIRECT", Kind: Rate, Value: 15, Source: osdi + ", section 5.2",
		Differs: "the program isn't published; with the call in a row of its own, as hand-written rows may have it, the model gives 15.6"},
	{Profile: "hxdp", Program: "redirect_map", Theirs: "xdp_redirect_map", Slots: 35, Kind: Rate, Value: 10, About: true, Source: osdi + ", figure 10"},
	{Profile: "hxdp", Program: "simple_firewall", Theirs: "simple firewall", Slots: 72, Kind: Rate, Value: 6.53, Source: osdi + ", section 5.2.1",
		Says: "the same application achieves a throughput of 6.53Mpps, as shown in Figure 10."},
	{Profile: "hxdp", Program: "count_drop", Theirs: "xdp1", Slots: 61, Kind: Rate, Value: 11, About: true, Source: osdi + ", figure 10",
		Differs: "in their own compiled program (xdp1.bin.out) a UDP packet goes through 25 rows, 20 of them without bounds checks: with start and exit 22 cycles, 7.1 Mpps. Its branches outside lane 0 keep eBPF's offsets (__fix_branch_offsets changes row[0] alone) and so jump past rows"},
	{Profile: "hxdp", Program: "count_tx", Theirs: "xdp2 (tx)", Slots: 78, Kind: Rate, Value: 7, About: true, Source: osdi + ", figure 10",
		Differs: "in their own compiled program (xdp2.bin.out) a UDP packet goes through 27 rows without bounds checks: with start and exit 33 cycles, 4.7 Mpps; branches as in xdp1"},

	{Profile: "hxdp", Program: "simple_firewall", Theirs: "simple_firewall", Slots: 72, Kind: Rows, Value: 27, Source: osdi + ", table 3: 72 instructions, IPC 2.66"},
	{Profile: "hxdp", Program: "count_drop", Theirs: "xdp1", Slots: 61, Kind: Rows, Value: 36, Source: osdi + ", table 3: 61 instructions, IPC 1.70"},
	{Profile: "hxdp", Program: "count_tx", Theirs: "xdp2", Slots: 78, Kind: Rows, Value: 43, Source: osdi + ", table 3: 78 instructions, IPC 1.81"},
	{Profile: "hxdp", Program: "too_big", Theirs: "xdp_adjust_tail", Slots: 117, Kind: Rows, Value: 43, Source: osdi + ", table 3: 117 instructions, IPC 2.72"},
	{Profile: "hxdp", Program: "forward", Theirs: "router_ipv4", Slots: 119, Kind: Rows, Value: 50, Source: osdi + ", table 3: 119 instructions, IPC 2.38"},
	{Profile: "hxdp", Program: "queues", Theirs: "rxq_info", Slots: 81, Kind: Rows, Value: 46, Source: osdi + ", table 3: 81 instructions, IPC 1.76"},
	{Profile: "hxdp", Program: "tunnel", Theirs: "tx_iptunnel", Slots: 283, Kind: Rows, Value: 100, Source: osdi + ", table 3: 283 instructions, IPC 2.83"},

	{Profile: "hxdp", Program: "redirect_map", Theirs: "xdp_redirect_map_kern.bin.out", Slots: 35, Kind: Rows, Variant: KeepBounds, Value: 13, Source: roms + "xdp_redirect_map_kern.bin.out"},
	{Profile: "hxdp", Program: "simple_firewall", Theirs: "nec_udp_firewall.bin.out", Slots: 72, Kind: Rows, Variant: KeepBounds, Value: 36, Source: roms + "nec_udp_firewall.bin.out"},
	{Profile: "hxdp", Program: "count_drop", Theirs: "xdp1.bin.out", Slots: 61, Kind: Rows, Variant: KeepBounds, Value: 43, Source: roms + "xdp1.bin.out"},
	{Profile: "hxdp", Program: "count_tx", Theirs: "xdp2.bin.out", Slots: 78, Kind: Rows, Variant: KeepBounds, Value: 47, Source: roms + "xdp2.bin.out",
		Differs: "their compiler follows no dependences through memory, and not all through registers: row 25 has r3 = r7 and r3 += r1 side by side, row 38 a load of r1 and the store of r1"},
	{Profile: "hxdp", Program: "forward", Theirs: "xdp_router_ipv4.bin.out", Slots: 119, Kind: Rows, Variant: KeepBounds, Value: 55, Source: roms + "xdp_router_ipv4.bin.out",
		Differs: "as xdp2.bin.out: row 15 has r1 = r7 and r1 += r4 side by side, row 50 a load of r1 and the store of r1"},

	{Profile: "netronome", Program: "drop", Theirs: "XDP_DROP", Kind: Rate, Value: 32, Source: osdi + ", section 5.2", Says: fastest},

	{Profile: "host:paper", Program: "drop", Theirs: "XDP_DROP", Kind: HostRate, Value: 24, Source: "Høiland-Jørgensen et al., The eXpress Data Path, CoNEXT 2018, section 4.1",
		Says: "The baseline performance of XDP for a single core is 24 Mpps"},
	{Profile: "host:paper", Program: "redirect_map", Theirs: "xdp_redirect_map", Kind: HostRate, Value: 8.649872, Source: "github.com/tohojo/xdp-paper, benchmarks/bench05_xdp_redirect.org: 1 queue, ring of 1024"},
}
