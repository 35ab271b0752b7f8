package jit

import (
	"testing"

	"jitnic/cache"
	"jitnic/host/diff"
	"jitnic/host/hosttest"
	"jitnic/host/hosttest/must"
	"jitnic/host/programs"
	"jitnic/host/vm"
)

// TestEngines holds all engines to the one in Go, packet by packet: outcome,
// path, output, and all maps at the end. And what the native guard tree matches
// is what the tree in Go matches.
func TestEngines(t *testing.T) {
	file := hosttest.Capture(t, "zoo.pcap.gz")
	for _, s := range programs.All() {
		p := hosttest.Sample(t, s.Name)
		for _, how := range []Remedies{{}, {Specialise: true}, {Predicate: 32}, {Merge: true, Predicate: 32}} {
			opt := Options{Prepare: p.Prepare, Remedies: how, Engine: "go", Cache: cache.Config{Policy: "arc", Entries: 12}}
			want, err := New(p.Obj, p.Entry, opt)
			must.OK(t, err)
			opt.Engine = "native"
			got, err := New(p.Obj, p.Entry, opt)
			if err != nil {
				want.Close()
				t.Skip(err)
			}
			compareEngines(t, s.Name, want, got, file)
			want.Close()
			got.Close()
		}
	}
	if _, err := New(nil, nil, Options{Engine: "fpga"}); err == nil {
		t.Error("an engine that isn't there was taken")
	}
}

func compareEngines(t *testing.T, name string, want, got *Runtime, file string) {
	t.Helper()
	var a, b vm.Output
	for in := range hosttest.Packets(t, file, 3000) {
		if err := got.S.Begin(in); err == nil {
			if m, n := got.Tree.Match(), got.parts.first.Match.Match(); m != n {
				t.Fatalf("%s: packet %d: the tree matches %d, as machine code %d", name, in.Packet, m, n)
			}
		}
		x, err := want.Process(in, &a)
		must.OKf(t, err, "%s", name)
		y, err := got.Process(in, &b)
		must.OKf(t, err, "%s: native", name)
		if x.Outcome != y.Outcome || x.Path != y.Path {
			t.Fatalf("%s: packet %d: %v of path %d, native %v of path %d", name, in.Packet, x.Outcome, x.Path, y.Outcome, y.Path)
		}
		if d := diff.Outputs(&a, &b); d != nil {
			t.Fatalf("%s: packet %d: %v", name, in.Packet, d)
		}
	}
	if d := diff.Maps(want.S.Maps, got.S.Maps); d != nil {
		t.Fatalf("%s: %v", name, d)
	}
}
