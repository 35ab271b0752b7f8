package feasibility

import (
	"path/filepath"
	"testing"

	"jitnic/cache"
	"jitnic/host/hosttest"
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
	r, err := jit.New(p.Obj, p.Entry, opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	obs := observe.New(r, rss.TableSize)
	var out vm.Output
	for in := range hosttest.Packets(t, capture, limit) {
		o, err := r.Process(in, &out)
		if err != nil {
			t.Fatal(err)
		}
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
	w, err := obs.Finish()
	if err != nil {
		t.Fatal(err)
	}
	w.Capture = filepath.Base(capture)
	x, err := match.Analyse(w, match.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return w, x, r.Tables()
}
