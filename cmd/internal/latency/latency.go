// Package latency makes the optimiser's cost table of what `jitnic calibrate`
// measured: superopt and host know nothing of each other, so it stands here.
package latency

import (
	"jitnic/host/calibrate"
	"jitnic/superopt"
)

// Study is the table of a calibration: what an instruction costs that the
// next one waits for. What wasn't measured stays as superopt.DefaultLatency has
// it.
func Study(s *calibrate.Study) superopt.Latency {
	l := superopt.DefaultLatency()
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
