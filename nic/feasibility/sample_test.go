package feasibility

import (
	"path/filepath"
	"testing"

	"jitnic/cache"
	"jitnic/host/hosttest"
	"jitnic/host/hosttest/must"
	"jitnic/host/run/jit"
	"jitnic/host/run/observe"
	"jitnic/host/vm"
	"jitnic/nic/match"
	"jitnic/nic/workload"
	"jitnic/pcaps/rss"
)

// play feeds a capture to a sample program on a runtime.
func play(t testing.TB, name, capture string, limit uint64, opt jit.Options, each func(cache.Outcome)) (*jit.Runtime, *observe.Observer) {
	t.Helper()
	p := hosttest.Sample(t, name)
	opt.VM.Seed, opt.Prepare = 1, p.Prepare
	r := must.Get(jit.New(p.Obj, p.Entry, opt))(t)
	t.Cleanup(r.Close)
	obs := observe.New(r, rss.TableSize)
	var out vm.Output
	for in := range hosttest.Packets(t, capture, limit) {
		o := must.Get(r.Process(in, &out))(t)
		if opt.Record {
			obs.Packet(in, &out, o)
		}
		if each != nil {
			each(o.Outcome)
		}
	}
	return r, obs
}

// observed is what a sample program does with a capture.
func observed(t testing.TB, name, capture string, limit uint64, specialise bool) (*workload.Workload, *match.Analysis, match.Trees) {
	t.Helper()
	return observeWith(t, name, capture, limit, jit.Options{Remedies: jit.Remedies{Specialise: specialise}})
}

// observeWith is the same of a runtime with options of its own.
func observeWith(t testing.TB, name, capture string, limit uint64, opt jit.Options) (*workload.Workload, *match.Analysis, match.Trees) {
	t.Helper()
	opt.Record = true
	r, obs := play(t, name, capture, limit, opt, nil)
	w := must.Get(obs.Finish())(t)
	w.Capture = filepath.Base(capture)
	x := must.Get(match.Analyse(w, match.Options{}))(t)
	return w, x, r.Tables()
}
