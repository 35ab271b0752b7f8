package replay

import (
	"context"
	"strings"

	"jitnic/host/run/jit"
	"jitnic/host/run/observe"
	"jitnic/host/vm"
	"jitnic/nic/workload"
	"jitnic/pcaps/rss"
)

// Workload runs the program over the captures and returns what each packet did,
// for models of devices. With an optimiser that is on, every path's trace is
// optimised. shape, where not nil, is shown the first run of each shape. The
// session has run when it returns, and is closed by the caller; Partial says
// that it was interrupted.
func Workload(ctx context.Context, in Input, how jit.Remedies, opt *Optimiser, shape func(s *Session, id uint32, rec *vm.Recording)) (*workload.Workload, *Session, *Optimised, error) {
	if err := Whole(how, "the device model runs whole paths"); err != nil {
		return nil, nil, nil, err
	}
	if err := opt.Open(ctx); err != nil {
		return nil, nil, nil, err
	}
	var sum *Optimised
	s, err := Open(ctx, in, Cache{Policy: "fifo", Entries: 1, Remedies: how}, func(o *jit.Options) {
		o.Record = true
		sum = opt.Install(ctx, o, in.Seed)
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
	if e := opt.Keep(); err == nil {
		err = e
	}
	if err != nil {
		s.Close()
		return nil, nil, nil, err
	}
	if sum != nil {
		for i, p := range s.Runtime.Paths() {
			w.Paths[i].Units = sum.units[p.Path]
		}
	}
	w.NotRun = s.NotRun()
	w.Active = int64(s.Source.Active())
	w.Capture = strings.Join(in.Captures, ", ")
	return w, s, sum, nil
}
