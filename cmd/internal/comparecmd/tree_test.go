package comparecmd

import (
	"strings"
	"testing"

	"jitnic/host/hosttest/must"
	"jitnic/host/run/replay"
)

// Every predicate of the tree says where the program asks it: by source line where the
// object has lines, else by function and instruction.
func TestTreePlaces(t *testing.T) {
	for _, c := range []struct{ program, place string }{{"sample:firewall", ".c:"}, {"filter:tcp or udp", "+"}} {
		s := must.Get(replay.Open(t.Context(), replay.Input{Program: c.program, Captures: []string{"sample:vlan"}, Limit: 500, Seed: 1, Loop: 1, Queues: 1}, replay.Cache{Policy: "lru"}, nil))(t)
		must.OK(t, s.Run(t.Context(), nil))
		rows, nodes := conditions(s.Runtime)
		s.Close()
		for _, r := range rows {
			if len(r.At) != len(r.Condition) {
				t.Fatalf("%s: path %d: %d places of %d predicates", c.program, r.Path, len(r.At), len(r.Condition))
			}
		}
		seen := 0
		var walk func(n []Node)
		walk = func(n []Node) {
			for i := range n {
				if len(n[i].At) != len(n[i].Predicates) {
					t.Fatalf("%s: %d places of %q", c.program, len(n[i].At), n[i].Predicates)
				}
				for _, at := range n[i].At {
					if !strings.Contains(at, c.place) && !strings.Contains(at, ".h:") {
						t.Errorf("%s: %q is no place of the kind %q", c.program, at, c.place)
					}
					seen++
				}
				walk(n[i].Children)
			}
		}
		walk(nodes)
		if seen == 0 {
			t.Errorf("%s: no predicates", c.program)
		}
	}
}
