package loader

import (
	"strings"
	"testing"

	"jitnic/host/hosttest/must"
	"jitnic/host/maps"

	cilium "github.com/cilium/ebpf"
)

// What maps of maps hold where their definitions don't say it.
func TestInner(t *testing.T) {
	for _, c := range []struct {
		inner string
		want  maps.Spec
		err   string
	}{
		{"", maps.Spec{Type: cilium.Array, KeySize: 4, ValueSize: 8, Max: 1}, ""},
		{"outer=like", maps.Spec{Type: cilium.Hash, KeySize: 2, ValueSize: 12, Max: 9}, ""},
		{"outer=lpm_trie:8:4:100", maps.Spec{Type: cilium.LPMTrie, KeySize: 8, ValueSize: 4, Max: 100}, ""},
		{"outer=hash:4:8", maps.Spec{}, "want TYPE:KEY:VALUE:ENTRIES"},
		{"outer=devmap:4:8:1", maps.Spec{}, `"devmap": no type that an inner map may have`},
		{"outer=array:8:8:1", maps.Spec{}, "key"},
		{"outer=hash:4:-1:1", maps.Spec{}, `"-1": want a number`},
		{"outer", maps.Spec{}, "want OUTER=MAP"},
		{"none=like", maps.Spec{}, `no map "none"`},
		{"outer=none", maps.Spec{}, `no map "none"`},
		{"outer=outer", maps.Spec{}, "is a map of maps itself"},
		{"like=like", maps.Spec{}, "is no map of maps but a hash"},
		{"told=like", maps.Spec{}, `says itself what map "told" holds`},
	} {
		l := &linker{obj: &Object{Maps: []*maps.Spec{
			{Name: "outer", Type: cilium.ArrayOfMaps, KeySize: 4, ValueSize: 4, Max: 2},
			{Name: "like", Type: cilium.Hash, KeySize: 2, ValueSize: 12, Max: 9},
			{Name: "told", Type: cilium.HashOfMaps, KeySize: 4, ValueSize: 4, Max: 2, Inner: &maps.Spec{}},
		}}, mapIndex: map[string]int{"outer": 0, "like": 1, "told": 2}}
		if c.inner != "" {
			l.opt.Inner = []string{c.inner}
		}
		err := l.linkInner()
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: %v, want %q", c.inner, err, c.err)
			}
			continue
		}
		must.OK(t, err)
		got := l.obj.Maps[0]
		if in := got.Inner; in.Type != c.want.Type || in.KeySize != c.want.KeySize || in.ValueSize != c.want.ValueSize || in.Max != c.want.Max || got.Untold != (c.inner == "") {
			t.Errorf("%s: %+v, untold %v", c.inner, in, got.Untold)
		}
	}
}
