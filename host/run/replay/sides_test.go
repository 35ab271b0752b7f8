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
	if len(modes) != 7 || modes[2].Mode != "predicated (24)" || modes[2].Paths >= modes[0].Paths || modes[3].Paths > modes[2].Paths || modes[3].Condition >= modes[2].Condition {
		t.Fatalf("%+v", modes)
	}
	for i, how := range Ways(Remedies{Predicate: 24}) {
		s, err := Open(t.Context(), in, Cache{Policy: "lru", Entries: 64, Remedies: how}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Run(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		st := s.Runtime.NIC.Cache.Stats()
		if got := modes[i].Sizes[2]; got.Entries != 64 || got.Hits != st.Outcome[0] || modes[i].Cold != st.Outcome[1] {
			t.Errorf("%v: %+v, cold %d; a run has %v", how, got, modes[i].Cold, st.Outcome)
		}
		s.Close()
	}
	if which := Which(modes); !strings.Contains(which, "redicated (24)") {
		t.Error(which)
	}
}
