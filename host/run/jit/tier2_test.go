package jit

import (
	"testing"

	"jitnic/cache"
	"jitnic/host/hosttest"
	"jitnic/host/hosttest/must"
	"jitnic/host/vm"
	"jitnic/nic"
	"jitnic/pathcond"
	"jitnic/trace"
)

// TestTier2 counts when a hot trace is given on, when the better one runs, and
// that a swap is no install.
func TestTier2(t *testing.T) {
	const after, units, perPacket = 5, 70, 10
	asked := uint64(0)
	var r *Runtime
	t2 := &Tier2{After: after, PerPacket: perPacket}
	t2.Optimise = func(p *pathcond.Path, was *trace.Trace, c *pathcond.Compiler) (*trace.Trace, uint64, error) {
		asked = r.Packets
		better := *was
		return &better, units, nil
	}
	p := hosttest.Sample(t, "firewall")
	var err error
	if r, err = New(p.Obj, p.Entry, Options{Tier2: t2, Check: true}); err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	in := vm.Input{Data: make([]byte, 64)} // no IP: one path
	var out vm.Output
	var first *trace.Trace
	swapped := uint64(0)
	for n := uint64(1); n <= 40; n++ {
		in.Packet = n - 1
		res := must.Get(r.Process(&in, &out))(t)
		if res.Path == nic.NoPath || n > 1 && res.Outcome != cache.Hit {
			t.Fatalf("packet %d: path %d, %v", n, res.Path, res.Outcome)
		}
		now := r.Paths()[res.Path].Trace
		switch {
		case first == nil:
			first = now
		case now != first && swapped == 0:
			swapped = n
		}
	}
	if asked != 1+after || swapped != asked+units/perPacket+2 {
		t.Errorf("hot at packet %d, the better trace runs from %d on; want %d and %d", asked, swapped, 1+after, 1+after+units/perPacket+2)
	}
	if s := r.NIC.Cache.Stats(); s.Installed != 1 || s.Hot != 1 || s.Swapped != 1 || s.Waited != units/perPacket+1 {
		t.Errorf("%d installs, %d hot, %d swapped after %d packets", s.Installed, s.Hot, s.Swapped, s.Waited)
	}
}
