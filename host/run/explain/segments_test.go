package explain

import (
	"slices"
	"strings"
	"testing"

	"jitnic/cache"
	"jitnic/host/run/jit"
	"jitnic/host/run/replay"
)

// What a cut would leave, and what would hit, is what a run with that cut has.
func TestSegmentsAreMeasured(t *testing.T) {
	for _, program := range []string{"telemetry", "conntrack"} {
		in := replay.Input{Program: "sample:" + program, Captures: []string{"sample:lab"}, Limit: 6000, Seed: 1}
		ca := replay.Cache{Policy: "lru", Entries: 16}
		s, err := Run(t.Context(), in, ca, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Session.Close()
		tried := 0
		left := s.cutter.Left()
		for i, pc := range s.cutter.Places() {
			if tried++; tried%20 != 11 {
				continue
			}
			hits, ok := s.cutAt(pc)
			if !ok {
				t.Fatal("not measured")
			}
			r, err := replay.Open(t.Context(), in, ca, func(o *jit.Options) { o.Cuts = []int{pc} })
			if err != nil {
				t.Fatal(err)
			}
			if err := r.Run(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
			if n, o := len(r.Runtime.Paths())+len(r.Runtime.Dead()), r.Runtime.NIC.Outcomes()[cache.Hit]; n != left[i] || o != hits {
				t.Errorf("%s cut at %d: %d entries and %d hits measured, a run has %d and %d", program, pc, left[i], hits, n, o)
			}
			r.Close()
		}
	}
}

// Where paths are cut, what is explained are the segments: the numbers of the sentence
// add up to them, the outcomes are those of packets, and what is counted by segment
// adds up to the requests.
func TestExplainSegments(t *testing.T) {
	in := replay.Input{Program: "sample:telemetry", Captures: []string{"sample:lab"}, Limit: 6000, Seed: 1}
	s, err := Run(t.Context(), in, replay.Cache{Policy: "lru", Entries: 16, Remedies: replay.Remedies{Segments: 3}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Session.Close()
	if err := s.Cost(12); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(s.Sentence(), " segments: ") {
		t.Error(s.Sentence())
	}
	if o := s.Outcomes(); o.Total() != s.Packets() || s.Packets() != 6000 {
		t.Errorf("%d packets, outcomes %v", s.Packets(), o)
	}
	st := s.runtime.NIC.Cache.Stats().Outcome
	var sum, over cache.Counts
	for _, p := range s.PathList() {
		for o, n := range p.Outcome {
			sum[o] += n
		}
		for _, w := range p.Over {
			over[cache.Hit] += w.Hits
		}
	}
	sum[cache.Uncacheable] = st[cache.Uncacheable]
	if sum != st || over[cache.Hit] != st[cache.Hit] {
		t.Errorf("%v and %v by segment, the cache counts %v", sum, over, st)
	}
	makes := 0
	for _, p := range s.Points {
		makes += p.Makes
	}
	if n := s.tables(); n != 3 || makes+n != s.Paths() {
		t.Errorf("%d segments in %d tables, and points make %d", s.Paths(), n, makes)
	}
	if !slices.ContainsFunc(s.Points, func(p *Point) bool { return p.Costed && p.Capacity > 0 }) {
		t.Error("no point costs a miss for room")
	}
}
