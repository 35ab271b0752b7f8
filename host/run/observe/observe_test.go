package observe

import (
	"testing"

	"jitnic/cache/stream"
	"jitnic/host/hosttest"
	"jitnic/host/hosttest/must"
	"jitnic/host/run/jit"
	"jitnic/host/vm"
	"jitnic/nic/workload"
)

// A workload's paths, invalidations and counts of instructions are those of a
// run that is not observed.
func TestObserve(t *testing.T) {
	for _, name := range []string{"firewall", "conntrack", "ratelimiter", "nat"} {
		for _, specialise := range []bool{false, true} {
			p := hosttest.Sample(t, name)
			var gone [2][]stream.Invalidation
			var n int
			opt := jit.Options{Remedies: jit.Remedies{Specialise: specialise}, VM: vm.Options{Seed: 1}}
			plain := must.Get(jit.New(p.Obj, p.Entry, opt))(t)
			plain.OnInvalidate(func(p int32, during bool) {
				at := uint64(n)
				if during {
					at++
				}
				gone[0] = append(gone[0], stream.Invalidation{At: at, ID: uint32(p)})
			})
			opt.Record = true
			seen := must.Get(jit.New(p.Obj, p.Entry, opt))(t)
			obs := New(seen, 1)
			var out vm.Output
			w := obs.W
			for in := range hosttest.Packets(t, "sample:lab", 6000) {
				want := must.Get(plain.Process(in, &out))(t)
				res := must.Get(seen.Process(in, &out))(t)
				obs.Packet(in, &out, res)
				p := w.Packets[n]
				if p.Path != want.Path {
					t.Fatalf("%s packet %d: path %d observed, %d not", name, n, p.Path, want.Path)
				}
				if got := int(w.Shapes[p.Shape].Insns); got != out.Steps && out.Err == nil {
					t.Fatalf("%s packet %d: %d instructions in the shape, %d executed", name, n, got, out.Steps)
				}
				if (p.Path == workload.None) != (p.Abort != workload.None) {
					t.Fatalf("%s packet %d: path %d, abort %d", name, n, p.Path, p.Abort)
				}
				n++
			}
			gone[1] = w.Invalidations
			if len(gone[0]) != len(gone[1]) {
				t.Fatalf("%s: %d invalidations observed, %d not", name, len(gone[1]), len(gone[0]))
			}
			for i := range gone[0] {
				if gone[0][i] != gone[1][i] {
					t.Fatalf("%s: invalidation %d is %v observed, %v not", name, i, gone[1][i], gone[0][i])
				}
			}
			must.Get(obs.Finish())(t)
			t.Logf("%s specialised %v: %d packets, %d paths, %d shapes, %d entries, %d accesses, %d invalidations", name, specialise,
				len(w.Packets), len(w.Paths), len(w.Shapes), w.Entries, len(w.Accesses), len(w.Invalidations))
			seen.Close()
			plain.Close()
		}
	}
}
