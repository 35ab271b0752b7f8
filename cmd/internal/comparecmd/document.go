package comparecmd

import (
	"fmt"
	"slices"
	"strings"

	"jitnic/cache"
	"jitnic/cmd/internal/report"
	"jitnic/cmd/internal/session"
)

// document tells the study.
func (r *Report) document() *report.Document {
	d := &report.Document{Verb: "compare", Title: r.title(), About: "eviction policies, admissions and sizes on one run, with the optimal bound",
		Footer: "Every number is also in rows.csv and study.json.", Data: r, Records: []report.Records{r.records()}}
	if r.Partial {
		d.Partial = fmt.Sprintf("What stands here is whole; %d of %d points are there", len(r.Rows), r.PlannedPoints)
		if r.PartialInput {
			d.Partial += ", and the captures were not read to the end"
		}
		d.Partial += "."
	}
	d.Add(report.Section{ID: "stream", Title: "The stream", Blocks: []report.Block{{Facts: r.summary()}}})
	add := func(id, title string, charts ...*report.Chart) {
		charts = slices.DeleteFunc(charts, func(c *report.Chart) bool { return c == nil || len(c.Series) == 0 })
		d.Add(report.Section{ID: id, Title: title, Blocks: []report.Block{{Charts: charts}}})
	}
	add("curves", "Miss ratio by cache size", r.missRatio())
	var heats []report.Block
	for _, u := range units {
		if h := r.heat(u); h != nil {
			heats = append(heats, report.Block{Heat: h})
		}
	}
	d.Add(report.Section{ID: "heat", Title: "Policy × size", Blocks: heats})
	add("time", "Over time", r.overTime(), r.workingSet())
	add("popularity", "Popularity and reuse", r.popularity(), r.reuse())
	d.Add(report.Section{ID: "tree", Title: "Trace tree", Blocks: []report.Block{{Tree: r.tree(r.Tree, 0),
		Note: fmt.Sprintf("The conditions of the %d most popular paths, in program order: predicates that paths have in common stand once. Share of packets and number of paths beside each branch.", len(r.Paths))}}})
	if t := r.packetTable(); t != nil {
		d.Add(report.Section{ID: "packets", Title: "Packets, segment by segment", Blocks: []report.Block{{Apart: true, Facts: r.Segments.Where()}, {Apart: true, Table: t}}})
	}
	var tables []report.Block
	for _, t := range r.tables() {
		tables = append(tables, report.Block{Apart: true, Table: t, Long: !t.Open})
	}
	d.Add(report.Section{ID: "tables", Title: "Tables", Blocks: tables})
	d.Add(session.ModesSection(r.Remedies))
	if r.Attack != nil {
		d.Records = append(d.Records, r.attackRecords())
	}
	return d
}

// tree is the trace tree as it is unfolded.
func (r *Report) tree(nodes []Node, depth int) []report.Node {
	var out []report.Node
	for i := range nodes {
		n := &nodes[i]
		share := float64(n.Packets) / float64(max(r.Profile.Requests, 1))
		x := report.Node{Share: share, Text: n.title(), Lines: report.Noted(n.Predicates, n.At), Open: depth < 3 && share > 0.02, Children: r.tree(n.Children, depth+1)}
		if n.Path != nil {
			x.Class, x.Open = "good", false
			x.Text += fmt.Sprintf(", %s packets", report.Count(n.Packets))
			if n.Slots > 0 {
				x.Text += fmt.Sprintf(", %d slots", n.Slots)
			}
			if n.Abort != "" {
				x.Class = "bad"
			}
		}
		out = append(out, x)
	}
	return out
}

// summary is what the stream is like.
func (r *Report) summary() (out report.Facts) {
	line := out.Addf
	p := &r.Profile
	if r.Program != "" {
		line("program", "%s (%s), %s traces", r.Program, r.Entry, r.Mode)
	}
	line("capture", "%s", strings.Join(r.Captures, ", "))
	note := ""
	switch {
	case r.PartialInput:
		note = "  (partial: interrupted while the captures were read)"
	case r.Partial:
		note = "  (partial: interrupted)"
	}
	unit := "packets"
	if r.Program == "" {
		unit = "requests"
	}
	n := uint64(p.Requests)
	defer func() { out.Notes(r.notes) }()
	line(unit, "%s, %s bytes%s", report.Count(n), report.Count(p.Bytes), note)
	if p.Resized > 0 {
		line("sizes", "%s requests ask another size of their id than the one before: an entry keeps the size it was put in with, bytes are counted as requested", report.Count(p.Resized))
	}
	if len(p.Unused) > 0 {
		line("not used", "column %s", strings.Join(p.Unused, ", "))
	}
	if p.Seconds > 0 {
		line("duration", "%.3f s", p.Seconds)
	}
	out = append(out, session.NotRun(r.NotRun, n)...)
	line("paths", "%s; %s requested once only (%s of the paths)", report.Count(uint64(p.Paths)), report.Count(uint64(p.OneHit)), report.Share(uint64(p.OneHit), uint64(p.Paths)))
	line("uncacheable", "%s (%s)", report.Count(uint64(p.Uncacheable)), report.Share(uint64(p.Uncacheable), n))
	line("invalidations", "%s", report.Count(uint64(p.Invalidations)))
	if z := p.Slots; z != nil {
		line("trace sizes", "%d to %d slots, %.1f on average; all of them take %s", z.Min, z.Max, z.Mean, report.Count(z.Total))
	}
	out = append(out, session.Superopt(r.Superopt)...)
	if p.Paths > 1 {
		line("popularity", "Zipf with α = %.2f, R² = %.2f of the line through log count over log rank", p.ZipfAlpha, p.ZipfR2)
	}
	if k := len(p.WorkingSet); k > 0 {
		most, sum := 0, 0
		for _, s := range p.WorkingSet {
			most, sum = max(most, s.Unique), sum+s.Unique
		}
		line("working set", "%.1f paths on average, %d at most, in %d windows of about %s %s", float64(sum)/float64(k), most, k, report.Count(uint64(p.WorkingSet[0].To-p.WorkingSet[0].From)), unit)
	}
	if m, q := quantile(p.ReuseStack, 0.5), quantile(p.ReuseStack, 0.99); m > 0 {
		line("reuse distance", "half of the repeats come within %s different paths, 99 %% within %s", report.Count(uint64(m)), report.Count(uint64(q)))
	}
	var parts []string
	for _, h := range cache.HitTargets {
		k := p.Smallest[fmt.Sprintf("%.2f", h)]
		s := "at no size"
		if k != nil {
			s = report.Count(*k) + " entries"
		}
		parts = append(parts, fmt.Sprintf("%.0f %%: %s", 100*h, s))
	}
	about := ""
	if p.LRUEstimate {
		about = fmt.Sprintf("  (an estimate by SHARDS from %.4g of the paths)", p.LRURate)
	}
	line("lru hits", "%s%s", strings.Join(parts, ", "), about)
	cfg := fmt.Sprintf("hot after %d, install takes %d packets, seed %d", r.HotThreshold, r.InstallDelay, r.Seed)
	line("caches", "%s points of %d planned; %s", report.Count(uint64(len(r.points))), r.PlannedPoints, cfg)
	for _, l := range p.Labels {
		line("labelled", "%s %s (%s)", report.Count(l.Requests), l.Label, report.Share(l.Requests, n))
	}
	return out
}

// quantile is the upper end of the bucket in which that share of the requests
// is reached.
func quantile(b []Bucket, share float64) uint32 {
	var all, sum uint64
	for _, x := range b {
		all += x.Requests
	}
	for _, x := range b {
		if sum += x.Requests; sum > 0 && float64(sum) >= share*float64(all) {
			return x.To
		}
	}
	return 0
}
