package jit

import (
	"os"
	"path/filepath"
	"testing"

	"jitnic/cache"
	"jitnic/host/hosttest"
	"jitnic/host/hosttest/must"
	"jitnic/host/loader"
	"jitnic/host/programs"
	"jitnic/host/vm"
	"jitnic/trace"
)

func replay(t testing.TB, obj *loader.Object, entry *loader.Program, file string, opt Options, limit uint64) *Runtime {
	t.Helper()
	r := must.Get(New(obj, entry, opt))(t)
	var out vm.Output
	for in := range hosttest.Packets(t, file, limit) {
		if _, err := r.Process(in, &out); err != nil {
			m, ok := err.(*Mismatch)
			if ok && m.Path >= 0 {
				i := r.Paths()[m.Path]
				for _, p := range i.Path.Cond {
					t.Logf("  %v %s (%v at %d:%d)", p.Want, r.Comp.B.String(p.Term), p.Why, p.Prog, p.PC)
				}
			}
			t.Fatalf("%s %s: %v", entry.Name, filepath.Base(file), err)
		}
	}
	if err := r.CheckAll(t.Context()); err != nil {
		t.Fatalf("%s %s: %v", entry.Name, filepath.Base(file), err)
	}
	return r
}

func TestSamplesOnCorpus(t *testing.T) {
	files := hosttest.Corpus(t)
	if f := os.Getenv("JITNIC_CAPTURE"); f != "" {
		files = []string{hosttest.Capture(t, f+".pcap.gz")}
	}
	for _, s := range programs.All() {
		if only := os.Getenv("JITNIC_PROGRAM"); only != "" && only != s.Name {
			continue
		}
		p := hosttest.Sample(t, s.Name)
		for _, f := range files {
			for _, spec := range []bool{false, true} {
				r := replay(t, p.Obj, p.Entry, f, Options{Check: true, Remedies: Remedies{Specialise: spec}, Cache: cache.Config{Policy: "lru", Entries: 64}}, 0)
				st := r.NIC.Cache.Stats()
				t.Logf("%s %s specialise=%v: packets %d hits %d paths %d dead %d recorded %d nodes %d aborts %v faults %d short %d inval %d", s.Name, filepath.Base(f), spec,
					r.Packets, st.Outcome[cache.Hit], len(r.Paths()), len(r.Dead()), r.Recorded, r.Tree.Nodes(), r.Aborts, r.Faults, r.Short, st.Invalidated)
				if r.Aborts[trace.ReasonInternal] > 0 || r.Collision > 0 {
					for _, d := range r.Dead() {
						if d.Abort.Reason == trace.ReasonInternal {
							t.Errorf("%v", d.Abort)
						}
					}
					t.Errorf("collisions %d", r.Collision)
				}
				r.Close()
			}
		}
	}
}
