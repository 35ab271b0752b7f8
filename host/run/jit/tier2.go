package jit

import (
	"jitnic/cache"
	"jitnic/nic"
	"jitnic/pathcond"
	"jitnic/trace"
)

// Tier2 makes the traces that hit often better while they go on running. When
// that is, and what it does to the trace cache, is cache.Tier2's; here are the
// traces.
type Tier2 struct {
	After     uint64 // hits of a path until it is hot
	PerPacket uint64 // units of work that are done between two packets
	// Optimise gives the trace to run instead, nil where it found no better one,
	// and the units it cost.
	Optimise func(p *pathcond.Path, t *trace.Trace, c *pathcond.Compiler) (*trace.Trace, uint64, error)

	better map[nic.Path]*trace.Trace
	err    error
}

// install makes the trace cache tell a runtime of what is hot.
func (t *Tier2) install(c *cache.Config, r *Runtime) {
	if t == nil {
		return
	}
	t.better = map[nic.Path]*trace.Trace{}
	c.Tier2 = &cache.Tier2{After: t.After, PerPacket: t.PerPacket,
		Better: func(id uint32) (uint32, uint64) {
			i := r.info[id]
			better, units, err := t.Optimise(i.Path, i.Trace, r.Comp)
			if err != nil {
				t.err = err
				return 0, 0
			}
			if better == nil {
				return 0, units
			}
			t.better[nic.Path(id)] = better
			return Slots(i.Path, better), units
		},
		Swapped: func(id uint32, _, hits uint64) {
			i := r.info[id]
			i.Swap = &Swap{Hits: hits, From: i.Trace.Len()}
			i.Trace = t.better[nic.Path(id)]
			if r.opt.SizeInstalled {
				i.slots = Slots(i.Path, i.Trace)
			}
			delete(t.better, nic.Path(id))
			r.NIC.Forget(nic.Path(id))
		},
	}
	if len(r.opt.Cuts) > 0 { // the cache has a request for each segment
		c.Tier2.Now = func() uint64 { return r.Packets }
	}
}

// due puts in what is ready before the next packet, and has what is hot by now
// made better.
func (t *Tier2) due(r *Runtime) error {
	if t == nil {
		return nil
	}
	if err := r.NIC.Due(); err != nil {
		return err
	}
	return t.err
}
