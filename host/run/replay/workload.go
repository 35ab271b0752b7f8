package replay

import (
	"context"
	"strings"

	"jitnic/cache"
	"jitnic/host/run/jit"
	"jitnic/host/run/observe"
	"jitnic/host/vm"
	"jitnic/nic/workload"
	"jitnic/pcaps/rss"
)

// Workload runs the program over the captures and returns what each packet did,
// for models of devices. With an optimiser that is on, every path's trace is
// optimised, and by tier 2 too what hits often enough to be hot in a model's run of
// so many packets (run), the captures' repeated. shape, where not nil, is shown the
// first run of each shape. caches are those that say into how many tables paths are
// cut where nobody else does; nil: some of usual sizes. The session has run when it
// returns, and is closed by the caller; Partial says that it was interrupted.
func Workload(ctx context.Context, in Input, how jit.Remedies, opt *Optimiser, run int, caches []cache.Config, shape func(s *Session, id uint32, rec *vm.Recording)) (*workload.Workload, *Session, *Optimised, error) {
	if err := opt.Open(ctx); err != nil {
		return nil, nil, nil, err
	}
	if caches == nil {
		caches = usualCaches(in.Seed)
	}
	var sum *Optimised
	var hot *jit.Tier2
	s, err := Open(ctx, in, Cache{Policy: "fifo", Entries: 1, Remedies: how, asked: caches}, func(o *jit.Options) {
		o.Record = true
		sum = opt.Install(ctx, o, in.Seed)
		hot, o.Tier2 = o.Tier2, nil // the model says when a trace is hot
	})
	if err != nil {
		return nil, nil, nil, err
	}
	obs := observe.New(s.Runtime, rss.TableSize)
	if shape != nil {
		obs.NewShape = func(id uint32, rec *vm.Recording) { shape(s, id, rec) }
	}
	if err := s.Run(ctx, func(p *Packet) error {
		in := *p.In
		in.TimeNS = s.active(p.Packet)
		obs.Packet(&in, p.Out, p.Result)
		return nil
	}); err != nil {
		s.Close()
		return nil, nil, nil, err
	}
	w, err := obs.Finish()
	if err == nil && hot != nil {
		err = search(ctx, w, s, hot, sum, run)
	}
	if e := opt.Keep(); err == nil {
		err = e
	}
	if err != nil {
		s.Close()
		return nil, nil, nil, err
	}
	if sum != nil {
		w.Tier = opt.before()
		for i, p := range s.Runtime.Paths() {
			w.Traces()[i].Units = sum.units[p.Path]
		}
	}
	w.NotRun = s.NotRun()
	w.Active = int64(s.Source.Active())
	w.Capture = strings.Join(in.Captures, ", ")
	return w, s, sum, nil
}

// search lets tier 2 have every trace that is hot in a run of so many packets at the
// most, one pass before it included.
func search(ctx context.Context, w *workload.Workload, s *Session, hot *jit.Tier2, sum *Optimised, run int) error {
	w.Hot = hot.After
	passes := uint64(2)
	if n := len(w.Packets); n > 0 {
		passes += uint64(run / n)
	}
	for i, p := range s.Runtime.Paths() {
		x := &w.Traces()[i]
		if x.Packets*passes < hot.After || ctx.Err() != nil {
			continue
		}
		var err error
		if x.Better, x.Search, err = hot.Optimise(p.Path, p.Trace, s.Runtime.Comp); err != nil {
			return err
		}
		sum.Hot.Traces++
	}
	return nil
}
