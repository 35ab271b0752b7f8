package explaincmd

import (
	"fmt"
	"strings"

	"jitnic/cache"
	"jitnic/cmd/internal/report"
	"jitnic/cmd/internal/session"
)

// document tells why there are as many paths: the sentence first, and what must
// stand on one screen of a terminal.
func (r *Report) document() *report.Document {
	d := &report.Document{Verb: "explain", Title: r.Entry + " on " + strings.Join(r.Captures, ", "), About: "why there are as many paths", Data: r,
		Footer: "Every number is also in the JSON.", Records: []report.Records{r.records()}}
	if r.Partial {
		d.Partial = "What stands here is of the packets until then."
	}
	d.Add(report.Section{ID: "why", Title: "In a sentence", Blocks: []report.Block{
		{Only: report.InText, Pre: strings.Join(report.Wrap(r.Sentence+".", sentenceWidth), "\n")},
		{Only: report.OnPage, Facts: report.Facts{{Name: "paths", Cols: []string{r.Sentence + "."}}}},
		{Apart: true, Facts: r.facts()},
	}})
	d.Add(report.Section{ID: "points", Title: "Choice points", Blocks: []report.Block{{Apart: true, Table: r.table()}}})
	d.Add(report.Section{ID: "tree", Title: "The choices, and the paths they lead to", Blocks: []report.Block{{Only: report.OnPage, Choices: r.choices()}}})
	d.Add(report.Section{ID: "remedies", Title: "What would take them away", Blocks: []report.Block{{Only: report.OnPage, Table: r.remedies()}}})
	return d
}

// sentenceWidth is how wide the sentence is on a terminal, in characters.
const sentenceWidth = 100

// facts are what the sentence is about.
func (r *Report) facts() (f report.Facts) {
	f.Addf("program", "%s (%s) on %s", r.Program, r.Entry, strings.Join(r.Captures, ", "))
	f.Notes(r.notes)
	size := fmt.Sprintf("%d entries", r.Entries)
	if r.Slots > 0 {
		size = fmt.Sprintf("%d slots", r.Slots)
	}
	var missed []string
	for o := cache.Cold; int(o) < cache.Outcomes; o++ {
		if n := r.Misses[o.String()]; n > 0 || o == cache.Cold || o == cache.Capacity {
			missed = append(missed, fmt.Sprintf("%s %s", report.Count(n), o))
		}
	}
	f.Addf("packets", "%s, of which %s hit (%s, %s, %s traces); misses: %s", report.Count(r.Packets), report.Share(r.Hits, r.Packets), r.Policy, size, r.Mode, strings.Join(missed, ", "))
	f = append(f, r.Segments.Facts()...)
	f = append(f, session.NotRun(r.NotRun, r.Packets)...)
	for i, x := range r.Dead {
		if i == fewDead {
			f.Addf("no trace", "%d more places", len(r.Dead)-i)
			break
		}
		what := x.Reason
		if x.Detail != "" {
			what += ", " + x.Detail
		}
		f.Addf("no trace", "%s packets, %d paths: %s at %s", report.Count(x.Packets), x.Paths, what, x.Place)
	}
	f.Add("lines", r.Lines)
	return f
}

// fewDead is how many places without traces are named.
const fewDead = 3

// What is said below the choice points, and where some remedy is only worked out.
const (
	told    = "makes: paths, those of the rows above taken away (they add up to all but one); left: paths without this one alone; ways: different answers, not to come there being one; cold, capacity: misses it costs."
	guessed = told + " What would take a point away was done beside the run; about: worked out from recorded traces, and not tried."
)

// table has the choice points.
func (r *Report) table() *report.Table {
	t := &report.Table{ID: "points", Title: "Choice points, those that make most paths first", Open: true, Wrap: true, Left: 2, Right: 2,
		Head:     []string{r.By, "asks", "makes", "left", "ways", "packets", "cold", "capacity", "would take it away", "source"},
		TextCols: []int{0, 1, 2, 3, 4, 5, 6, 7, 8},
		Note:     told,
		PageNote: "What would take a point away is proved (merge, predicate), measured (segments), or worked out from the recorded traces, which prove nothing: By point says which; - where nobody worked it out."}
	for i := range r.Points {
		p := &r.Points[i]
		capacity := "-"
		if p.Capacity != nil {
			capacity = fmt.Sprint(*p.Capacity)
		}
		away := "-"
		if len(p.Remedies) > 0 {
			about := ""
			if x := p.Remedies[0]; !x.Known && !x.Measured {
				about, t.Note = "about ", guessed
			}
			away = fmt.Sprintf("%s: %s%d fewer", p.Remedies[0].Name, about, p.Remedies[0].Saves)
		}
		t.Add(p.Name, clip(p.Asks, fewAsks), fmt.Sprint(p.Makes), fmt.Sprint(p.Left), fmt.Sprint(p.Ways), report.Count(p.Packets), fmt.Sprint(p.Cold), capacity, away, p.Place.Source)
	}
	if r.Segments != nil && len(r.Segments.Tables) > 1 {
		t.Note += " Paths are segments here, and each packet makes a request for each of its own: packets, cold and capacity count requests."
	}
	t.First(r.top)
	if n := len(r.Points) - r.top; n > 0 {
		rest := 0
		for _, p := range r.Points[r.top:] {
			rest += p.Makes
		}
		t.TextNote = fmt.Sprintf("%d more rows make %d paths (--top, or a file).", n, rest)
	}
	return t
}

// fewAsks is how many characters of a question a row has.
const fewAsks = 48

// clip leaves of a text what has room, whole words.
func clip(s string, n int) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	for end := n - 1; end > n/2; end-- {
		if r[end] == ' ' {
			return strings.TrimRight(string(r[:end]), ",") + " …"
		}
	}
	return string(r[:n-1]) + "…"
}

// remedies has all that would take a point away.
func (r *Report) remedies() *report.Table {
	t := &report.Table{ID: "remedies", Title: "By point", Left: 2, Right: 2, Wrap: true, Head: []string{r.By, "remedy", "entries fewer", "price", ""}}
	for i := range r.Points {
		for _, x := range r.Points[i].Remedies {
			known := "worked out from recorded traces"
			switch {
			case x.Known:
				known = "proved"
			case x.Measured:
				known = "measured on the ways that packets took"
			}
			t.Add(r.Points[i].Name, x.Name, fmt.Sprint(x.Saves), x.Price, known)
		}
	}
	return t
}

// records are a row for each choice point.
func (r *Report) records() report.Records {
	out := report.Records{Name: "rows.csv", Columns: []report.Column{{Name: "rank"}, {Name: "name"}, {Name: "where", Key: "place.where"}, {Name: "function", Key: "place.function"},
		{Name: "insn", Key: "place.insn"}, {Name: "kinds"}, {Name: "asks"}, {Name: "ways"}, {Name: "makes"}, {Name: "left"}, {Name: "paths"}, {Name: "packets"},
		{Name: "cold"}, {Name: "capacity"}, {Name: "points"}, {Name: "predicates"}, {Name: "source", Key: "place.source"}}}
	for i := range r.Points {
		out.Rows = append(out.Rows, &r.Points[i])
	}
	return out
}

// fateDocument tells what became of one packet.
func (r *Report) fateDocument() *report.Document {
	p := r.Fate
	d := &report.Document{Verb: "explain", Title: fmt.Sprintf("packet %d: %s on %s", p.Packet, r.Entry, strings.Join(r.Captures, ", ")), About: "why a packet missed", Data: r,
		Footer: "All of it is also in the JSON.", Records: []report.Records{r.way()}}
	var f report.Facts
	f.Addf("program", "%s (%s) on %s", r.Program, r.Entry, strings.Join(r.Captures, ", "))
	frame := ""
	if p.Frame != "" {
		frame = " (" + p.Frame + ")"
	}
	f.Addf("packet", "%d%s of %d bytes, %s", p.Packet, frame, p.Length, p.Verdict)
	thing := "path"
	if len(p.Segments) > 0 {
		thing = "segment"
	}
	if p.Path >= 0 && len(p.Segments) == 0 {
		f.Addf("path", "%d", p.Path)
	}
	for i, x := range p.Segments {
		name := ""
		if i == 0 {
			name = "segments"
		}
		f.Addf(name, "%d in table %d, from %s on: %s", x.Segment, x.Table, x.From, x.Outcome)
	}
	f.Addf("when it came", "%d %ss were known, %d traces installed (%s)", p.Known, thing, p.Installed, r.Policy)
	for i, e := range p.History {
		if n := len(p.History) - fewEvents; i < n && i > 0 {
			continue // the first and the last
		} else if i == n && n > 1 {
			f.Addf("", "%d more", n-1)
		}
		name := ""
		if i == 0 {
			name = "its trace"
		}
		what := fmt.Sprintf("%s during packet %d", e.What, e.Packet)
		if e.By >= 0 {
			what += fmt.Sprintf(", for that of %s %d", thing, e.By)
		}
		f.Add(name, what)
	}
	f.Add("lines", r.Lines)
	d.Add(report.Section{ID: "why", Title: "In a sentence", Blocks: []report.Block{
		{Only: report.InText, Pre: strings.Join(report.Wrap(fmt.Sprintf("packet %d: %s.", p.Packet, p.Why), sentenceWidth), "\n")},
		{Only: report.OnPage, Facts: report.Facts{{Name: "why", Cols: []string{p.Why + "."}}}},
		{Apart: true, Facts: f}}})
	left := &report.Table{ID: "left", Title: "Installed traces it left, the nearest first", Open: true, Left: 1, Right: 4, Head: []string{thing, "agreed", "at", "wants", "has", "source"}}
	for _, l := range p.Left {
		left.Add(fmt.Sprint(l.Path), fmt.Sprintf("%d of %d", l.Agreed, l.Of), l.Decision.Place.Where, clip(l.Decision.Predicate, 60), l.Decision.Value, l.Decision.Place.Source)
	}
	d.Add(report.Section{ID: "left", Title: "Where it left installed traces", Blocks: []report.Block{{Apart: true, Table: left}}})
	way := &report.Table{ID: "way", Title: "Its way: what it satisfied, in program order", Open: true, Left: 4, Head: []string{"at", "predicate", "has", "source"}}
	for _, x := range p.Way {
		way.Add(x.Place.Where, clip(x.Predicate, 60), x.Value, x.Place.Source)
	}
	d.Add(report.Section{ID: "way", Title: "Its way", Blocks: []report.Block{{Apart: true, Table: way}}})
	return d
}

// fewEvents is how many events of a trace are told beside the first.
const fewEvents = 4

// way is a row for each predicate of the packet's path.
func (r *Report) way() report.Records {
	out := report.Records{Name: "rows.csv", Columns: []report.Column{{Name: "where", Key: "place.where"}, {Name: "function", Key: "place.function"}, {Name: "insn", Key: "place.insn"},
		{Name: "predicate"}, {Name: "value"}, {Name: "source", Key: "place.source"}}}
	for i := range r.Fate.Way {
		out.Rows = append(out.Rows, &r.Fate.Way[i])
	}
	return out
}
