package replay

import (
	"context"

	"jitnic/cache"
	"jitnic/host/run/jit"
	"jitnic/pathcond"
	"jitnic/trace"
)

// DefaultTier2After is how many hits make a trace hot (assumed): a search of a
// second or so pays for a trace that runs for long.
const DefaultTier2After = 1024

// unitsPerPacket is how much counted work the compiler does between two packets: a
// third of a millisecond of a core (compile.search of host "paper", measured), which
// is a replay at 3,200 packets a second.
const unitsPerPacket = 2000

// Hot is what became of the traces that were hot.
type Hot struct {
	After   uint64 `json:"after"`               // hits that make one
	Traces  int    `json:"traces"`              // that were
	Swapped int    `json:"swapped"`             // put in the place of tier 1's within the run
	Waited  uint64 `json:"waited"`              // packets from hot to swapped, together
	Before  int    `json:"instructions_before"` // of the traces swapped, by tier 1
	Left    int    `json:"instructions_after"`  // of the same, by tier 2
	Units   int64  `json:"units"`               // counted work
	Resized uint64 `json:"resized,omitempty"`   // entries that took other slots from then on, on a budget in slots
}

// settle takes over what the cache of the run counted.
func (h *Hot) settle(s cache.Stats) {
	if h != nil {
		h.Traces, h.Swapped, h.Waited, h.Resized = int(s.Hot), int(s.Swapped), s.Waited, s.Resized
	}
}

// tier2 searches traces that have become hot.
func (o *Optimiser) tier2(ctx context.Context, h *jit.Options, seed uint64, sum *Optimised) *jit.Tier2 {
	after := o.Tier2After
	if after == 0 {
		after = DefaultTier2After
	}
	t := &jit.Tier2{After: after, PerPacket: unitsPerPacket}
	sum.Hot, sum.searched = &Hot{After: after}, map[*pathcond.Path]uint64{}
	t.Optimise = func(p *pathcond.Path, was *trace.Trace, c *pathcond.Compiler) (*trace.Trace, uint64, error) {
		q := *p
		q.Trace = was
		opt := o.options(seed)
		opt.Tier = 2
		better, r, err := optimizeTrace(ctx, &q, c, opt, false)
		if err != nil {
			sum.fail(err)
			return nil, 0, nil
		}
		sum.Faults += r.Faults
		sum.Hot.Before += was.Len()
		sum.Hot.Left += better.Len()
		sum.Hot.Units += int64(r.Units())
		sum.searched[p] = r.Units()
		if r.CostAfter >= r.CostBefore {
			better = nil
		}
		return better, r.Units(), nil
	}
	return t
}
