// Package replay is one run of a program over captures, with all that takes: the
// program and its maps, timed updates, receive queues, the trace cache, the
// optimiser of its traces and, where a model of a device wants it, the workload.
// It knows neither flags nor terminals; it is what a Go program imports to do what
// the verbs of jitnic do.
//
//	s, err := replay.Open(ctx, replay.Input{Program: "prog.o", Captures: []string{"day1.pcap"}}, replay.Cache{Entries: 256}, nil)
//	defer s.Close()
//	err = s.Run(ctx, nil)
//	hits := s.Runtime.NIC.Cache.Stats().Outcome[cache.Hit]
//
// [Open] loads everything that an [Input] names, [Session.Run] feeds every packet
// to the runtime (host/run/jit), and Session.Runtime then tells what became of
// them: outcomes that add up to the packets, paths with their conditions and
// traces, verdicts, what could not be run ([Session.NotRun]). Settings left at zero
// are defaults. [Paths] gives the stream of path numbers that the cache laboratory
// (package cache) runs policies over, [Workload] what each packet did, for models
// of devices (host/run/offload asks them). An [Optimiser] has traces
// superoptimized before they are installed; superopt.OptimizeTrace does it to one:
//
//	path := s.Runtime.Paths()[0] // after Run
//	short, r, err := superopt.OptimizeTrace(ctx, path.Path, s.Runtime.Comp, nil, false)
//
// A capture that is damaged ends a run with a *pcaps.CaptureError, a difference
// from the oracle (jit.Options.Check) with a *jit.Mismatch, a setting that can't
// be with a *[SettingError] before anything is run; an interrupt ends it without
// an error and sets Session.Partial. The same input and seed give the same run.
package replay
