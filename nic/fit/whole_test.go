package fit

import (
	"testing"

	"jitnic/host/hosttest/must"
	"jitnic/host/loader"
	"jitnic/host/programs"
	"jitnic/nic/profile"
	"jitnic/nic/workload"
)

// What the whole program has is found without a path, and once.
func TestWhole(t *testing.T) {
	var obj *loader.Object
	for _, s := range programs.All() {
		if s.Name == "telemetry" {
			o := must.Get(loader.LoadBytes("telemetry.o", s.Object, loader.Options{}))(t)
			obj = o
		}
	}
	n := must.Get(profile.Load("netronome"))(t)
	var ms []workload.Map
	for _, m := range obj.Maps {
		ms = append(ms, workload.Map{Name: m.Name, Type: "lpm_trie", Key: m.KeySize, Value: m.ValueSize, Max: m.Max})
	}
	got := Whole(obj.Programs, func(*loader.Program) int { return 0 }, ms, n)
	kinds := map[Kind]int{}
	for _, b := range got {
		kinds[b.Kind]++
		if len(b.Places) == 0 || b.Blocks != 0 || b.Paths != 0 || b.Places[0].Program == "" {
			t.Errorf("%+v", b)
		}
	}
	if kinds[KindMapType] != 1 || kinds[KindMapWrite] != 0 {
		t.Errorf("%v", kinds)
	}
	r := &Report{Blockers: []Blocker{{Kind: KindMapType, Name: "lpm_trie", Paths: 3}}}
	r.Merge(got)
	if len(r.Blockers) != len(got) || r.Blockers[0].Paths != 3 {
		t.Errorf("merged: %+v", r.Blockers)
	}
	ideal := must.Get(profile.Load("ideal"))(t)
	if b := Whole(obj.Programs, func(*loader.Program) int { return 0 }, ms, ideal); len(b) != 0 {
		t.Errorf("the ideal device refuses %+v", b)
	}
}
