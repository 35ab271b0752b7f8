package replay

import (
	"context"
	"errors"
	"sync"

	"jitnic/cache"
	"jitnic/cache/stream"
	"jitnic/host/run/jit"
)

// Sized is the stream of a run whose traces are optimised: sizes are those of the
// traces as they are installed.
type Sized struct {
	Stream  *stream.Stream
	Session *Session
	// Optimised counts, also what Tier2 makes of traces later on.
	Optimised *Optimised
	// Tier2 tells caches over the stream of hot traces; nil: there is no such tier.
	// It may be asked by several at once, until the session is closed.
	Tier2 *cache.Tier2
}

// SizedPaths is Paths with an optimiser that is on. It is closed and kept by the
// caller, when the caches have run.
func SizedPaths(ctx context.Context, in Input, how jit.Remedies, opt *Optimiser) (*Sized, error) {
	switch {
	case how.Segments != 0:
		return nil, setting("superopt", opt, errors.New("not with --segments: sizes that change as traces are installed are followed of whole paths alone"))
	case how.Specialise || how.Auto:
		return nil, setting("superopt", opt, errors.New("not with --specialise: there a path's number stands for several traces, of several sizes"))
	}
	out := &Sized{}
	var hot *jit.Tier2
	var err error
	out.Stream, out.Session, err = paths(ctx, in, how, everything, func(o *jit.Options) {
		out.Optimised = opt.Install(ctx, o, in.Seed)
		hot, o.Tier2 = o.Tier2, nil // which traces are hot depends on the cache
	})
	if err != nil {
		return nil, err
	}
	out.Stream.Widen()
	if hot != nil {
		out.Tier2 = out.tier2(hot)
	}
	return out, nil
}

// tier2 makes the better trace of each path once, whoever asks first.
func (s *Sized) tier2(hot *jit.Tier2) *cache.Tier2 {
	type answer struct {
		slots uint32
		units uint64
	}
	var mu sync.Mutex
	made := map[uint32]answer{}
	rt := s.Session.Runtime
	return &cache.Tier2{After: hot.After, PerPacket: hot.PerPacket, Better: func(id uint32) (uint32, uint64) {
		mu.Lock()
		defer mu.Unlock()
		a, ok := made[id]
		if !ok {
			p := rt.Paths()[id]
			// Optimise counts what fails on one trace, and ends nothing.
			t, units, _ := hot.Optimise(p.Path, p.Trace, rt.Comp)
			if a.units = units; t != nil {
				a.slots = jit.Slots(p.Path, t)
			}
			s.Optimised.Hot.Traces++
			made[id] = a
		}
		return a.slots, a.units
	}}
}

// Close gives the session back.
func (s *Sized) Close() { s.Session.Close() }
