package replay

import (
	"strings"
	"testing"

	"jitnic/host/hosttest/must"
)

// What modes count is what a run in that mode counts, and the sentence names the
// mode whose hits are the most.
func TestSideBySide(t *testing.T) {
	in := Input{Program: "sample:telemetry", Captures: []string{"sample:lab"}, Limit: 3000, Seed: 1}
	modes := must.Get(SideBySide(t.Context(), in, "lru", Ways(Remedies{Predicate: 24})))(t)
	if len(modes) != 9 || modes[2].Mode != "predicated (24)" || modes[2].Paths >= modes[0].Paths || modes[3].Paths > modes[2].Paths || modes[3].Condition >= modes[2].Condition {
		t.Fatalf("%+v", modes)
	}
	tables := 0
	for i, how := range Ways(Remedies{Predicate: 24}) {
		s := must.Get(Open(t.Context(), in, Cache{Policy: "lru", Entries: 64, Remedies: how}, nil))(t)
		must.OK(t, s.Run(t.Context(), nil))
		st := s.Runtime.NIC.Outcomes()
		if got := modes[i].Sizes[2]; got.Entries != 64 || got.Hits != st[0] || modes[i].Cold != st[1] || modes[i].Packets != st.Total() {
			t.Errorf("%v: %+v, cold %d of %d; a run has %v", how, got, modes[i].Cold, modes[i].Packets, st)
		}
		if got := modes[i].Sizes[2].Tables; got != len(s.Runtime.Tables()) {
			t.Errorf("%v: %d tables, and a run has %d: %+v", how, got, len(s.Runtime.Tables()), s.Cuts)
		}
		tables = max(tables, len(s.Runtime.Tables()))
		s.Close()
	}
	if tables < 2 {
		t.Error("nothing was cut")
	}
	if which := Which(modes); !strings.Contains(which, "redicated (24)") {
		t.Error(which)
	}
}

// What speaks for a mode is told from what speaks against it, and no figure is said to
// stand in the place of the same.
func TestAgainst(t *testing.T) {
	side := func(hits, executed, condition, installs float64, bound string) *Side {
		return &Side{Mode: "generic", Executed: executed, Condition: condition, Device: &SideDevice{HitRatio: hits, Installs: installs, Bound: bound}}
	}
	whole := side(1, 77.3, 20, 100, "units, 98 % busy")
	for _, c := range []struct {
		m    *Side
		want string
	}{
		{side(1, 70, 20, 100, ""), "70.0 instructions a packet in place of 77.3"},
		{side(1, 70, 21, 100, ""), "70.0 instructions a packet in place of 77.3; though 21.0 predicates a path in place of 20.0"},
		{side(0.9113, 77.31, 20, 100, ""), "though 91.13 % of hits in place of 100.00: the host runs what misses beside the device, and generic traces are kept by units, 98 % busy"},
		{side(1, 80, 20, 100, ""), "though 80.0 instructions a packet in place of 77.3: its packets occupy what generic traces are kept by, units, 98 % busy, for less time"},
		{side(0.9113, 77.31, 20, 50, ""), "50 installs a second in place of 100; though 91.13 % of hits in place of 100.00"},
		{side(1, 77.31, 20, 100.2, ""), "by less than hits, instructions, predicates and installs show"},
	} {
		if got := c.m.against(whole); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}
