package points_test

import (
	"slices"
	"strings"
	"testing"

	"jitnic/host/hosttest/must"
	"jitnic/host/loader"
	"jitnic/host/points"
	"jitnic/host/programs"
)

// TestWritten compares what the analysis says of the samples with what their
// sources do.
func TestWritten(t *testing.T) {
	for _, c := range []struct {
		sample, want string
		unknown      bool // it stores through pointers of which the analysis has lost sight
	}{
		{"ipv6filter", "", false},
		{"firewall", "counters", false},
		{"conntrack", "conns counters", false},
		{"loadbalancer", "flows stats", false},
	} {
		s := must.Get(programs.Get(c.sample))(t)
		obj := must.Get(loader.LoadBytes(c.sample, s.Object, loader.Options{}))(t)
		e := must.Get(obj.Entry(s.Entry))(t)
		w, unknown := points.Written(e.Insns, e.Maps)
		var got []string
		for i, is := range w {
			if is {
				got = append(got, e.Maps[i].Name)
			}
		}
		slices.Sort(got)
		if g := strings.Join(got, " "); g != c.want || unknown != c.unknown {
			t.Errorf("%s: writes %q, unknown %v; want %q, %v", c.sample, g, unknown, c.want, c.unknown)
		}
	}
}
