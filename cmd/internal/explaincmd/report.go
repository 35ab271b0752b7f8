package explaincmd

import (
	"encoding/hex"

	"jitnic/cache"
	"jitnic/cmd/internal/report"
	"jitnic/cmd/internal/session"
	"jitnic/host/run/explain"
	"jitnic/host/run/replay"
	"jitnic/nic/workload"
	"jitnic/pcaps"
)

// Report is what --json writes.
type Report struct {
	Program  string            `json:"program"`
	Entry    string            `json:"entry"`
	Captures []string          `json:"captures"`
	Seed     uint64            `json:"seed"`
	Policy   string            `json:"policy"`
	Entries  uint64            `json:"entries,omitempty"`
	Slots    uint64            `json:"slots,omitempty"`
	Mode     string            `json:"mode"` // what was done to have fewer or shorter traces; generic: nothing
	Packets  uint64            `json:"packets"`
	Hits     uint64            `json:"hits"`
	HitRatio float64           `json:"hit_ratio"`
	Misses   map[string]uint64 `json:"misses"`
	Paths    int               `json:"paths"` // that have traces
	Dead     []Dead            `json:"dead"`  // places that paths can't be traces past
	// Sentence says why there are as many paths.
	Sentence string `json:"sentence"`
	// Lines says where source lines are from, or why there are none.
	Lines string `json:"lines"`
	By    string `json:"by"` // what choice points are folded by
	// Points are the choice points, those that make most paths first: they add up
	// to all paths but one.
	Points     []Point        `json:"points"`
	Predicates []Predicate    `json:"predicates,omitempty"`
	PathList   []Path         `json:"path_list,omitempty"` // all paths, by number
	Source     []explain.File `json:"source,omitempty"`
	Partial    bool           `json:"partial,omitempty"`
	Fate       *explain.Fate  `json:"packet,omitempty"` // with --packet: all there is beside the head
	// Segments tell where paths were cut: then all that is said of paths is of segments,
	// and a packet makes a request for each of its own.
	Segments *session.Segments `json:"segments,omitempty"`
	NotRun   *workload.NotRun  `json:"not_run,omitempty"` // of which packets this is no result, and why

	notes []pcaps.Note
	top   int
}

// Dead are the packets of paths that end at one place without a trace.
type Dead struct {
	Place   explain.Place `json:"place"` // where that is in the program; of several places the first
	Reason  string        `json:"reason"`
	Detail  string        `json:"detail,omitempty"`
	Paths   int           `json:"paths"`
	Packets uint64        `json:"packets"`
}

// Point is a choice point, or several that are folded.
type Point struct {
	Rank       int              `json:"rank"`
	Name       string           `json:"name"`  // its place, or what it is folded by
	Place      explain.Place    `json:"place"` // where that is in the program; of several places the first
	Kinds      []string         `json:"kinds"` // branch, helper, alias, …
	Asks       string           `json:"asks"`  // the questions in a few words
	Reads      []string         `json:"reads"` // fields, inputs and maps
	Ways       int              `json:"ways"`  // different answers that paths gave; not to come there is one
	Makes      int              `json:"makes"` // paths it makes, those above it taken away
	Left       int              `json:"left"`  // paths left without it alone
	Paths      int              `json:"paths"` // that come to it
	Packets    uint64           `json:"packets"`
	Cold       uint64           `json:"cold"`     // first packets it costs
	Capacity   *int64           `json:"capacity"` // misses for room it costs; null: not worked out
	Remedies   []explain.Remedy `json:"remedies"` // what would take it away, the one that saves most first
	Points     int              `json:"points"`   // that are folded in it
	Predicates int              `json:"predicates"`
}

// Predicate is a predicate of paths' conditions.
type Predicate struct {
	Point   int           `json:"point"`           // rank of its point; 0: it tells no paths apart
	Place   explain.Place `json:"place"`           // where that is in the program; of several places the first
	Holds   string        `json:"holds,omitempty"` // in words, where it holds
	Fails   string        `json:"fails,omitempty"` // and where it doesn't
	Reads   []string      `json:"reads"`           // fields, inputs and maps that it is about
	Packets uint64        `json:"packets"`
}

// Path is a path with its way through the predicates.
type Path struct {
	Number       int               `json:"number"`
	Packets      uint64            `json:"packets"`
	Hits         uint64            `json:"hits"`
	Misses       map[string]uint64 `json:"misses"`
	First        uint64            `json:"first"` // number of the packet that showed it; the first packet is 1
	Verdict      string            `json:"verdict"`
	Maps         []string          `json:"maps"`         // that its trace touches
	Executed     int               `json:"executed"`     // instructions a miss runs
	Instructions int               `json:"instructions"` // of its trace
	Slots        uint32            `json:"slots"`
	Steps        []int             `json:"steps"` // its condition: twice the predicate's index, and 1 more where it holds
	Code         []string          `json:"code"`
	Data         string            `json:"data"`             // of the first packet, in hex; 256 bytes at most
	Length       int               `json:"length"`           // of the first packet
	Read         []int             `json:"read"`             // offsets of the bytes that the condition reads
	Hit          []uint64          `json:"hits_over_time"`   // in 48 equal stretches of the run
	Miss         []uint64          `json:"misses_over_time"` // likewise
}

// head is what was run.
func head(s *replay.Session, ca *replay.Cache) *Report {
	r := &Report{Program: report.Name(s.In.Program), Entry: s.Entry.Name, Captures: report.Names(s.Source.Files()), Seed: s.In.Seed,
		Policy: ca.Policy, Entries: ca.Entries, Slots: ca.Slots, Mode: ca.Remedies.String(), Packets: s.Runtime.Packets, Misses: map[string]uint64{},
		Dead: []Dead{}, Points: []Point{}, Partial: s.Partial, NotRun: s.NotRun(), notes: s.Source.Notes()}
	o := s.Runtime.NIC.Outcomes()
	r.Hits = o[cache.Hit]
	r.Segments = session.SegmentsOf(s)
	if r.Packets > 0 {
		r.HitRatio = float64(r.Hits) / float64(r.Packets)
	}
	for k := cache.Cold; int(k) < cache.Outcomes; k++ {
		r.Misses[k.String()] = o[k]
	}
	r.Paths = len(s.Runtime.Paths())
	_, r.Lines = explain.Sources(s.Obj, s.In.Program)
	return r
}

// summarise makes the report of a study; all of it, or what the terminal shows.
func summarise(s *explain.Study, folds []*explain.Fold, by string, top int, all bool) *Report {
	r := head(s.Session, &s.Cache)
	r.By, r.top = by, top
	r.Sentence = s.Sentence()
	for _, d := range s.Dead() {
		r.Dead = append(r.Dead, Dead{d.Place, d.Abort.Reason.String(), d.Abort.Detail, d.Paths, d.Packets})
	}
	n := len(folds)
	if !all {
		n = min(n, top)
	}
	for i, f := range folds {
		p := Point{Rank: i + 1, Name: f.Name, Place: f.Points[0].Place, Makes: f.Makes, Left: f.Left, Ways: f.Ways, Paths: f.Paths, Packets: f.Packets,
			Cold: f.Cold, Kinds: f.Kinds(), Points: len(f.Points), Predicates: f.Predicates(), Reads: []string{}, Remedies: []explain.Remedy{}}
		if f.Costed {
			p.Capacity = &f.Capacity
		}
		if i < n {
			p.Asks, p.Reads, p.Remedies = s.Asking(f), s.Reading(f), s.Remedies(f)
		}
		r.Points = append(r.Points, p)
	}
	if all {
		r.rest(s)
	}
	return r
}

// rest is what only files have.
func (r *Report) rest(s *explain.Study) {
	for _, p := range s.Predicates() {
		r.Predicates = append(r.Predicates, Predicate{p.Point + 1, p.Place, p.Holds, p.Fails, p.Reads, p.Packets})
	}
	for _, p := range s.PathList() {
		x := Path{Number: p.Number, Packets: p.Packets, Hits: p.Outcome[cache.Hit], Misses: map[string]uint64{}, First: p.First, Verdict: p.Verdict, Maps: p.Maps,
			Executed: p.Executed, Instructions: p.Instructions, Slots: p.Slots, Code: p.Code, Data: hex.EncodeToString(p.Data), Length: p.Length, Read: p.Read}
		for o := cache.Cold; int(o) < cache.Outcomes; o++ {
			if p.Outcome[o] > 0 {
				x.Misses[o.String()] = p.Outcome[o]
			}
		}
		for _, st := range p.Steps {
			k := 2 * st.Predicate
			if st.Want {
				k++
			}
			x.Steps = append(x.Steps, k)
		}
		for _, w := range p.Over {
			x.Hit, x.Miss = append(x.Hit, w.Hits), append(x.Miss, w.Misses)
		}
		r.PathList = append(r.PathList, x)
	}
	r.Source, _ = explain.Sources(s.Session.Obj, s.Session.In.Program)
}
