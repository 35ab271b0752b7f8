package calibratecmd

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"jitnic/cmd/internal/latency"
	"jitnic/cmd/internal/report"
	"jitnic/cmd/internal/session"
	"jitnic/host/calibrate"
	"jitnic/nic/profile"
	"jitnic/pathcond"
	"jitnic/superopt"
	"jitnic/trace"

	"github.com/spf13/cobra"
)

// options are the flags as they were given.
type options struct {
	quick    bool
	steps    string
	rounds   int
	cpu      int
	share    bool
	base     string
	seed     uint64
	optimise int

	profile string
	to      report.Outputs
}

// Command is `jitnic calibrate`.
func Command() *cobra.Command {
	o := options{to: report.Outputs{Name: "calibrate.json"}}
	c := &cobra.Command{
		Use:   "calibrate --out FOLDER",
		Short: "Measure what eBPF costs on this machine, with the kernel's BPF_PROG_TEST_RUN, for the device model",
		Long: `Measures the host's side on this machine: empty programs, instructions, packet
sizes, calls, helpers, atomics, map operations by type, size and popularity of
keys, maps through bpf(2), the sample programs, and jitnic's own compiler. It
needs root, or CAP_BPF and CAP_NET_ADMIN, takes one to two minutes (--quick:
seconds), and keeps one CPU busy meanwhile.

Steps: ` + strings.Join(calibrate.Steps(), ", ") + ".",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, args []string) error {
			o.to.Other = []report.Output{{Flag: "--profile", Path: o.profile}}
			if err := o.to.Check(c, args); err != nil {
				return err
			}
			return o.run(c.Context(), c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	f := c.Flags()
	f.BoolVar(&o.quick, "quick", false, "fewer rounds and sizes: seconds instead of minutes")
	f.StringVar(&o.steps, "steps", "", "measure only these: `LIST`")
	f.IntVar(&o.rounds, "rounds", 0, "rounds of each measurement: `N`; 0: 31, or 9 with --quick")
	f.IntVar(&o.cpu, "cpu", -1, "measure on CPU `N`; -1: the first one allowed")
	f.BoolVar(&o.share, "share", false, "let others run on that CPU too: no SCHED_FIFO")
	f.IntVar(&o.optimise, "optimise-paths", -1, "superoptimize up to `N` paths of each sample program, to time it; -1: 1, or with --quick none")
	f.StringVar(&o.base, "base", "paper", "host profile to take from what can't be measured: a `NAME` or file")
	f.Uint64Var(&o.seed, "seed", 0, "seed `N` of the keys and packets")
	f.StringVarP(&o.to.Dir, "out", "o", "", "`FOLDER` for report.html, this.host, calibrate.json and the plots")
	f.StringVar(&o.to.CSV, "csv", "", "write a row for each figure as CSV to `FILE` (- for stdout)")
	f.StringVar(&o.to.JSON, "json", "", "write all measurements as JSON to `FILE` (- for stdout)")
	f.StringVar(&o.profile, "profile", "", "write only the host profile, to `FILE` (- for stdout)")
	return c
}

func (o *options) run(ctx context.Context, stdout, stderr io.Writer) error {
	// What can't be is said before anything is measured.
	opt, err := o.calibration()
	if err != nil {
		return err
	}
	base, err := profile.LoadHost(o.base)
	if err != nil {
		return fmt.Errorf("--base: %w", err)
	}
	bar := session.NewBar(stderr, "")
	opt.Progress = func(done, all int, what string) { bar.Step(what, int64(done), int64(all)) }
	s, err := calibrate.Run(ctx, *opt)
	bar.End()
	if err != nil {
		return err
	}
	r, err := newReport(s, base)
	if err != nil {
		return err
	}
	o.to.Other[0].Write, o.to.More = r.writeProfile, []report.File{{Name: "this.host", Write: r.writeProfile}}
	if err := o.to.Write(stdout, r.document()); err != nil {
		return err
	}
	if s.Partial {
		return fmt.Errorf("interrupted: %d of %d steps are whole, marked as partial", len(s.Steps), s.Planned)
	}
	return nil
}

// layers of the optimiser that are timed: all but the stochastic search, which
// takes what its budget says.
const layers = "pre"

// calibration reads the flags that say what is measured.
func (o *options) calibration() (*calibrate.Options, error) {
	opt := &calibrate.Options{}
	if o.quick {
		*opt = calibrate.Quick()
	}
	switch {
	case o.rounds < 0 || o.rounds > 10_000:
		return nil, fmt.Errorf("--rounds %d: want 1 to 10000, or 0", o.rounds)
	case o.rounds > 0:
		opt.Rounds = o.rounds
	}
	if o.cpu < -1 {
		return nil, fmt.Errorf("--cpu %d: want a CPU's number, or -1", o.cpu)
	}
	switch {
	case o.optimise < -1:
		return nil, fmt.Errorf("--optimise-paths %d: want 0 or more, or -1", o.optimise)
	case o.optimise == -1 && o.quick:
		o.optimise = 0
	case o.optimise == -1:
		o.optimise = 1
	}
	opt.CPU, opt.Realtime, opt.Seed = o.cpu, !o.share, o.seed
	if o.steps != "" {
		for _, s := range strings.Split(o.steps, ",") {
			opt.Steps = append(opt.Steps, strings.TrimSpace(s))
		}
		if err := calibrate.CheckSteps(opt.Steps); err != nil {
			return nil, fmt.Errorf("--steps: %w", err)
		}
	}
	if o.optimise > 0 {
		opt.OptimisePaths, opt.OptimiseNote = o.optimise, "all layers but the stochastic search"
		opt.Optimise = func(ctx context.Context, p *pathcond.Path, c *pathcond.Compiler) (*trace.Trace, error) {
			t, _, err := superopt.OptimizeTrace(ctx, p, c, &superopt.Options{Seed: o.seed, Layers: layers, Workers: 1}, false)
			return t, err
		}
	}
	opt.Tiered = func(ctx context.Context, p *pathcond.Path, c *pathcond.Compiler, tier int) (uint64, error) {
		_, r, err := superopt.OptimizeTrace(ctx, p, c, &superopt.Options{Seed: o.seed, Tier: tier, Workers: 1}, false)
		if err != nil {
			return 0, err
		}
		return r.Units(), nil
	}
	if o.profile != "" && o.to.Dir != "" {
		return nil, fmt.Errorf("--profile: writes nothing else; --out has the profile too")
	}
	return opt, nil
}

// Report is what is told of a calibration.
type Report struct {
	*calibrate.Study
	Comparisons []calibrate.Comparison `json:"comparisons"`
	Checks      []calibrate.Check      `json:"checks"`
	Latency     superopt.Latency       `json:"latency"` // ns, for the optimiser's cost
	Profile     string                 `json:"profile"` // the host profile's text

	host *profile.Host
}

func newReport(s *calibrate.Study, base *profile.Host) (*Report, error) {
	h, err := s.Profile(base)
	if err != nil {
		return nil, err
	}
	return &Report{Study: s, Comparisons: s.Compare(), Checks: s.Checks(), Latency: latency.Study(s), Profile: h.Format(), host: h}, nil
}

func (r *Report) writeProfile(w io.Writer) error {
	_, err := io.WriteString(w, r.Profile)
	return err
}

// seconds is how long the calibration took.
func (r *Report) seconds() string {
	return time.Duration(r.Seconds * float64(time.Second)).Round(100 * time.Millisecond).String()
}
