package jit

import (
	"testing"

	"jitnic/cache"
	"jitnic/host/hosttest"
	"jitnic/host/hosttest/must"
	"jitnic/host/programs"
	"jitnic/host/vm"
)

// On every sample, specialising where it pays costs less than half a point of
// hits, and folds something somewhere; whatever it is made to do in a hurry, the
// oracle agrees.
func TestSpecialiseWhereItPays(t *testing.T) {
	pkts, times := held(t, hosttest.Capture(t, "zoo.pcap.gz"), 8000)
	folded, given := 0, 0
	for _, s := range programs.All() {
		p := hosttest.Sample(t, s.Name)
		hits := func(how Remedies, j judging) uint64 {
			r := must.Get(New(p.Obj, p.Entry, Options{Check: true, Remedies: how, Prepare: p.Prepare, Cache: cache.Config{Policy: "lru", Entries: 64}}))(t)
			defer r.Close()
			if r.prof != nil {
				r.prof.judging = j
			}
			var out vm.Output
			for i := range pkts {
				in := vm.Input{Data: pkts[i], TimeNS: times[i], IfIndex: 1, Packet: uint64(i)}
				if _, err := r.Process(&in, &out); err != nil {
					t.Fatalf("%s, %v: %v", s.Name, how, err)
				}
			}
			must.OKf(t, r.CheckAll(t.Context()), "%s, %v", s.Name, how)
			if r.Collision > 0 {
				t.Fatalf("%s, %v: %d conditions overlap: %v", s.Name, how, r.Collision, r.overlap.err)
			}
			if r.prof != nil {
				for _, at := range r.prof.places {
					if len(at.heavy) > 0 {
						folded++
					} else if at.rest > 0 {
						given++
					}
				}
			}
			return r.NIC.Cache.Stats().Outcome[cache.Hit]
		}
		generic := hits(Remedies{}, judging{})
		auto := hits(Remedies{Auto: true}, usual)
		if lost := float64(generic) - float64(auto); lost > 0.005*float64(len(pkts)) {
			t.Errorf("%s: %d hits, %d of generic traces", s.Name, auto, generic)
		}
		hits(Remedies{Auto: true}, judging{every: 1, window: 8, heavy: 5, light: 6})
	}
	if folded == 0 || given == 0 {
		t.Errorf("%d keys were folded at the end, %d given up: the packets don't try it", folded, given)
	}
}
