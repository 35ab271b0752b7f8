package jit

import (
	"runtime"
	"testing"

	"jitnic/cache"
	"jitnic/host/programs"
	"jitnic/host/vm"
)

// A hit allocates nothing, whatever sample it is of and whatever kind of trace.
func TestHitsAllocateNothing(t *testing.T) {
	pkts, times := held(t, "sample:lab", 4000)
	engine := "native" // which compiles at once: a hit that compiles allocates
	if runtime.GOARCH != "amd64" && runtime.GOARCH != "arm64" {
		engine = "go"
	}
	for _, s := range programs.All() {
		for _, spec := range []bool{false, true} {
			r, _ := withMaps(t, s.Name, "", Options{Engine: engine, Remedies: Remedies{Specialise: spec}, Cache: cache.Config{Policy: "lru", Entries: 1 << 14}})
			var out vm.Output
			in := new(vm.Input)
			step := func(k int) cache.Outcome {
				*in = vm.Input{Data: pkts[k], TimeNS: times[k], IfIndex: 1, Packet: r.Packets}
				o, err := r.Process(in, &out)
				if err != nil {
					t.Fatalf("%s: packet %d: %v", s.Name, k, err)
				}
				return o.Outcome
			}
			for range 2 {
				for k := range pkts {
					step(k)
				}
			}
			// Only hits are timed: a packet that misses now and again (a new
			// flow of a table that is full) is allowed to allocate.
			hits, others := 0, 0
			for k := range pkts {
				var o cache.Outcome
				n := testing.AllocsPerRun(1, func() { o = step(k) })
				if o != cache.Hit {
					others++
					continue
				}
				hits++
				again := true
				if n != 0 { // the run time's own allocations don't come 20 times
					n = testing.AllocsPerRun(20, func() { again = step(k) == cache.Hit && again })
				}
				if n != 0 && again { // a count that went on may have made another path of it
					t.Errorf("%s, specialise %v: packet %d: a hit allocates %v times", s.Name, spec, k, n)
					break
				}
			}
			t.Logf("%s, specialise %v: %d hits, %d others", s.Name, spec, hits, others)
			if hits < len(pkts)/4 {
				t.Errorf("%s, specialise %v: %d hits of %d packets", s.Name, spec, hits, len(pkts))
			}
		}
	}
}
