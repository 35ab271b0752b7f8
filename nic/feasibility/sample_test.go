package feasibility

import (
	"path/filepath"
	"testing"

	"jitnic/cache"
	"jitnic/host"
	"jitnic/host/hosttest"
	"jitnic/host/vm"
	"jitnic/nic/match"
	"jitnic/nic/workload"
	"jitnic/pathcond/tree"
	"jitnic/pcaps/rss"
)

// play feeds a capture to a sample program on a runtime.
func play(t testing.TB, name, capture string, limit uint64, opt host.Options, each func(cache.Outcome)) *host.Runtime {
	t.Helper()
	p := hosttest.Sample(t, name)
	opt.VM.Seed, opt.Prepare = 1, p.Prepare
	r, err := host.New(p.Obj, p.Entry, opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	var out vm.Output
	for in := range hosttest.Packets(t, capture, limit) {
		o, err := r.Process(in, &out)
		if err != nil {
			t.Fatal(err)
		}
		if each != nil {
			each(o)
		}
	}
	return r
}

// observe is what a sample program does with a capture.
func observe(t testing.TB, name, capture string, limit uint64, specialise bool) (*workload.Workload, *match.Analysis, *tree.Tree) {
	t.Helper()
	r := play(t, name, capture, limit, host.Options{Observe: true, Specialise: specialise, Queues: rss.TableSize}, nil)
	w, err := r.Observer().Finish()
	if err != nil {
		t.Fatal(err)
	}
	w.Capture = filepath.Base(capture)
	x, err := match.Analyse(w, match.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return w, x, r.Tree
}
