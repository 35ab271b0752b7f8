// Package latency makes the optimiser's cost table of what `jitnic calibrate`
// measured: superopt and host know nothing of each other, so it stands here.
package latency

import (
	"encoding/json"
	"fmt"
	"os"

	"jitnic/host/calibrate"
	"jitnic/nic/profile"
	"jitnic/superopt"
)

// Study is the table of a calibration: what an instruction costs that the
// next one waits for. What wasn't measured stays as superopt.DefaultLatency has
// it.
func Study(s *calibrate.Study) superopt.Latency {
	l := superopt.DefaultLatency
	set := func(to *float64, group, name string) {
		if f := s.Find(group, name); f != nil && f.Value > 0 {
			*to = f.Value
		}
	}
	set(&l.ALU, "insn", "alu")
	set(&l.Mul, "insn", "mul")
	set(&l.Div, "insn", "div")
	set(&l.Store, "insn", "store")
	set(&l.Wide, "insn", "wide")
	set(&l.Atomic, "atomic", "add")
	set(&l.Call, "helper", "get_prandom_u32")
	// The chain that a waiting load is measured in has an and and an add too;
	// the mov costs nothing where registers are renamed.
	if f := s.Find("insn", "load_wait"); f != nil && f.Value > 3*l.ALU {
		l.Load = f.Value - 2*l.ALU
	}
	// Half the branches are taken.
	if a, b := s.Find("insn", "jump"), s.Find("insn", "jump_taken"); a != nil && b != nil {
		l.Jump = (a.Value + b.Value) / 2
	}
	return l
}

// Of is the table of a host profile, which knows less: one price for all
// instructions but atomics and calls. The others keep their distance to the
// plain ones in superopt.DefaultLatency.
func Of(h *profile.Host) superopt.Latency {
	const ps = 1000
	d := superopt.DefaultLatency
	l := d
	if h.Insn > 0 {
		scale := float64(h.Insn) / ps / d.ALU
		for _, x := range []*float64{&l.ALU, &l.Mul, &l.Div, &l.Load, &l.Store, &l.Jump, &l.Wide} {
			*x *= scale
		}
	}
	if h.Atomic > 0 {
		l.Atomic = float64(h.Atomic) / ps
	}
	if h.Helper > 0 {
		l.Call = float64(h.Helper) / ps
	}
	return l
}

// Load reads the table of a file that `jitnic calibrate --json` or --out wrote.
func Load(path string) (superopt.Latency, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return superopt.Latency{}, err
	}
	var f struct {
		Latency *superopt.Latency `json:"latency"`
	}
	if err := json.Unmarshal(b, &f); err != nil {
		return superopt.Latency{}, fmt.Errorf("%s: %w", path, err)
	}
	if f.Latency == nil {
		return superopt.Latency{}, fmt.Errorf("%s: no latencies in it: want a file of jitnic calibrate --json", path)
	}
	for _, x := range []float64{f.Latency.ALU, f.Latency.Mul, f.Latency.Div, f.Latency.Load, f.Latency.Store, f.Latency.Atomic, f.Latency.Jump, f.Latency.Call, f.Latency.Wide} {
		if !(x > 0) {
			return superopt.Latency{}, fmt.Errorf("%s: latency %g: want more than 0", path, x)
		}
	}
	return *f.Latency, nil
}
