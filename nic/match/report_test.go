package match_test

import (
	"os"
	"strings"
	"testing"

	"jitnic/host/hosttest/must"
	"jitnic/host/programs"
	"jitnic/nic/match"
	"jitnic/nic/profile"
)

var device = &profile.NIC{Name: "test", Clock: 200_000, Matcher: profile.MatchTree, MatcherLanes: 4, MatcherBase: 10, MatcherStep: 1, MatcherLookup: 20}

// Every sample's report: the groups add up, and a map or a relation of fields is
// what keeps a condition out of a TCAM.
func TestReportOfSamples(t *testing.T) {
	for _, s := range programs.All() {
		r := replay(t, s.Name, "sample:lab", 4000, false)
		x := must.Get(match.Analyse(r.work(s.Name, "lab"), match.Options{}))(t)
		rep := must.Get(x.Report(match.Trees{r.Tree}, device))(t)
		conditions, packets, parsed := 0, uint64(0), 0
		for _, n := range rep.Needs {
			conditions += n.Conditions
			packets += n.Packets
			parsed += n.Parsed.Conditions
		}
		if conditions != rep.Conditions || parsed != rep.Conditions || packets != rep.PathPackets {
			t.Errorf("%s: needs of %d and %d conditions and %d packets, of %d and %d", s.Name, conditions, parsed, packets, rep.Conditions, rep.PathPackets)
		}
		for _, m := range rep.Matchers {
			sum := m.Holds.Packets
			for _, f := range m.Refused {
				sum += f.Packets
			}
			if sum != rep.PathPackets {
				t.Errorf("%s: %s holds or refuses %d packets of %d", s.Name, m.Kind, sum, rep.PathPackets)
			}
			if m.Kind == profile.MatchTree && (m.StepsMax != r.Tree.Depth() || m.Entries != uint64(r.Tree.Nodes())) {
				t.Errorf("%s: tree of depth %d and %d nodes, not %d and %d", s.Name, m.StepsMax, m.Entries, r.Tree.Depth(), r.Tree.Nodes())
			}
			if m.Kind == profile.MatchTCAM && m.Holds != rep.TCAM.Whole {
				t.Errorf("%s: a TCAM without limits holds %v, of %v it could", s.Name, m.Holds, rep.TCAM.Whole)
			}
		}
		if p, w := rep.Parsed, rep.TCAM; p.Whole.Packets < w.Whole.Packets || p.Stateless.Packets < w.Stateless.Packets || w.Stateless.Packets < w.Whole.Packets {
			t.Errorf("%s: a parser or leaving maps away lose conditions: %+v, %+v", s.Name, w, p)
		}
		if w := rep.TCAM; w.Priority > w.Expanded || w.Ranged > w.Priority {
			t.Errorf("%s: more entries by priority or with ranges: %+v", s.Name, w)
		}
		if s.Name == "ipv6filter" && rep.Parsed.Whole.Conditions != rep.Conditions {
			t.Errorf("ipv6filter has no maps, but behind a parser a TCAM holds %d of %d", rep.Parsed.Whole.Conditions, rep.Conditions)
		}
		var a, b strings.Builder
		must.OK(t, rep.Format(&a))
		x = must.Get(match.Analyse(r.work(s.Name, "lab"), match.Options{}))(t)
		rep = must.Get(x.Report(match.Trees{r.Tree}, device))(t)
		if rep.Format(&b); a.String() != b.String() {
			t.Errorf("%s: two reports differ:\n%s\n%s", s.Name, a.String(), b.String())
		}
		if os.Getenv("JITNIC_REPORT") != "" {
			t.Log(a.String())
		}
	}
}
