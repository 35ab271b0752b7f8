package replay

import (
	"strings"
	"testing"
)

// What modes count is what a run in that mode counts, and the sentence names the
// mode whose hits are the most.
func TestSideBySide(t *testing.T) {
	in := Input{Program: "sample:telemetry", Captures: []string{"sample:lab"}, Limit: 3000, Seed: 1}
	modes, err := SideBySide(t.Context(), in, "lru", Ways(Remedies{Predicate: 24}))
	if err != nil {
		t.Fatal(err)
	}
	if len(modes) != 9 || modes[2].Mode != "predicated (24)" || modes[2].Paths >= modes[0].Paths || modes[3].Paths > modes[2].Paths || modes[3].Condition >= modes[2].Condition {
		t.Fatalf("%+v", modes)
	}
	tables := 0
	for i, how := range Ways(Remedies{Predicate: 24}) {
		s, err := Open(t.Context(), in, Cache{Policy: "lru", Entries: 64, Remedies: how}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Run(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
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
