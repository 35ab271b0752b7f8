package session

import (
	"fmt"
	"strings"

	"jitnic/cache"
	"jitnic/cmd/internal/report"
	"jitnic/host/run/replay"
)

// Cut tells where paths were cut.
type Cut struct {
	*replay.Cuts
	Tables []SegmentTable `json:"tables"` // one for the program's beginning, and one for each place
}

// Segments tells where paths were cut, and what a cache did with the segments.
type Segments struct {
	Cut
	Requests uint64 `json:"requests"` // of the cache: one for each segment of a packet
	Hits     uint64 `json:"hits"`     // of these
	Buffer   int    `json:"buffer"`   // bytes of packet and map values held back at most until a packet's last segment had hit
	Engine   string `json:"engine"`   // what ran the segments, packet by packet: native, go
}

// SegmentTable is what stands in one table.
type SegmentTable struct {
	Place      string  `json:"place"`      // where its segments begin
	Segments   int     `json:"segments"`   // known at the end
	Dead       int     `json:"dead"`       // that can't be traces
	Ends       int     `json:"ends"`       // that end in a verdict
	Slots      float64 `json:"slots"`      // mean size of an entry
	Predicates float64 `json:"predicates"` // in the mean
	Packets    uint64  `json:"packets"`    // that came to it
}

// SegmentsOf tells where a session's paths were cut, and what its cache did; nil: they
// weren't to be.
func SegmentsOf(s *replay.Session) *Segments {
	c := CutOf(s)
	if c == nil {
		return nil
	}
	rt := s.Runtime
	st := rt.NIC.Cache.Stats()
	return &Segments{Cut: *c, Requests: st.Outcome.Total(), Hits: st.Outcome[cache.Hit], Buffer: rt.NIC.Buffer(), Engine: rt.Engine()}
}

// CutOf tells where a session's paths were cut; nil: they weren't to be.
func CutOf(s *replay.Session) *Cut {
	if s.Cuts == nil {
		return nil
	}
	rt := s.Runtime
	r := &Cut{Cuts: s.Cuts}
	if len(rt.Tables()) < 2 {
		return r
	}
	for i := range rt.Tables() {
		t := SegmentTable{Place: "the program's beginning"}
		if i > 0 {
			t.Place = s.Cuts.Places[i-1]
		}
		r.Tables = append(r.Tables, t)
	}
	for id, p := range rt.Paths() {
		t := &r.Tables[p.Path.Table]
		slots, _ := rt.Price(int32(id))
		t.Segments++
		t.Slots += float64(slots)
		t.Predicates += float64(len(p.Path.Cond))
		t.Packets += p.Packets
		if p.Path.Next == 0 {
			t.Ends++
		}
	}
	for _, d := range rt.Dead() {
		if d.Path != nil {
			r.Tables[d.Path.Table].Dead++
		}
	}
	for i := range r.Tables {
		if t := &r.Tables[i]; t.Segments > 0 {
			t.Slots /= float64(t.Segments)
			t.Predicates /= float64(t.Segments)
		}
	}
	return r
}

// Facts are the same, line by line.
func (s *Segments) Facts() (f report.Facts) {
	if s == nil {
		return nil
	}
	if f = s.Where(); len(s.Tables) == 0 {
		return f
	}
	f.Add("  requests", report.Count(s.Requests), "", fmt.Sprintf("one for each segment of a packet; %s hit", report.Count(s.Hits)))
	f.Add("  held back", fmt.Sprintf("%d bytes", s.Buffer), "", "of packet and map values at most, until a packet's last segment had hit; where one misses they are undone")
	return f
}

// Where are the lines that tell the places and tables.
func (s *Cut) Where() (f report.Facts) {
	if s == nil {
		return nil
	}
	if len(s.Tables) == 0 {
		why := fmt.Sprintf("no place to cut the program leaves fewer entries than the %d ways that the first %d packets took", s.Paths, s.Cuts.Packets)
		if len(s.Tried) > 1 {
			why = fmt.Sprintf("of the first %d packets %s", s.Cuts.Packets, s.tried())
		}
		f.Add("segments", "none: "+why+"; its paths stay whole")
		return f
	}
	f.Addf("segments", "%d tables; the first %d packets took %d ways through the program, and %d from one cut to the next", len(s.Tables), s.Cuts.Packets, s.Paths, s.Cuts.Segments)
	if len(s.Tried) > 1 {
		f.Addf("  why", "of the first %d packets %s", s.Cuts.Packets, s.tried())
	}
	for _, t := range s.Tables {
		f.Add("  table", report.Count(uint64(t.Segments)), "", fmt.Sprintf("from %s: %.1f slots and %.1f predicates in the mean, %d end in a verdict; %s packets", t.Place, t.Slots, t.Predicates, t.Ends, report.Count(t.Packets)))
	}
	return f
}

// tried says what hit with each set of cuts that was tried.
func (s *Cut) tried() string {
	var out []string
	for _, t := range s.Tried {
		how := "whole paths hit"
		if t.Tables > 1 {
			how = fmt.Sprintf("%d tables", t.Tables)
		}
		out = append(out, fmt.Sprintf("%s %.2f %%", how, 100*t.HitRatio))
	}
	return strings.Join(out, ", ")
}
