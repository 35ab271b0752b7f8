package feasibilitycmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"jitnic/cache"
	"jitnic/cache/policy"
	"jitnic/cmd/internal/report"
	"jitnic/cmd/internal/session"
	"jitnic/host/run/jit"
	"jitnic/host/run/offload"
	"jitnic/host/run/replay"
	"jitnic/nic/device"
	"jitnic/nic/device/load"
	"jitnic/nic/feasibility"
	"jitnic/nic/profile"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// options are the command's flags.
type options struct {
	in        replay.Input
	programs  []string
	opt       replay.Optimiser
	nics      []string
	host      string
	set       []string
	rate      string
	arrivals  string
	packets   int
	ordered   bool
	remote    bool
	how       jit.Remedies
	designs   bool
	quick     bool
	policy    string
	admission string
	entries   uint64
	slots     uint64
	hot       uint32
	workers   int
	to        report.Outputs
}

// Command is `jitnic feasibility`.
func Command() *cobra.Command {
	o := options{to: report.Outputs{Name: "study.json"}}
	c := &cobra.Command{
		Use:   "feasibility --program FILE.o --capture FILE.pcap --nic NAME --rate 10Mpps --out FOLDER",
		Short: "Whether offloading the program to a NIC pays: times, limits and costs, each with its source",
		Long: "Feasibility puts times and prices on the hits and misses of a program's run over a capture, and says whether an\n" +
			"offload pays. Without --capture it tells of the program alone what fits which device: every instruction, helper,\n" +
			"map and size that doesn't, and on which share of its paths. --nic list tells the devices.",
		Args: func(c *cobra.Command, args []string) error {
			if len(o.programs) > 0 { // --programs a.o b.o
				return nil
			}
			return cobra.NoArgs(c, args)
		},
		RunE: func(c *cobra.Command, args []string) error {
			if len(o.programs) > 0 {
				o.programs, args = append(o.programs, args...), nil
			}
			if err := o.check(c.Flags()); err != nil {
				return err
			}
			if err := o.to.Check(c, args); err != nil {
				return err
			}
			if len(o.nics) == 1 && o.nics[0] == "list" {
				return o.list(c.OutOrStdout())
			}
			if len(o.programs) > 0 {
				if err := besideFlags(c.Flags()); err != nil {
					return err
				}
				if o.how.Segments != 0 {
					return errors.New("--segments: not with --programs: several programs share a device with whole paths alone")
				}
				return o.beside(c.Context(), c.OutOrStdout())
			}
			if o.in.Program == "" {
				return errors.New("--program: name an object file, sample:NAME or filter:EXPR")
			}
			if len(o.in.Captures) == 0 {
				if err := aloneFlags(c.Flags()); err != nil {
					return err
				}
				return o.alone(c.Context(), c.OutOrStdout())
			}
			return o.run(c.Context(), c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	session.InputFlags(&o.in, c)
	f := c.Flags()
	f.StringSliceVar(&o.programs, "programs", nil, "several on one device: `A.o B.o …`, sharing its cache, slots and maps")
	f.StringSliceVar(&o.nics, "nic", []string{"hxdp"}, "`LIST` of devices: "+strings.Join(profile.Names(), ", ")+", files in their form, all, or list, which tells them and what Linux' drivers offload")
	f.StringVar(&o.host, "host", "paper", "the host: "+strings.Join(profile.HostNames(), ", ")+", or a `FILE` as jitnic calibrate writes it")
	f.StringArrayVar(&o.set, "set", nil, "`KEY=VALUE`: set a parameter of the device, or of the host (host.KEY); may be repeated")
	f.StringVar(&o.rate, "rate", "10Mpps", "offered load: `RATE` as 10Mpps, 40Gbps, 40Gbps@64 (frames of 64 bytes) or line, or 1M..50M for load curves (the verdict is at the highest)")
	f.StringVar(&o.arrivals, "arrivals", "constant", "gaps between packets: "+strings.Join(device.ArrivalNames(), ", "))
	f.IntVar(&o.packets, "packets", 0, "packets of a run, the capture repeated; default the capture, 100 000 at least")
	f.BoolVar(&o.ordered, "ordered", false, "packets of a flow leave in the order they came in")
	f.BoolVar(&o.remote, "remote", false, "the host's memory is on the other socket: pcie.numa is added")
	session.RemedyFlags(&o.how, f)
	f.BoolVar(&o.designs, "compare-designs", false, "compare with interpretation on the NIC, a static prefix, and flow and megaflow caches")
	f.BoolVar(&o.quick, "quick", false, "leave out load curves, throughput search and sensitivity")
	f.StringVar(&o.policy, "policy", "lru", "eviction policy `NAME`: "+strings.Join(append(policy.Names(), policy.OfflineNames()...), ", "))
	f.StringVar(&o.admission, "admission", "always", "admission `NAME`: "+strings.Join(cache.AdmissionNames(), ", "))
	f.Uint64Var(&o.entries, "entries", 0, "size of the trace cache in traces; default what the device holds")
	f.Uint64Var(&o.slots, "slots", 0, "size of the trace cache in instruction slots instead")
	f.Uint32Var(&o.hot, "hot", 1, "install a path when it misses for the `N`th time")
	f.IntVar(&o.workers, "workers", 0, "runs made side by side: `N`; default one a CPU. Changes no result")
	session.OptimiserFlags(&o.opt, c)
	f.StringVarP(&o.to.Dir, "out", "o", "", "`FOLDER` for report.html, study.json and the plots")
	f.StringVar(&o.to.CSV, "csv", "", "write a row for each run as CSV to `FILE` (- for stdout)")
	f.StringVar(&o.to.JSON, "json", "", "write the study as JSON to `FILE` (- for stdout)")
	c.AddCommand(validateCommand())
	return c
}

// check refuses what can't be before anything is opened.
func (o *options) check(given *pflag.FlagSet) error {
	switch {
	case o.entries > 0 && o.slots > 0:
		return fmt.Errorf("--entries and --slots: give one of them")
	case o.entries == 0 && given.Changed("entries"):
		return fmt.Errorf("--entries 0: want 1 or more")
	case o.slots == 0 && given.Changed("slots"):
		return fmt.Errorf("--slots 0: want 1 or more")
	case o.hot == 0:
		return fmt.Errorf("--hot 0: want 1 or more")
	case given.Changed("packets") && (o.packets < 1 || int64(o.packets) > math.MaxUint32-1):
		return fmt.Errorf("--packets %d: want 1 to %d", o.packets, math.MaxUint32-1)
	case o.workers < 0:
		return fmt.Errorf("--workers %d: want 0 or more", o.workers)
	case !slices.Contains(device.ArrivalNames(), o.arrivals):
		return fmt.Errorf("--arrivals %q: not one of %s", o.arrivals, strings.Join(device.ArrivalNames(), ", "))
	}
	_, err := cache.NewTraceCache(cache.Config{Policy: o.policy, Admission: o.admission, Entries: 1, HotThreshold: o.hot})
	return err
}

// devices loads the profiles, with what --set changes.
func (o *options) devices() ([]*profile.NIC, *profile.Host, error) {
	names := o.nics
	if len(names) == 1 && names[0] == "all" {
		names = profile.Names()
	}
	host, err := profile.LoadHost(o.host)
	if err != nil {
		return nil, nil, fmt.Errorf("--host: %w", err)
	}
	var nics []*profile.NIC
	seen := map[string]bool{}
	for _, name := range names {
		n, err := profile.Load(name)
		if err != nil {
			return nil, nil, fmt.Errorf("--nic: %w", err)
		}
		if seen[n.Name] {
			return nil, nil, fmt.Errorf("--nic: %s twice", n.Name)
		}
		seen[n.Name] = true
		nics = append(nics, n)
	}
	for _, kv := range o.set {
		key, value, ok := strings.Cut(kv, "=")
		if !ok {
			return nil, nil, fmt.Errorf("--set %q: want KEY=VALUE", kv)
		}
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		if hostKey, ok := strings.CutPrefix(key, "host."); ok {
			if err := host.Set(hostKey, value); err != nil {
				return nil, nil, fmt.Errorf("--set: %w", err)
			}
			continue
		}
		for _, n := range nics {
			if err := n.Set(key, value); err != nil {
				return nil, nil, fmt.Errorf("--set: %w", err)
			}
		}
	}
	return nics, host, nil
}

func (o *options) run(ctx context.Context, stdout, stderr io.Writer) error {
	if _, err := (load.Wire{Frame: 1000, Line: 1}).Rates(o.rate); err != nil && !strings.Contains(o.rate, "line") { // before the capture is read
		return fmt.Errorf("--rate: %w", err)
	}
	nics, host, err := o.devices()
	if err != nil {
		return err
	}
	fo := o.studyOptions()
	var caches []cache.Config // that say where paths are cut
	if o.entries > 0 || o.slots > 0 {
		caches = []cache.Config{fo.Cache}
	}
	run, err := offload.Observe(ctx, o.in, offload.Options{Remedies: o.how, Optimiser: &o.opt, Packets: o.packets, Caches: caches}, nics...)
	if err != nil {
		return err
	}
	defer run.Close()
	if !o.quick {
		fo.Throughput, fo.Sensitivity, fo.Seeds = true, true, seeds
	}
	bar := session.NewBar(stderr, "")
	defer bar.End()
	fo.Progress = func(what string, done, total int) { bar.Step(what, int64(done), int64(total)) }
	r := &Report{notes: run.Session.Source.Notes(), Superopt: run.Superopt, Segments: session.CutOf(run.Session)}
	for _, n := range nics {
		rates, err := feasibility.Wire(run.Workload, n).Rates(o.rate)
		if err != nil {
			return fmt.Errorf("--rate, on %s: %w", n.Name, err)
		}
		fo.Rate, fo.Rates = rates[len(rates)-1], nil
		if !o.quick {
			if fo.Rates = rates; len(rates) == 1 {
				fo.Rates = around(rates[0])
			}
		}
		study, err := run.Study(ctx, n, host, fo)
		if err != nil {
			return err
		}
		study.Capture = strings.Join(report.Names(o.in.Captures), ", ")
		r.Studies = append(r.Studies, study)
		r.Partial = r.Partial || study.Partial || run.Session.Partial
		if ctx.Err() != nil {
			r.Partial = true
			break
		}
	}
	bar.End()
	return o.write(r, stdout)
}

// studyOptions are those of a study, but for its rates.
func (o *options) studyOptions() feasibility.Options {
	return feasibility.Options{
		Cache:    cache.Config{Policy: o.policy, Admission: o.admission, Entries: o.entries, Slots: o.slots, HotThreshold: o.hot, Seed: o.in.Seed},
		Arrivals: device.Arrivals(o.arrivals), Packets: o.packets, Ordered: o.ordered, Remote: o.remote,
		Seed: o.in.Seed, Memory: true, Designs: o.designs, Workers: o.workers,
	}
}

// besideFlags refuses what --programs doesn't go with.
func besideFlags(given *pflag.FlagSet) error {
	for _, name := range []string{"program", "compare-designs", "quick"} {
		if given.Changed(name) {
			return fmt.Errorf("--%s: not with --programs", name)
		}
	}
	return nil
}

// seeds is how many runs more are made of what the verdict compares.
const seeds = 5

// around are the rates of the load curves where one rate is given: from a
// tenth of it to five times as much.
func around(rate uint64) []uint64 {
	var out []uint64
	for _, m := range []uint64{10, 20, 35, 50, 70, 100, 140, 200, 350, 500} {
		out = append(out, max(rate*m/100, 1))
	}
	return out
}
