package session

import (
	"fmt"

	"jitnic/superopt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Input says which program is fed which packets.
type Input struct {
	Program  string   // file, or sample:NAME
	Entry    string   // program of the object; "": the only XDP one
	BTF      string   // kernel types for CO-RE; "": the running kernel's
	Captures []string // files, globs, "-", sample:NAME
	Filter   string
	Limit    uint64
	Loop     int
	Maps     string // map file; "": a sample's own
	FIB      string // routing table; "": empty
	Queues   int
	Seed     uint64
}

// Cache says what the trace cache is.
type Cache struct {
	Policy       string
	Admission    string
	Entries      uint64
	Slots        uint64
	HotThreshold uint32
	InstallDelay uint64
	Specialise   bool

	flags *pflag.FlagSet // nil where the verb doesn't offer them
}

// Flags adds the flags of Input to a command.
func (in *Input) Flags(c *cobra.Command) {
	f := c.Flags()
	f.StringVarP(&in.Program, "program", "p", "", "XDP program: clang object `FILE`, or sample:NAME (see jitnic samples)")
	f.StringVar(&in.Entry, "entry", "", "`NAME` of the program in the object; default: its only XDP program")
	f.StringVar(&in.BTF, "btf", "", "kernel types for CO-RE relocations: `FILE`; default: the running kernel's")
	f.StringArrayVarP(&in.Captures, "capture", "c", nil, "capture `FILE`: pcap or pcapng, .gz and .zst too; glob, - for stdin, sample:NAME; may be repeated")
	f.StringVar(&in.Filter, "filter", "", "only packets that match `EXPR` (tcpdump's words)")
	f.Uint64Var(&in.Limit, "limit", 0, "stop after `N` packets; 0: all")
	f.IntVar(&in.Loop, "loop", 1, "read the captures `N` times")
	f.StringVar(&in.Maps, "maps", "", "map contents and timed updates: JSON `FILE`; default: none, or the sample's own")
	f.StringVar(&in.FIB, "fib", "", "routing table for bpf_fib_lookup: `FILE`; default: empty")
	f.IntVar(&in.Queues, "queues", 1, "receive queues, one CPU each; flows are spread by RSS (Toeplitz)")
	f.Uint64Var(&in.Seed, "seed", 1, "seed of everything that is drawn")
}

// Flags adds the flags of Cache to a command.
func (ca *Cache) Flags(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&ca.Policy, "policy", "lru", "eviction policy `NAME`")
	f.StringVar(&ca.Admission, "admission", "always", "admission `NAME`: always, threshold/N, probabilistic/N, doorkeeper, cost-aware/N")
	ca.flags = f
	f.Uint64Var(&ca.Entries, "entries", 0, "size of the trace cache in traces; default 64")
	f.Uint64Var(&ca.Slots, "slots", 0, "size of the trace cache in instruction slots instead")
	f.Uint32Var(&ca.HotThreshold, "hot", 1, "install a path when it misses for the `N`th time")
	f.Uint64Var(&ca.InstallDelay, "install-delay", 0, "an install takes `N` packets; packets of its path miss meanwhile")
	f.BoolVar(&ca.Specialise, "specialise", false, "specialised traces: fold what is read from maps no program writes, under version guards")
}

// Optimiser says how traces are superoptimized before they are installed.
type Optimiser struct {
	On        bool
	Layers    string
	Proposals int
	Cost      string
	NIC       string // profile that the cost "nic" is of
	Latency   string // calibrate.json with the table of the cost "latency"; "" the cited one
	Rules     string // file of a store of rules that grows; "" none

	store *superopt.Store
	nic   *NICCost
	table *superopt.Latency
}

// Flags adds the flags of Optimiser to a command.
func (o *Optimiser) Flags(c *cobra.Command) {
	f := c.Flags()
	f.BoolVar(&o.On, "superopt", false, "superoptimize each trace under its path condition, proved by Z3, before it is first installed")
	f.StringVar(&o.Layers, "layers", "", "superopt: `LETTERS` of the layers to run: p passes, r rules, e enumeration, s search; default all")
	f.IntVar(&o.Proposals, "proposals", 0, "superopt: budget of the stochastic search for each window; 0: the default")
	f.StringVar(&o.Rules, "rules", "", "superopt: a store of rewrite rules: used where `FILE` is there, and what is found goes to its end")
	f.StringVar(&o.Cost, "cost", "", "superopt: `NAME` of the cost: count, count-no-atomics, latency, nic (cycles on --cost-nic)")
	f.StringVar(&o.Latency, "latency", "", "superopt: the table of --cost latency: calibrate.json `FILE` of jitnic calibrate; default a cited one")
	f.StringVar(&o.NIC, "cost-nic", "hxdp", "superopt: the device whose cycles --cost nic counts: a built-in profile, or a `FILE`")
}

// check refuses impossible flags before anything is opened.
func (in *Input) check() error {
	switch {
	case in.Program == "":
		return fmt.Errorf("--program: name an object file, or sample:NAME")
	case len(in.Captures) == 0:
		return fmt.Errorf("--capture: name a capture file, or sample:NAME")
	case in.Queues < 1 || in.Queues > 128:
		return fmt.Errorf("--queues %d: want 1 to 128", in.Queues)
	case in.Loop < 1:
		return fmt.Errorf("--loop %d: want 1 or more", in.Loop)
	}
	return nil
}

func (ca *Cache) check() error {
	if ca.Entries > 0 && ca.Slots > 0 {
		return fmt.Errorf("--entries and --slots: give one of them")
	}
	if ca.flags != nil {
		switch {
		case ca.Entries == 0 && ca.flags.Changed("entries"):
			return fmt.Errorf("--entries 0: want 1 or more")
		case ca.HotThreshold == 0:
			return fmt.Errorf("--hot 0: want 1 or more")
		case ca.Slots == 0 && ca.flags.Changed("slots"):
			return fmt.Errorf("--slots 0: want 1 or more")
		}
	}
	if ca.Entries == 0 && ca.Slots == 0 {
		ca.Entries = 64
	}
	return nil
}
