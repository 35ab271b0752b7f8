package session

import (
	"errors"
	"fmt"
	"runtime"
	"strings"

	"jitnic/cache"
	"jitnic/cache/policy"
	"jitnic/cmd/internal/report"
	"jitnic/host/run/replay"
	"jitnic/pcaps"
	"jitnic/superopt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// InputFlags adds the flags of a run's input to a command, and a line that counts
// packets where its errors go to a terminal.
func InputFlags(in *replay.Input, c *cobra.Command) {
	in.Progress = Progress(c)
	before(c, func() error { return checkInput(in) })
	verb := c.RunE
	var all programs
	c.RunE = func(c *cobra.Command, args []string) error {
		if len(all) < 2 {
			in.Program = all.String()
			return Flag(verb(c, args))
		}
		return report.Several(c, all, func(program string) error {
			in.Program = program
			return Flag(verb(c, args))
		})
	}
	f := c.Flags()
	f.VarP(&all, "program", "p", "XDP program: clang object `FILE`, sample:NAME (see jitnic samples), or filter:EXPR in tcpdump's words; may be repeated, and each is studied")
	f.StringArrayVar(&in.Params, "param", nil, "value of a parameter of filter:EXPR (host $a): `NAME=VALUE` folds it in; without, --maps gives it; may be repeated")
	f.StringVar(&in.Entry, "entry", "", "`NAME` of the program in the object; default: its only XDP program")
	f.StringVar(&in.BTF, "btf", "", "kernel types for CO-RE relocations: `FILE`; default: the running kernel's")
	f.StringArrayVar(&in.Inner, "inner", nil, "what a map of maps holds where the object doesn't say it: `OUTER=MAP`, maps like another of the object's, or OUTER=TYPE:KEY:VALUE:ENTRIES, sizes in bytes; may be repeated")
	f.StringArrayVarP(&in.Captures, "capture", "c", nil, "capture `FILE`: pcap or pcapng, packed or not; glob, - for stdin, sample:NAME; may be repeated")
	f.StringVar(&in.Filter, "filter", "", "only packets that match `EXPR` (tcpdump's words)")
	f.Uint64Var(&in.Limit, "limit", 0, "stop after `N` packets; 0: all")
	f.IntVar(&in.Loop, "loop", 1, "read the captures `N` times")
	f.StringVar(&in.LinkType, "linktype", pcaps.LinkEthernet, "packets without an Ethernet header: `HOW`: ethernet puts one in front, skip leaves them out")
	f.BoolVar(&in.PadCut, "pad-cut", false, "fill packets that the capture cut up to their length on the wire with zeros")
	f.BoolVar(&in.Strip, "strip-vlan", false, "take the outer VLAN tag off, as a NIC with rxvlan does, and tell it as XDP metadata")
	f.IntVar(&in.Jobs, "jobs", runtime.GOMAXPROCS(0), "threads: with 2 or more, captures are read and unpacked beside the run; no result depends on `N`")
	f.StringArrayVar(&in.Maps, "maps", nil, "map contents and timed updates: JSON `FILE`, or MAP=FILE of one map as bpftool map dump prints it; may be repeated; default: none, or the sample's own")
	f.StringVar(&in.FIB, "fib", "", "routing table for bpf_fib_lookup: `FILE`; default: empty")
	f.StringVar(&in.CT, "ct", "", "connections for bpf_xdp_ct_lookup: `FILE` as conntrack -L prints them; default: none")
	f.IntVar(&in.Queues, "queues", 1, "receive queues, one CPU each; flows are spread by RSS (Toeplitz)")
	f.Uint64Var(&in.Seed, "seed", 1, "seed of everything that is drawn")
	f.StringVar(&in.Engine, "engine", "auto", "what runs programs, traces and conditions: `NAME`: auto, native (machine code), go; no result depends on it")
	f.BoolVar(&in.PerfMap, "perf-map", false, "name machine code for perf, in /tmp/perf-PID.map, which stays there for perf report")
}

// CacheFlags adds the flags of the trace cache to a command.
func CacheFlags(ca *replay.Cache, c *cobra.Command) {
	before(c, func() error { return checkCache(ca, c.Flags()) })
	f := c.Flags()
	f.StringVar(&ca.Policy, "policy", "lru", "eviction policy `NAME`: "+strings.Join(append(policy.Names(), policy.OfflineNames()...), ", "))
	f.StringVar(&ca.Admission, "admission", "always", "admission `NAME`: "+strings.Join(cache.AdmissionNames(), ", ")+", with other numbers behind the stroke too")
	f.Uint64Var(&ca.Entries, "entries", 0, "size of the trace cache in traces; default 64")
	f.Uint64Var(&ca.Slots, "slots", 0, "size of the trace cache in instruction slots instead")
	f.Uint32Var(&ca.HotThreshold, "hot", 1, "install a path when it misses for the `N`th time")
	f.Uint64Var(&ca.InstallDelay, "install-delay", 0, "an install takes `N` packets; packets of its path miss meanwhile")
	RemedyFlags(&ca.Remedies, f)
}

// OptimiserFlags adds the flags of the traces' optimiser to a command.
func OptimiserFlags(o *replay.Optimiser, c *cobra.Command) {
	before(c, func() error {
		o.Say = Say(c)
		for _, name := range []string{"layers", "proposals", "rules", "cost", "latency", "cost-nic", "tier2-after", "memo", "memo-check", "solver-memory"} {
			switch {
			case !c.Flags().Changed(name):
			case !o.On:
				return fmt.Errorf("--%s: goes with --superopt", name)
			case name == "solver-memory" && o.Solver < 1:
				return fmt.Errorf("--solver-memory %d: want 1 or more", o.Solver)
			case name == "cost-nic" && o.Cost != "nic":
				return errors.New("--cost-nic: goes with --cost nic")
			}
		}
		return nil
	})
	f := c.Flags()
	f.Var(o, "superopt", "optimise each trace under its path condition, proved, before it is first installed; `TIER` 1: what terms prove in a millisecond or two, 2: and a search, all: every layer, in seconds; bare: 1, and 2 for what is hot")
	f.Lookup("superopt").NoOptDefVal = "true"
	f.Uint64Var(&o.Tier2After, "tier2-after", replay.DefaultTier2After, "superopt: a trace is hot, and searched, after `N` hits")
	f.StringVar(&o.Layers, "layers", "", "superopt: `LETTERS` of the layers to run: p passes, r rules, e enumeration, s search; default all")
	f.IntVar(&o.Proposals, "proposals", 0, "superopt: budget of the stochastic search for each window; 0: the default")
	f.StringVar(&o.Rules, "rules", "", "superopt: a store of rewrite rules: used where `FILE` is there, and what is found goes to its end")
	MemoFlags(f, &o.Memo, &o.MemoCheck, "superopt: ")
	SolverFlag(f, &o.Solver, "superopt: ")
	f.StringVar(&o.Cost, "cost", "", "superopt: `NAME` of the cost: count, count-no-atomics, latency, nic (cycles on --cost-nic)")
	f.StringVar(&o.Latency, "latency", "", "superopt: the table of --cost latency: calibrate.json `FILE` of jitnic calibrate; default a cited one")
	f.StringVar(&o.NIC, "cost-nic", "hxdp", "superopt: the device whose cycles --cost nic counts: a built-in profile, or a `FILE`")
}

// MemoFlags adds the flags of the file in which answers of the optimiser are kept.
func MemoFlags(f *pflag.FlagSet, file *string, check *bool, of string) {
	f.StringVar(file, "memo", "", of+"keep what was found and proved in `FILE`, and take it from there in the next run; no result depends on it")
	f.BoolVar(check, "memo-check", false, of+"find all that --memo keeps anew first, and fail at the first that differs")
}

// SolverFlag adds the flag of how much memory the solver may take.
func SolverFlag(f *pflag.FlagSet, megabytes *int, of string) {
	f.IntVar(megabytes, "solver-memory", superopt.DefaultSolverMemory, of+"`MB` of memory that the solver takes at most; a question for which it wants more stays open, and is counted")
}

// Say is where lines go that are no error and no part of a report: to the standard
// error output, unless it is to be quiet.
func Say(c *cobra.Command) func(line string) {
	return func(line string) {
		if q, err := c.Flags().GetBool("quiet"); err == nil && q {
			return
		}
		fmt.Fprintf(c.ErrOrStderr(), "jitnic: %s\n", line)
	}
}

// programs are those that --program names.
type programs []string

func (p *programs) String() string              { return strings.Join(*p, ",") }
func (p *programs) Set(s string) error          { return p.Append(s) }
func (p *programs) Type() string                { return "string" }
func (p *programs) GetSlice() []string          { return *p }
func (p *programs) Replace(list []string) error { *p = list; return nil }
func (p *programs) Append(s string) error       { *p = append(*p, s); return nil }

// Flag says of a setting that is refused that it is a flag here.
func Flag(err error) error {
	if s, ok := err.(*replay.SettingError); ok { // wrapped, another place stands first
		return fmt.Errorf("--%w", s)
	}
	return err
}

// before has a command check its flags before it runs.
func before(c *cobra.Command, check func() error) {
	first := c.PreRunE
	c.PreRunE = func(c *cobra.Command, args []string) error {
		if first != nil {
			if err := first(c, args); err != nil {
				return err
			}
		}
		return check()
	}
}

// checkInput refuses what replay.Input takes for its default.
func checkInput(in *replay.Input) error {
	switch {
	case in.Queues < 1:
		return fmt.Errorf("--queues %d: want 1 to %d", in.Queues, replay.MaxQueues)
	case in.Jobs < 1:
		return fmt.Errorf("--jobs %d: want 1 or more", in.Jobs)
	case in.Loop < 1:
		return fmt.Errorf("--loop %d: want 1 or more", in.Loop)
	}
	return nil
}

// checkCache refuses impossible flags, and puts in the default size.
func checkCache(ca *replay.Cache, f *pflag.FlagSet) error {
	switch {
	case ca.Entries > 0 && ca.Slots > 0:
		return fmt.Errorf("--entries and --slots: give one of them")
	case ca.Entries == 0 && f.Changed("entries"):
		return fmt.Errorf("--entries 0: want 1 or more")
	case ca.HotThreshold == 0:
		return fmt.Errorf("--hot 0: want 1 or more")
	case ca.Slots == 0 && f.Changed("slots"):
		return fmt.Errorf("--slots 0: want 1 or more")
	case ca.Entries == 0 && ca.Slots == 0:
		ca.Entries = 64
	}
	return nil
}
