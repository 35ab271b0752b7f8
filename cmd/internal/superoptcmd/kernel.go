package superoptcmd

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"jitnic/cmd/internal/report"
	"jitnic/host/kernel/pair"
	"jitnic/superopt"
	"jitnic/superopt/kernelcheck"
)

// kernelRuns is how many packets the kernel compares the result on.
const kernelRuns = 2000

// kernelMode is --kernel: whether the running kernel is asked. auto asks where
// it can be asked; on insists.
type kernelMode string

// The modes.
const (
	kernelAuto kernelMode = "auto"
	kernelOn   kernelMode = "on"
	kernelOff  kernelMode = "off"
)

func (m *kernelMode) String() string { return string(*m) }

// Set takes the words, and those of a flag that is on or off.
func (m *kernelMode) Set(s string) error {
	switch s {
	case "auto":
		*m = kernelAuto
	case "on", "true", "1":
		*m = kernelOn
	case "off", "false", "0":
		*m = kernelOff
	default:
		return fmt.Errorf("want auto, on or off")
	}
	return nil
}

// Type is what a usage line calls it.
func (m *kernelMode) Type() string { return "auto|on|off" }

func (m kernelMode) options(seed uint64) pair.Options {
	return pair.Options{Runs: kernelRuns, Seed: seed, Time: m == kernelOn}
}

// ask asks the kernel about a file, and says why the file may not be written:
// the result is refused or differs, or, where the kernel is insisted on, could
// not be compared.
func (m kernelMode) ask(ctx context.Context, in *input, data []byte, progs []*superopt.Prog, seed uint64) (by map[string]pair.Outcome, refused error) {
	if m == kernelOff {
		return nil, nil
	}
	by = in.kernel(ctx, data, progs, m.options(seed))
	for _, name := range slices.Sorted(maps.Keys(by)) {
		switch o := by[name]; {
		case o.Bad():
			return by, fmt.Errorf("%s: %sthe kernel refuses the result or differs on it (%s): nothing is written", in.path, prefix(name), firstLine(o.Reason))
		case !o.Checked() && m == kernelOn && refused == nil:
			refused = fmt.Errorf("%s: %s%s: nothing is written (--kernel=auto does without)", in.path, prefix(name), firstLine(o.String()))
		}
	}
	return by, refused
}

func prefix(name string) string {
	if name == "" {
		return ""
	}
	return name + ": "
}

// judge takes the kernel's answers in: each program's, and their sum.
func (r *Report) judge(by map[string]pair.Outcome) {
	if by == nil {
		r.Kernel = &superopt.Kernel{Reason: "not asked (--kernel)"}
		return
	}
	sum := &superopt.Kernel{Loaded: len(by) > 0}
	for _, n := range slices.Sorted(maps.Keys(by)) {
		o := by[n]
		k := kernelcheck.Kernel(o)
		sum.Loaded = sum.Loaded && k.Loaded
		sum.Runs += k.Runs
		sum.Differences += k.Differences
		if k.Reason != "" && (sum.Reason == "" || k.Differences > 0) {
			sum.Reason = prefix(n) + k.Reason
		}
		r.answers = append(r.answers, answer{n, o})
		for _, p := range r.Programs {
			if p.Name == n && p.Result != nil {
				p.Result.Kernel = k
			}
		}
	}
	r.Kernel = sum
}

// answer is what the kernel said of one program.
type answer struct {
	name string
	pair.Outcome
}

// kernelSection stands apart: what the kernel says is the machine's.
func (r *Report) kernelSection() report.Section {
	t := &report.Table{ID: "kernel", Left: 3, Head: []string{"program", "the running kernel", "time"}}
	for _, a := range r.answers {
		name, time := a.name, ""
		if name == "" {
			name = "all"
		}
		if a.Time != nil {
			time = a.Time.String()
		}
		t.Add(name, firstLine(a.String()), time)
	}
	return report.Section{ID: "kernel", Title: "The kernel", Blocks: []report.Block{{Apart: true, Table: t}}}
}
