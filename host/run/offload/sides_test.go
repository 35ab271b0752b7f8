package offload

import (
	"strings"
	"testing"

	"jitnic/host/hosttest/must"
	"jitnic/host/run/jit"
	"jitnic/host/run/replay"
)

// Ways to make traces are studied on a device, each by itself, segments too.
func TestSides(t *testing.T) {
	d := &Device{NIC: "hxdp", Rate: "2Mpps"}
	must.OK(t, d.Open())
	in := replay.Input{Program: "sample:firewall", Captures: []string{"sample:vlan"}, Limit: 2000, Seed: 1, Loop: 1, Queues: 1}
	ways := []replay.Remedies{{}, {Merge: true, Predicate: 32}, {Segments: jit.SegmentsAuto}, {Segments: 3}}
	sides := must.Get(replay.SideBySide(t.Context(), in, "lru", ways))(t)
	if s := replay.OnDevice(sides); s != "" {
		t.Errorf("before any device: %q", s)
	}
	must.OK(t, d.Sides(t.Context(), in, "lru", ways, sides))
	for _, m := range sides {
		x := m.Device
		switch {
		case x == nil || x.NIC != "hxdp":
			t.Fatalf("%s: %+v", m.Mode, x)
		case x.Missing != "":
			t.Errorf("%s: %s", m.Mode, x.Missing)
		case x.Rate != 2_000_000 || x.LossFree == 0 || x.Mean <= 0 || x.P99 < x.Mean/2 || x.HitRatio <= 0:
			t.Errorf("%s: %+v", m.Mode, x)
		}
	}
	s := replay.OnDevice(sides)
	if !strings.HasPrefix(s, "On hxdp ") || !strings.Contains(s, "million") {
		t.Errorf("%q", s)
	}
	// What carries more is named, with what it has instead.
	sides[1].Device.LossFree, sides[1].Device.Mean = 3*sides[0].Device.LossFree, sides[0].Device.Mean/2
	if s := replay.OnDevice(sides); strings.Count(s, sides[1].Mode) != 2 || strings.Count(s, "instructions a packet in place of") != 2 {
		t.Errorf("%q", s)
	}
	for _, bad := range []Device{{NIC: "nonesuch", Rate: "1Mpps"}, {NIC: "hxdp", Rate: "fast"}, {NIC: "hxdp", Rate: "1M..5M"}} {
		if bad.Open() == nil {
			t.Errorf("%+v is taken", bad)
		}
	}
}
