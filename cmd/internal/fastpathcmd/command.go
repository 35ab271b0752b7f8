// Package fastpathcmd is the verb `jitnic fastpath`: a program's hottest paths as
// an XDP program for the running kernel.
package fastpathcmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"jitnic/cmd/internal/report"
	"jitnic/cmd/internal/session"
	"jitnic/host/kernel"
	"jitnic/host/loader/objfile"
	"jitnic/host/run/fastpath"
	"jitnic/host/run/replay"
	"jitnic/host/vm"
	"jitnic/nic/flower"

	"github.com/spf13/cobra"
)

// flags are those of the verb.
type flags struct {
	in       replay.Input
	opt      fastpath.Options
	super    replay.Optimiser
	out      string
	kernel   string
	counters bool
	times    bool
	live     string
	to       report.Outputs
	file     []byte // what --out writes
	parser   string
	carry    string    // what is to carry packets by the rules
	rules    [3]string // files of rules: flower, OpenFlow, P4Runtime
	written  [3]string // and what goes into them
}

// Command is `jitnic fastpath`.
func Command() *cobra.Command {
	var f flags
	c := &cobra.Command{
		Use:   "fastpath --program FILE.o --capture FILE.pcap -o fast.o",
		Short: "Make an XDP program of a program's hottest paths, with the original behind it, and have the kernel judge it",
		Long: `Fastpath replays captures, takes the hottest paths, and writes one object: their
conditions as a decision tree in front, each leaf the straight line of a trace,
and behind it, by a tail call, the original, untouched, on the same maps. libbpf
(bpftool) and cilium/ebpf load it: attach jitnic_fast. ip link loads it with --join.

The kernel judges: its verifier takes the program, or traces are left out until it
does; on every packet of the captures verdict, bytes and maps are compared with
the original's by BPF_PROG_TEST_RUN, and in the VM redirects too. --times measures
both in turns, path by path. --live attaches original and fast path each to a pair
of devices in a network namespace without a name, sends the captures' frames, or
those of live hosts (--live=hosts), through both, and compares what comes out, byte
by byte and in order, and the maps; nothing is left of that, however the command ends.

--flower, --openflow and --p4runtime write what a NIC that offloads such rules could
take; the report has its share of packets and paths, and what each refused path asks
that no rule can. A rule may edit: addresses, ports, VLAN tags, a time to live, with
checksums; a number that a path counts in a map is its rules' own statistics. With
--frozen, what is read from maps is folded in, so that routes become rules. --parser
says what the NIC's parser vouches for; --carry has the kernel or Open vSwitch run the
rules on the captures' packets, in a network namespace that ends with the command.

A cache follows the traffic and a program doesn't: where the hottest --entries
take less than such a cache hits, less one point, more are taken (--exactly: not).
The tail call takes one of the 33 there are; --join takes none. An object made here keeps the field
offsets of the kernel it was made on.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, args []string) error {
			if f.out != "" {
				f.to.Other = []report.Output{{Flag: "--out", Path: f.out, Write: func(w io.Writer) error {
					_, err := w.Write(f.file)
					return err
				}}}
			}
			for i, name := range []string{"--flower", "--openflow", "--p4runtime"} {
				if f.rules[i] != "" {
					f.to.Other = append(f.to.Other, report.Output{Flag: name, Path: f.rules[i], Write: func(w io.Writer) error {
						_, err := io.WriteString(w, f.written[i])
						return err
					}})
				}
			}
			if err := f.to.Check(c, args); err != nil {
				return err
			}
			r, err := f.run(c.Context())
			if err != nil {
				return err
			}
			if r.bad() != nil {
				f.to.Other = nil // what differs is not written
			}
			if err := f.to.Write(c.OutOrStdout(), r.document()); err != nil {
				return err
			}
			return r.bad()
		},
	}
	session.InputFlags(&f.in, c)
	_ = c.Flags().MarkHidden("queues") // test runs are on one
	session.OptimiserFlags(&f.super, c)
	fs := c.Flags()
	fs.IntVar(&f.opt.Entries, "entries", 16, "the hottest `N` traces")
	fs.BoolVar(&f.opt.Exactly, "exactly", false, "no more traces than --entries, though a trace cache of that size hits more")
	fs.BoolVar(&f.opt.Frozen, "frozen", false, "fold what is read from maps no program writes, and where tail calls lead: writes by other tools aren't seen")
	fs.BoolVar(&f.opt.Join, "join", false, "put the original into the same program, behind the fast path, in place of a tail call to it: ip link, which loads one program of a file, takes it")
	fs.BoolVar(&f.counters, "counters", false, "count packets by leaf in the object's map jitnic_hits")
	fs.StringVarP(&f.out, "out", "o", "", "write the object `FILE` (- for stdout)")
	fs.StringVar(&f.kernel, "kernel", "auto", "the running kernel's part: `WHEN`: auto (where bpf(2) is allowed), on, off")
	fs.BoolVar(&f.times, "times", false, "measure ns a packet, path by path, original and fast path in turns")
	fs.StringVar(&f.live, "live", "false", "send frames through both on veth devices, and compare what comes out: `WHOSE`: captures (bare: these), hosts (of live clients and servers: HTTP, DNS, pings over IPv4, IPv6 and VLAN)")
	fs.Lookup("live").NoOptDefVal = "captures"
	fs.StringVar(&f.rules[0], "flower", "", "write the paths that the flower classifier can take as tc(8) commands to `FILE`")
	fs.StringVar(&f.rules[1], "openflow", "", "the same as flows for ovs-ofctl(8) to `FILE`")
	fs.StringVar(&f.rules[2], "p4runtime", "", "the same as P4Runtime table entries in text to `FILE`")
	fs.StringVar(&f.parser, "parser", parsers[0].name, "what the NIC's parser makes of packets before rules are asked, `NAME`: "+parserNames())
	fs.StringVar(&f.carry, "carry", "", "send the captures' packets through the rules, and compare what comes out, by `WHAT`: tc (the kernel's flower classifier on veth devices), ovs (Open vSwitch's userspace datapath)")
	f.to.Flags(c, "report")
	return c
}

// liveRounds is how often live clients go through their servers.
const liveRounds = 6

// parser is a way to say --parser.
type parser struct {
	name, what string
	is         flower.Parser
}

var parsers = []parser{
	{"dissector", "the kernel's flow dissector", flower.Dissector},
	{"plain", "hands to software what isn't plain: a wrong version or length, options, extension headers", flower.Plain},
}

func parserNames() string {
	var out []string
	for _, p := range parsers {
		out = append(out, p.name+" ("+p.what+")")
	}
	return strings.Join(out, ", ")
}

// written are the rules in their three forms.
func written(r *flower.Rules) (out [3]string) {
	note := ""
	if r.Parser == flower.Plain {
		note = "# for a NIC whose parser hands to software what isn't plain: a wrong version or length, IPv4 options, IPv6 extension headers\n"
	}
	if r.OnePiece() {
		note += fmt.Sprintf("# for a port whose frames have at most %d bytes: the program finds longer ones in pieces, and looks at the first\n", vm.MaxLinear)
	}
	device := func(p flower.Port, _ int) string { return "$" + strings.ToUpper(p.Name) }
	number := func(_ flower.Port, i int) string { return fmt.Sprint(flower.PortOut + i) }
	out[0] = note
	for _, l := range r.TC(flower.Where{Device: "$DEV", Port: device}) {
		out[0] += "tc " + l + "\n"
	}
	out[1] = note + fmt.Sprintf("# packets come in at port 1; pass is port %d, software %d; packets with tags of 802.1ad, which OpenFlow doesn't tell from others, must not come\n", flower.PortPass, flower.PortSoftware)
	for i, p := range r.Ports {
		out[1] += fmt.Sprintf("# %s is port %d\n", p.Name, flower.PortOut+i)
	}
	out[1] += strings.Join(r.OpenFlow(flower.Where{Port: number}), "\n") + "\n"
	out[2] = note + r.P4Runtime()
	return out
}

func (f *flags) run(ctx context.Context) (*Report, error) {
	live, rounds, err := f.check()
	if err != nil {
		return nil, err
	}
	missing := errors.New("--kernel off") // why the kernel has no part in it
	if f.kernel != "off" {
		missing = kernel.Available()
	}
	if missing != nil && (f.kernel == "on" || f.times || live) {
		return nil, fmt.Errorf("%w: the object can still be made with --kernel off, and is compared in the VM", missing)
	}
	by := slices.IndexFunc(parsers, func(p parser) bool { return p.name == f.parser })
	if by < 0 {
		return nil, fmt.Errorf("--parser %s: want %s", f.parser, parserNames())
	}
	f.opt.Rules = f.rules != [3]string{} || f.carry != ""
	f.opt.NoKernel, f.opt.Superopt, f.opt.Counters = missing != nil, &f.super, true
	p, err := fastpath.Make(ctx, f.in, f.opt)
	if err != nil {
		return nil, session.Flag(err)
	}
	defer p.Close()
	v, err := p.Judge(ctx, missing == nil)
	if err != nil {
		return nil, err
	}
	r := newReport(p, v, missing)
	if f.times {
		if r.Times, err = times(ctx, p); err != nil {
			return nil, err
		}
	}
	if live {
		if r.live, err = p.Live(ctx, rounds); err != nil {
			return nil, err
		}
		r.Live = newLive(r.live)
	}
	if f.opt.Rules {
		if err := f.flower(ctx, r, p, by); err != nil {
			return nil, err
		}
	}
	if f.out != "" && r.bad() == nil {
		if err := f.object(r, p); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// check refuses what the flags don't allow; rounds are those of live hosts, 0: the
// captures are sent.
func (f *flags) check() (live bool, rounds int, err error) {
	live, rounds = f.live != "false", -1
	switch f.live {
	case "captures", "true", "false":
		rounds = 0
	case "hosts":
		rounds = liveRounds
	}
	switch {
	case f.opt.Entries < 1:
		err = fmt.Errorf("--entries %d: want 1 or more", f.opt.Entries)
	case f.in.Queues != 1:
		err = fmt.Errorf("--queues %d: the kernel runs one packet at a time, on one queue", f.in.Queues)
	case f.kernel != "auto" && f.kernel != "on" && f.kernel != "off":
		err = fmt.Errorf("--kernel %s: want auto, on or off", f.kernel)
	case f.times && f.kernel == "off":
		err = errors.New("--times: needs the kernel, which --kernel off leaves out")
	case rounds < 0:
		err = fmt.Errorf("--live %s: want captures or hosts", f.live)
	case live && f.kernel == "off":
		err = errors.New("--live: needs the kernel, which --kernel off leaves out")
	case f.carry != "" && fastpath.Carriers[f.carry] == nil:
		err = fmt.Errorf("--carry %s: want tc or ovs", f.carry)
	}
	return live, rounds, err
}

// flower makes the rules, and has them carry packets where that is asked for.
func (f *flags) flower(ctx context.Context, r *Report, p *fastpath.Plan, by int) error {
	o, err := p.Flower(ctx, parsers[by].is)
	if err != nil {
		return err
	}
	r.Flower = newFlower(o, p)
	f.written = written(o.Rules)
	if f.carry != "" {
		r.Flower.Carried, err = p.Carry(ctx, o, f.carry)
	}
	return err
}

// object makes the file that is asked for.
func (f *flags) object(r *Report, p *fastpath.Plan) (err error) {
	built := p.Built
	if !f.counters {
		if built, err = p.Bare(); err != nil {
			return err
		}
	}
	if f.file, err = objfile.Write(built.Object, built.Program); err != nil {
		return err
	}
	r.Out, r.Bytes = report.Name(f.out), len(f.file)
	return nil
}
