package superoptcmd

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"jitnic/cmd/internal/report"
	"jitnic/cmd/internal/session"
	"jitnic/host/run/replay"
	"jitnic/superopt"

	"github.com/spf13/cobra"
)

// flags are what the verb and its two sub-verbs share.
type flags struct {
	cost      string
	costNIC   string
	nic       *replay.NICCost // of --cost nic
	latency   string
	seed      uint64
	proposals int
	rlimit    uint32
	layers    string
	effort    int
	rules     string
	workers   int
	solver    int
	to        report.Outputs
}

// add defines the flags; cost is the default of --cost, "" one that depends on
// the file.
func (f *flags) add(c *cobra.Command, cost string) {
	fs := c.Flags()
	what := "what to make small: balanced (slots, but nothing slower by the table), count (slots), count-no-atomics, latency (nanoseconds), nic (cycles on --cost-nic)"
	if cost == "" {
		what += "; default balanced for objects, count for K2's formats"
	}
	fs.StringVar(&f.cost, "cost", cost, what)
	fs.StringVar(&f.costNIC, "cost-nic", "hxdp", "the device whose cycles --cost nic counts: a built-in profile, or a `FILE`")
	fs.StringVar(&f.latency, "latency", "", "the table of --cost latency and of the times shown: calibrate.json `FILE` of jitnic calibrate; default a cited one")
	fs.Uint64Var(&f.seed, "seed", 1, "seed of the stochastic search and the tests")
	fs.IntVar(&f.proposals, "proposals", 0, "proposals of the stochastic search for each window; 0: the default, below 0: none")
	fs.Uint32Var(&f.rlimit, "rlimit", 0, "solver resources for one proof; 0: the default")
	fs.StringVar(&f.layers, "layers", "", "letters of the layers to run: p dataflow passes, r rules, e enumeration, s stochastic search; empty: all")
	fs.IntVar(&f.effort, "effort", superopt.DefaultEffort, fmt.Sprintf("how much is tried, 1 to %d: 1 passes and rules, 2 enumeration too, from 3 on the stochastic search with more and more proposals; --layers and --proposals have the last word", superopt.MaxEffort))
	fs.StringVar(&f.rules, "rules", "", "a store of rewrite rules beside the built-in ones: used where `FILE` is there, and what is found goes to its end")
	fs.IntVar(&f.workers, "workers", 0, "chains that run at once; 0: as many as there are processors (the result is the same)")
	session.SolverFlag(fs, &f.solver, "")
	f.to.Flags(c, "report")
}

func (f *flags) options() (*superopt.Options, error) {
	if names := append(superopt.CostNames(), "nic"); f.cost != "" && !slices.Contains(names, f.cost) {
		slices.Sort(names)
		return nil, fmt.Errorf("--cost %s: not one of %s", f.cost, strings.Join(names, ", "))
	}
	for _, l := range f.layers {
		if !strings.ContainsRune("pres", l) {
			return nil, fmt.Errorf("--layers %s: %q is not one of p, r, e, s", f.layers, l)
		}
	}
	if f.workers < 0 {
		return nil, fmt.Errorf("--workers %d: want 0 or more", f.workers)
	}
	if f.solver < 1 {
		return nil, fmt.Errorf("--solver-memory %d: want 1 or more", f.solver)
	}
	superopt.LimitSolver(f.solver)
	if f.effort < 1 || f.effort > superopt.MaxEffort {
		return nil, fmt.Errorf("--effort %d: want 1 to %d", f.effort, superopt.MaxEffort)
	}
	o := &superopt.Options{Cost: f.cost, Seed: f.seed, Proposals: f.proposals, RLimit: f.rlimit, Layers: f.layers, Workers: f.workers}
	e := superopt.EffortOf(f.effort)
	if o.Layers == "" {
		o.Layers = e.Layers
	}
	if o.Proposals == 0 {
		o.Proposals = e.Proposals
	}
	var err error
	if f.cost == "nic" {
		if f.nic, err = replay.NewNICCost(f.costNIC); err != nil {
			return nil, fmt.Errorf("--cost-nic: %w", err)
		}
		o.CostFunc, o.CostName = f.nic.Cost, f.nic.Key
	}
	if o.Table, err = replay.LatencyTable(f.latency); err != nil {
		return nil, session.Flag(err)
	}
	o.Store, err = openStore(f.rules)
	return o, err
}

// Report is what --json writes: sums over the programs of the file, then each
// program. Counts are slots, a wide load two.
type Report struct {
	File        string           `json:"file"`
	Out         string           `json:"out,omitempty"`
	OutTop      []string         `json:"out_top,omitempty"` // files of the results behind the best, in order
	Cost        string           `json:"cost"`
	Seed        uint64           `json:"seed"`
	Before      int              `json:"before"`
	After       int              `json:"after"`
	CostBefore  float64          `json:"cost_before"`
	CostAfter   float64          `json:"cost_after"`
	LatBefore   float64          `json:"latency_before_ns"`
	LatAfter    float64          `json:"latency_after_ns"`
	NIC         string           `json:"nic,omitempty"` // with --cost nic: the device, and the cycles on it
	CycBefore   int              `json:"cycles_before,omitempty"`
	CycAfter    int              `json:"cycles_after,omitempty"`
	Proposals   int64            `json:"proposals"`
	PerSecond   float64          `json:"proposals_per_s"`
	Seconds     float64          `json:"seconds"`
	Proved      int              `json:"proved"`
	Refuted     int              `json:"refuted"`
	Unknown     int              `json:"unknown"`
	Faults      int              `json:"solver_faults,omitempty"` // questions at which the solver failed, out of memory for one
	Rules       string           `json:"rules,omitempty"`         // --rules
	RuleHits    int              `json:"rule_hits"`               // rewrites that rules made
	RulesFound  int              `json:"rules_found"`             // added to --rules
	Kernel      *superopt.Kernel `json:"kernel"`
	Bytes       Bytes            `json:"bytes"`
	Interrupted bool             `json:"interrupted,omitempty"`
	// Irreproducible says why another run may give another result: --seconds.
	Irreproducible string     `json:"not_reproducible,omitempty"`
	Programs       []*Program `json:"programs"`
	answers        []answer   // of the kernel, by program
}

// Bytes are the sizes of the two files.
type Bytes struct {
	Before int `json:"before"`
	After  int `json:"after"`
}

// Program is one function's result.
type Program struct {
	*superopt.Result
	Name    string   `json:"name"`
	Section string   `json:"section,omitempty"`
	Skipped string   `json:"skipped,omitempty"` // why it was left as it is
	Steps   []string `json:"steps,omitempty"`   // rewrites taken, in order
	Code    []string `json:"code,omitempty"`    // the result, an instruction a line
	// Cycles on the device of --cost nic, straight through.
	CycBefore int `json:"cycles_before,omitempty"`
	CycAfter  int `json:"cycles_after,omitempty"`
}

// Command is `jitnic superopt`.
func Command() *cobra.Command {
	var f flags
	var out, entry, windows string
	var seconds float64
	var pad, inPlace bool
	kernel := kernelAuto
	var top int
	var keeps remembered
	c := &cobra.Command{
		Use:   "superopt FILE [-o OUT]",
		Short: "Make a program smaller or faster, each rewrite proved: .o, .k2, .bpf or .insns in, the same out",
		Long: `Superopt optimises every function of an eBPF object (.o), or the one program of a
.k2, .bpf or .insns file (with .maps and .desc beside it), and writes it back in
the format it came in. Each rewrite is proved equal by Z3 (Debian: libz3-4) or
by normal forms, and nothing the kernel's verifier would newly refuse is taken.

An interrupt keeps the best proved so far, writes it, and exits with 130.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			opt, err := f.options()
			if err != nil {
				return err
			}
			if opt.Windows, err = parseWindows(windows); err != nil {
				return err
			}
			if seconds < 0 {
				return fmt.Errorf("--seconds %g: want 0 or more", seconds)
			}
			if opt.Top = top; top < 1 {
				return fmt.Errorf("--top %d: want 1 or more", top)
			}
			flag := "--out"
			if inPlace {
				if out != "" {
					return errors.New("--in-place, --out: give one of them")
				}
				flag, out = report.InPlace, args[0]
			}
			f.to.Other = []report.Output{{Flag: flag, Path: out}}
			if err := f.to.Check(c, args); err != nil {
				return err
			}
			f.to.Other = nil
			in, err := open(args[0])
			if err != nil {
				return err
			}
			if f.cost == "" {
				f.cost = in.cost()
				opt.Cost = f.cost
			}
			if err := in.only(entry, len(opt.Windows) > 0); err != nil {
				return err
			}
			if err := keeps.open(c, opt); err != nil {
				return err
			}
			r, progs, err := run(c.Context(), in, opt, entry, time.Duration(seconds*float64(time.Second)), c.ErrOrStderr())
			keeps.close(c)
			if err != nil {
				return err
			}
			r.Cost, r.Rules = f.cost, report.Name(f.rules)
			r.cycles(f.nic)
			if err := keep(opt); err != nil {
				return pathError(f.rules, err)
			}
			data, err := in.write(progs, pad)
			if err != nil {
				return pathError(in.path, err)
			}
			r.Out, r.Bytes.After = report.Name(out), len(data)
			by, refused := kernel.ask(c.Context(), in, data, progs, f.seed)
			r.judge(by)
			var more []ranked
			if out != "" && out != "-" && refused == nil && top > 1 {
				if more, err = in.ranked(c.Context(), r, progs, out, pad, kernel, f.seed); err != nil {
					return err
				}
			}
			r.Interrupted = c.Context().Err() != nil // the kernel may have been at it
			if out != "" && refused == nil {
				if err := report.WriteFile(out, c.OutOrStdout(), func(w io.Writer) error { _, err := w.Write(data); return err }); err != nil {
					return err
				}
			}
			for _, m := range more {
				if err := report.WriteFile(m.path, c.OutOrStdout(), func(w io.Writer) error { _, err := w.Write(m.data); return err }); err != nil {
					return err
				}
				r.OutTop = append(r.OutTop, report.Name(m.path))
			}
			text := c.OutOrStdout()
			if out == "-" {
				text = c.ErrOrStderr()
			}
			if err := f.to.Write(text, r.document()); err != nil {
				return err
			}
			switch {
			case refused != nil:
				return refused
			case r.Interrupted:
				return fmt.Errorf("%s: interrupted; the best proved so far: %d -> %d", in.path, r.Before, r.After)
			}
			return nil
		},
	}
	f.add(c, "")
	fs := c.Flags()
	fs.StringVarP(&out, "out", "o", "", "write the optimised program to `FILE` (- for stdout)")
	fs.BoolVar(&inPlace, "in-place", false, "write the optimised program over FILE")
	fs.StringVar(&entry, "entry", "", "only this function of an object, by `NAME` or section")
	fs.StringVar(&windows, "windows", "", "slots to optimise, as `s:e,…` with e the last one, as K2's; empty: found automatically")
	fs.IntVar(&top, "top", 1, "the `K` best distinct results: in the report, and beside -o OUT.EXT as OUT.2.EXT, OUT.3.EXT, …")
	fs.Float64Var(&seconds, "seconds", 0, "stop looking after `N` seconds, cheap layers of all functions first, then where most was found for the work; marks the report as not reproducible; 0: no limit")
	session.MemoFlags(fs, &keeps.file, &keeps.check, "")
	fs.BoolVar(&pad, "pad", false, "keep every function's size, with goto +0")
	fs.Var(&kernel, "kernel", fmt.Sprintf("load original and result into the running kernel and compare them on %d packets: `auto` (where it can be), on (also times them, and fails where it can't be), off", kernelRuns))
	fs.Lookup("kernel").NoOptDefVal = "on"
	c.AddCommand(ladderCommand(), benchCommand(), rulesCommand())
	return c
}

// parseWindows reads s:e,…; K2's e is the last slot of the window.
func parseWindows(s string) ([][2]int, error) {
	if s == "" {
		return nil, nil
	}
	var ws [][2]int
	for _, w := range strings.Split(s, ",") {
		a, b, ok := strings.Cut(strings.TrimSpace(w), ":")
		from, err1 := strconv.Atoi(a)
		to, err2 := strconv.Atoi(b)
		if !ok || err1 != nil || err2 != nil || from < 0 || to < from {
			return nil, fmt.Errorf("--windows %q: want s:e, two slots with 0 <= s <= e", w)
		}
		ws = append(ws, [2]int{from, to + 1})
	}
	return ws, nil
}

// only checks --entry; windows are of one function.
func (in *input) only(entry string, windows bool) error {
	n := 0
	var names []string
	for _, u := range in.units {
		if u.is(entry) {
			n++
		}
		names = append(names, u.name)
	}
	switch {
	case n == 0:
		return fmt.Errorf("%s: no function %q; there are: %s", in.path, entry, strings.Join(names, ", "))
	case windows && n > 1:
		return fmt.Errorf("%s: --windows is of one function: name it with --entry; there are: %s", in.path, strings.Join(names, ", "))
	}
	return nil
}

// is says whether --entry asks for the unit; "" asks for all.
func (u *unit) is(entry string) bool {
	return entry == "" || u.name == entry || u.section == entry
}

// cycles says how long everything takes on the device of --cost nic.
func (r *Report) cycles(n *replay.NICCost) {
	if n == nil {
		return
	}
	r.NIC = n.Name
	for _, p := range r.Programs {
		if p.Result != nil {
			p.CycBefore, p.CycAfter = n.Cycles(p.Original), n.Cycles(p.Prog)
			r.CycBefore += p.CycBefore
			r.CycAfter += p.CycAfter
		}
	}
}

// step keeps the log's lines of rewrites that were taken; those that a memo kept
// come as they are.
func (p *Program) step(format string, args ...any) {
	if format == "%s" || strings.Contains(format, "accepted") {
		p.Steps = append(p.Steps, fmt.Sprintf(format, args...))
	}
}
