package session

import (
	"context"

	"jitnic/host"
	"jitnic/pathcond"
	"jitnic/superopt"
	"jitnic/trace"
)

// Optimised counts what the superoptimizer did to the traces of a run.
type Optimised struct {
	Traces    int     `json:"traces"`
	Before    int     `json:"before"` // instructions, all traces
	After     int     `json:"after"`
	Shorter   int     `json:"shorter"` // traces that became so
	Proposals int64   `json:"proposals"`
	Proved    int     `json:"proved"`
	Refuted   int     `json:"refuted"`
	Unknown   int     `json:"unknown"`
	Seconds   float64 `json:"-"` // of this machine, so not part of a report
}

// Install makes a runtime superoptimize its traces, and counts in the result
// what became of them. An interrupt keeps the best proved so far.
func (o *Optimiser) Install(ctx context.Context, h *host.Options, seed uint64) *Optimised {
	if !o.On {
		return nil
	}
	sum := &Optimised{}
	h.Optimise = func(p *pathcond.Path, c *pathcond.Compiler) (*trace.Trace, error) {
		t, r, err := superopt.OptimizeTrace(ctx, p, c, &superopt.Options{Layers: o.Layers, Proposals: o.Proposals, Cost: o.Cost, Seed: seed}, false)
		if err != nil {
			return nil, err
		}
		sum.Traces++
		sum.Before += p.Trace.Len()
		sum.After += t.Len()
		if t.Len() < p.Trace.Len() {
			sum.Shorter++
		}
		sum.Proposals += r.Proposals
		sum.Proved += r.Proved
		sum.Refuted += r.Refuted
		sum.Unknown += r.Unknown
		sum.Seconds += r.Seconds
		return t, nil
	}
	return sum
}
