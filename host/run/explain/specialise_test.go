package explain

import (
	"os"
	"path/filepath"
	"testing"

	"jitnic/host/hosttest/must"
	"jitnic/host/run/replay"
)

// What specialising saves is worked out from the recorded traces until it is measured.
// A look-up tells paths apart by an entry that changes, and such a one isn't folded for
// long: what was worked out may come to nothing.
func TestSpecialiseIsMeasured(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"p.k2": "MOV64XC 1 0\nSTXW 10 -4 1\nLDMAPID 1 0\nMOV64XY 2 10\nADD64XC 2 -4\nCALL 1\nJEQXC 0 0 4\n" +
			"LDXW 1 0 0\nJEQXC 1 0 2\nMOV64XC 0 2\nEXIT\nMOV64XC 0 1\nEXIT\n",
		"p.maps":    "m { type = 2, key_size = 4, value_size = 4, max_entries = 1, fd = 0 }\n",
		"maps.json": `{"maps": {"m": [{"key": 0, "value": 1}]}, "updates": [{"at": 500, "map": "m", "key": 0, "value": 0}, {"at": 800, "map": "m", "key": 0, "value": 1}]}`,
	} {
		must.OK(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	in, ca := sample("firewall", "sample:vlan"), replay.Cache{Policy: "lru", Entries: 64}
	in.Program, in.Maps = filepath.Join(dir, "p.k2"), []string{filepath.Join(dir, "maps.json")}
	s := study(t, in, ca)
	if s.Paths() != 2 || len(s.Points) != 1 {
		t.Fatal(s.Sentence())
	}
	f := &Fold{Tally: s.Points[0].Tally, Points: s.Points}
	if r := specialise(s, f); r == nil || r.Measured || r.Saves != 1 {
		t.Fatalf("%+v", r)
	}
	must.OK(t, s.Specialise(t.Context()))
	if s.special == nil || s.special.hits == 0 || len(s.special.ids) != len(s.stream.IDs) {
		t.Fatalf("not measured: %+v", s.special)
	}
	if r := specialise(s, f); r != nil {
		t.Errorf("%+v, and specialised there are two paths too", r)
	}
	// Were the traces one, it would be told.
	clear(s.special.ids)
	if r := specialise(s, f); r == nil || !r.Measured || r.Saves != 1 {
		t.Errorf("%+v", r)
	}
}
