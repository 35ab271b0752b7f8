package match_test

import (
	"testing"

	"jitnic/cache"
	"jitnic/host/hosttest"
	"jitnic/host/hosttest/must"
	"jitnic/host/run/jit"
	"jitnic/host/vm"
	"jitnic/nic/workload"
)

// run is a sample program's replay, its maps filled from its own file.
type run struct {
	*jit.Runtime
	packets [][]byte
}

// replay runs a sample over a capture and keeps the packets.
func replay(t testing.TB, name, capture string, limit uint64, specialise bool) *run {
	t.Helper()
	p := hosttest.Sample(t, name)
	h := must.Get(jit.New(p.Obj, p.Entry, jit.Options{Cache: cache.Config{Policy: "lru", Entries: 64}, Remedies: jit.Remedies{Specialise: specialise}, Prepare: p.Prepare}))(t)
	t.Cleanup(h.Close)
	r := &run{Runtime: h}
	var out vm.Output
	for in := range hosttest.Packets(t, capture, limit) {
		must.Get(r.Process(in, &out))(t)
		r.packets = append(r.packets, append([]byte(nil), in.Data...))
	}
	return r
}

// work makes the workload that the matchers need of a run.
func (r *run) work(program, capture string) *workload.Workload {
	w := &workload.Workload{Program: program, Capture: capture, Compiler: r.Comp, Packets: make([]workload.Packet, r.Packets)}
	walks := r.Tree.Walks()
	for i, p := range r.Paths() {
		w.Paths = append(w.Paths, workload.Path{Cond: p.Path.Cond, Depth: walks[int32(i)].Nodes, Packets: p.Packets, First: p.First})
	}
	return w
}
