package explain

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"jitnic/cache"
	"jitnic/host/hosttest/must"
	"jitnic/host/run/jit"
	"jitnic/host/run/replay"
	"jitnic/nic"
)

// What a cut would leave, and what would hit, is what a run with that cut has.
func TestSegmentsAreMeasured(t *testing.T) {
	for _, program := range []string{"telemetry", "conntrack"} {
		in := replay.Input{Program: "sample:" + program, Captures: []string{"sample:lab"}, Limit: 6000, Seed: 1}
		ca := replay.Cache{Policy: "lru", Entries: 16}
		s := must.Get(Run(t.Context(), in, ca, nil))(t)
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
			r := must.Get(replay.Open(t.Context(), in, ca, func(o *jit.Options) { o.Cuts = []int{pc} }))(t)
			must.OK(t, r.Run(t.Context(), nil))
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
	s := must.Get(Run(t.Context(), in, replay.Cache{Policy: "lru", Entries: 16, Remedies: replay.Remedies{Segments: 3}}, nil))(t)
	defer s.Session.Close()
	must.OK(t, s.Cost(12))
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

// Of a packet whose path is cut it is told what the replay says: its segments, the first
// of them that missed, who took its room, and where the packet left what is in the same
// table.
func TestPacketOfSegments(t *testing.T) {
	in := replay.Input{Program: "sample:conntrack", Captures: []string{"sample:lab"}, Limit: 3000, Seed: 1}
	ca := replay.Cache{Policy: "lru", Entries: 4, Remedies: replay.Remedies{Segments: 3}}
	type went struct {
		out      cache.Outcome
		path     nic.Path
		segments []nic.Path
		each     []cache.Outcome
	}
	var all []went
	s := must.Get(replay.Open(t.Context(), in, ca, nil))(t)
	defer s.Close()
	must.OK(t, s.Run(t.Context(), func(p *replay.Packet) error {
		r := p.Result
		all = append(all, went{r.Outcome, r.Path, slices.Clone(r.Segments), slices.Clone(r.Each)})
		return nil
	}))
	type what struct {
		out   cache.Outcome
		table int
	}
	seen := map[what]int{}
	for i, w := range all {
		if len(w.segments) == 0 {
			t.Fatalf("packet %d has no segments", i+1)
		}
		k := what{w.out, s.Runtime.Paths()[w.path].Path.Table}
		if seen[k]++; seen[k] != 2 && seen[k] != 60 { // a few of each
			continue
		}
		f, x, err := Packet(t.Context(), in, ca, nil, uint64(i+1))
		must.OK(t, err)
		if !slices.Equal(x.Cuts.Places, s.Cuts.Places) {
			t.Fatalf("cut at %v, a run is at %v", x.Cuts.Places, s.Cuts.Places)
		}
		x.Close()
		if f.Outcome != w.out.String() || f.Path != int(w.path) || len(f.Segments) != len(w.segments) || !strings.HasPrefix(f.Why, f.Outcome) {
			t.Fatalf("packet %d: %+v, a run has %+v", i+1, f, w)
		}
		for j, p := range f.Segments {
			if p.Segment != int(w.segments[j]) || p.Outcome != w.each[j].String() || p.Table != s.Runtime.Paths()[p.Segment].Path.Table {
				t.Errorf("packet %d: %+v, a run has %+v", i+1, f.Segments, w)
			}
		}
		if k := f.missed(); k >= 0 && f.Segments[k].Segment != f.Path || k < 0 != (w.out == cache.Hit) {
			t.Errorf("packet %d: of %+v it is told that %d missed", i+1, f.Segments, f.Path)
		}
		for _, l := range f.Left {
			if s.Runtime.Paths()[l.Path].Path.Table != k.table || l.Agreed >= l.Of || l.Decision.Predicate == "" {
				t.Errorf("packet %d missed in table %d and left %+v", i+1, k.table, l)
			}
		}
		if w.out == cache.Capacity {
			last := f.History[len(f.History)-1]
			if last.What != "evicted" || last.By < 0 || last.By == f.Path || !slices.Contains(all[last.Packet-1].segments, nic.Path(last.By)) || !strings.Contains(f.Why, fmt.Sprintf("when that of segment %d took its room", last.By)) {
				t.Errorf("packet %d: %s %+v", i+1, f.Why, last)
			}
		}
		for _, d := range f.Way {
			if d.Place.Where == "" || d.Predicate == "" || strings.Contains(d.Predicate, "mem[2") {
				t.Errorf("packet %d: %+v", i+1, d)
			}
		}
	}
	for _, k := range []what{{cache.Hit, 1}, {cache.Cold, 0}, {cache.Cold, 1}, {cache.Capacity, 0}, {cache.Capacity, 1}} {
		if seen[k] < 2 {
			t.Errorf("no packet like %+v: %v", k, seen)
		}
	}
}
