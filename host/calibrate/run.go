package calibrate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"jitnic/host/kernel"

	"golang.org/x/sys/unix"
)

// Options say what is measured, and for how long.
type Options struct {
	Rounds int           // of each series; 0: 31
	Round  time.Duration // of one program; 0: 1 ms
	Sizes  []int         // of maps, in entries; nil: 100, 1 K, 10 K, 100 K
	// Steps are the names of those to run; nil: all.
	Steps []string
	// Realtime asks for SCHED_FIFO while kernel code is timed, so that nothing
	// else runs on that CPU meanwhile.
	Realtime bool
	CPU      int // to pin to; -1: the first allowed one
	// Progress is called before each step, and within long ones.
	Progress func(done, all int, what string)
	Seed     uint64 // of the keys
	// Optimise, where set, is timed on up to OptimisePaths paths of each
	// sample program (0: 1).
	Optimise      Optimiser
	OptimisePaths int
	OptimiseNote  string // how it is set
	// Tiered, where set, is timed by unit of its work: tier 2 on up to OptimisePaths
	// paths of each sample program, one at least.
	Tiered Tiered
}

// Quick are options that take seconds.
func Quick() Options {
	return Options{Rounds: 9, Round: 300 * time.Microsecond, Sizes: []int{100, 100_000}, CPU: -1}
}

// A step measures one group of figures.
type step struct {
	name string
	does string
	run  func(b *bench) error
	own  bool // times our own code, not the kernel's: as it runs anywhere, without SCHED_FIFO
}

// steps in the order they are run and told.
var steps = []step{
	{"floor", "empty programs", floor, false},
	{"insn", "instructions", insns, false},
	{"packet", "packet sizes", packets, false},
	{"call", "tail calls, calls and helpers", calls, false},
	{"atomic", "atomics", atomics, false},
	{"type", "types of maps side by side", mapTypes, false},
	{"map", "map accesses", mapAccess, false},
	{"change", "inserts and deletes", mapChange, false},
	{"output", "queues and ring buffers", outputs, false},
	{"xdp", "helpers of XDP", xdpHelpers, false},
	{"user", "maps through bpf(2)", userSpace, false},
	{"live", "live frames", live, false},
	{"program", "sample programs", wholePrograms, false},
	{"compile", "recording and compiling", compiles, true},
	{"optimise", "superoptimizing", optimises, true},
	{"tier", "units of the optimiser's work", tiers, true},
}

// Steps are the names of the steps.
func Steps() []string {
	var names []string
	for _, s := range steps {
		names = append(names, s.name)
	}
	return names
}

// Run measures. Where ctx ends early, the study holds what was measured until
// then, and Partial is set.
func Run(ctx context.Context, opt Options) (*Study, error) {
	if err := kernel.Available(); err != nil {
		return nil, fmt.Errorf("calibrate: needs root, or CAP_BPF and CAP_NET_ADMIN: %w", err)
	}
	if opt.Rounds == 0 {
		opt.Rounds = 31
	}
	if opt.Round == 0 {
		opt.Round = time.Millisecond
	}
	if opt.Sizes == nil {
		opt.Sizes = []int{100, 1_000, 10_000, 100_000}
	}
	if opt.CPU < 0 {
		var err error
		if opt.CPU, err = kernel.CPU(); err != nil {
			return nil, err
		}
	}
	todo, err := choose(opt.Steps)
	if err != nil {
		return nil, err
	}
	b := &bench{meter: meter{ctx: ctx, rounds: opt.Rounds, round: opt.Round, packet: make([]byte, 64)}, opt: opt, study: &Study{Machine: machine(opt.CPU), Steps: []string{}, Figures: []Figure{}}}
	s := b.study
	s.Planned = len(todo)
	s.Rounds, s.RoundMS = opt.Rounds, float64(opt.Round)/1e6
	began := time.Now()
	defer func() { s.Seconds = time.Since(began).Seconds() }()
	err = kernel.Isolated(opt.CPU, func() error {
		for i, t := range todo {
			b.progress = func(what string) {
				if opt.Progress != nil {
					opt.Progress(i, len(todo), what)
				}
			}
			b.progress(t.does)
			if opt.Realtime { // the thread ends with this function: nothing to undo
				s.Realtime = realtime(!t.own) || s.Realtime
			}
			err := t.run(b)
			b.close()
			if err != nil && ctx.Err() != nil {
				return ctx.Err()
			}
			if err != nil {
				return fmt.Errorf("calibrate %s: %w", t.name, err)
			}
			s.Steps = append(s.Steps, t.name)
		}
		return nil
	})
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		s.Partial = true
		return s, nil
	}
	return s, err
}

// CheckSteps says which of the names is no step.
func CheckSteps(names []string) error {
	_, err := choose(names)
	return err
}

func choose(names []string) ([]step, error) {
	if names == nil {
		return steps, nil
	}
	want := map[string]bool{}
	for _, n := range names {
		want[n] = true
	}
	var out []step
	for _, s := range steps {
		if want[s.name] {
			out = append(out, s)
			delete(want, s.name)
		}
	}
	for _, n := range names {
		if want[n] {
			return nil, fmt.Errorf("step %q: not one of %v", n, Steps())
		}
	}
	return out, nil
}

// realtime gives the calling thread a real-time policy, or the ordinary one,
// and says whether it has the former.
func realtime(on bool) bool {
	a := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_NORMAL}
	if on {
		a.Policy, a.Priority = unix.SCHED_FIFO, 1
	}
	return unix.SchedSetAttr(0, &a, 0) == nil && on
}
