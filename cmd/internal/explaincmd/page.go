package explaincmd

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"jitnic/cache"
	"jitnic/cmd/internal/report"
	"jitnic/host/run/explain"
)

// mostPaths is how many paths stand in the page's tree, of some kilobytes each: those
// of most packets. The JSON has all.
const mostPaths = 1000

// choices is the page's tree.
func (r *Report) choices() *report.Choices {
	if len(r.PathList) == 0 {
		return nil
	}
	c := &report.Choices{ID: "choices", Folds: explain.Folds(), Points: []report.ChoicePoint{}, Preds: []report.ChoicePred{}, Source: []report.ChoiceSource{}}
	asks := map[int]string{}
	for i := range r.Points {
		p := &r.Points[i]
		asks[p.Rank] = p.Asks
		if r.By == c.Folds[0] {
			c.Points = append(c.Points, report.ChoicePoint{File: p.Place.File, Line: p.Place.Line, Asks: p.Asks, Makes: p.Makes, Left: p.Left})
		}
	}
	for i := range r.Predicates {
		p := &r.Predicates[i]
		x := report.ChoicePred{Where: p.Place.Where, File: p.Place.File, Line: p.Place.Line, Holds: p.Holds, Fails: p.Fails,
			Keys: map[string]string{}}
		for _, by := range c.Folds {
			x.Keys[by] = explain.FoldName(by, p.Place, p.Reads)
		}
		if r.By == c.Folds[0] {
			x.Asks = asks[p.Point]
		}
		c.Preds = append(c.Preds, x)
	}
	paths := slices.Clone(r.PathList)
	slices.SortStableFunc(paths, func(a, b Path) int { return cmp.Compare(b.Packets, a.Packets) })
	if n := len(paths) - mostPaths; n > 0 {
		rest := uint64(0)
		for _, p := range paths[mostPaths:] {
			rest += p.Packets
		}
		c.More = fmt.Sprintf("%d paths more, of %s packets, are in the JSON.", n, report.Count(rest))
		paths = paths[:mostPaths]
	}
	for i := range paths {
		p := &paths[i]
		x := report.ChoicePath{Number: p.Number, Packets: p.Packets, Hits: p.Hits, Verdict: p.Verdict, Steps: p.Steps, Code: p.Code, Data: p.Data, Length: p.Length,
			Read: p.Read, Hit: p.Hit, Miss: p.Miss}
		if x.Steps == nil {
			x.Steps = []int{}
		}
		x.Facts = [][2]string{{"packets", fmt.Sprintf("%s, %s of all", report.Count(p.Packets), report.Share(p.Packets, r.Packets))}, {"hits", report.Count(p.Hits)}, {"misses", p.missed()},
			{"first seen", fmt.Sprintf("packet %d", p.First)}, {"verdict", p.Verdict}, {"maps", p.touches()},
			{"cost", fmt.Sprintf("a miss runs %d instructions, a hit %d; its entry takes %d slots", p.Executed, p.Instructions, p.Slots)}}
		c.Paths = append(c.Paths, x)
	}
	for _, f := range r.Source {
		s := report.ChoiceSource{Name: f.Name}
		for _, l := range f.Lines {
			s.Lines = append(s.Lines, report.ChoiceSourceLine{Number: l.Number, Text: l.Text})
		}
		c.Source = append(c.Source, s)
	}
	return c
}

// missed are a path's misses by class.
func (p *Path) missed() string {
	var out []string
	for o := cache.Cold; int(o) < cache.Outcomes; o++ {
		if n := p.Misses[o.String()]; n > 0 {
			out = append(out, fmt.Sprintf("%s %v", report.Count(n), o))
		}
	}
	if len(out) == 0 {
		return "0"
	}
	return strings.Join(out, ", ")
}

func (p *Path) touches() string {
	if len(p.Maps) == 0 {
		return "none"
	}
	return strings.Join(p.Maps, ", ")
}
