package studycmd

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"jitnic/cache/policy"
	"jitnic/cmd/internal/report"
	"jitnic/host/study"
	"jitnic/host/study/result"
)

// document is the study's page: its answers first, then what they are made of.
func (r *results) document() *report.Document {
	title := r.study.Name
	if title == "" {
		title = "A study"
	}
	d := &report.Document{Verb: "study", Title: title, About: r.study.Question, FigureDir: "figures", Wrap: 100,
		Footer: "Every number is also in rows.parquet, rows.csv, cells.csv, ranking.csv, pairs.csv and windows.csv."}
	if d.About == "" {
		d.About = "programs × captures × settings"
	}
	d.Terms = report.Terms{}
	for _, c := range r.cells {
		d.Terms["cell."+tail(c.Cell)] = report.Term{Anchor: "cell-" + c.Cell[:12], Word: c.Cell[:12], Tip: "the cell, and the command that repeats it"}
	}
	d.Add(report.Section{ID: "study", Title: "The study", Blocks: []report.Block{{Facts: r.overview()}}})
	d.Add(report.Section{ID: "answers", Title: "Which policy, which size", Blocks: apart(append(r.answers(), r.bestBySize()...))})
	d.Add(report.Section{ID: "pays", Title: "Does it pay", Blocks: apart(r.pays())})
	d.Add(report.Section{ID: "curves", Title: "Miss ratios by size", Blocks: []report.Block{{Only: report.OnPage, Charts: r.curves()}}})
	d.Add(report.Section{ID: "facets", Title: "Each program on each capture", Blocks: []report.Block{{Only: report.OnPage, Facets: r.facets()}}})
	d.Add(report.Section{ID: "paths", Title: "How few traces cover how many packets", Blocks: apart(r.coverage())})
	d.Add(report.Section{ID: "outliers", Title: "Outliers", Blocks: apart(r.outliers())})
	d.Add(report.Section{ID: "pairs", Title: "Against the best", Blocks: apart(r.compared())})
	d.Add(report.Section{ID: "windows", Title: "What it costs to run windows apart", Blocks: apart(r.windowed())})
	d.Add(report.Section{ID: "commands", Title: "Commands of the study", Blocks: commandBlocks(r.dir)})
	d.Add(report.Section{ID: "cells", Title: "Cells", Blocks: r.cellTable()})
	return d
}

// apart has the text leave a line free before the first block.
func apart(blocks []report.Block) []report.Block {
	if len(blocks) > 0 {
		blocks[0].Apart = true
	}
	return blocks
}

func (r *results) overview() (f report.Facts) {
	if r.study.Found != "" {
		f.Add("found", r.study.Found)
	}
	count := func(of func(c *study.CellRow) string) int {
		seen := map[string]bool{}
		for i := range r.cells {
			seen[of(&r.cells[i])] = true
		}
		return len(seen)
	}
	f.Add("programs", count(func(c *study.CellRow) string { return c.Program + " " + c.Entry }))
	f.Add("captures", count(func(c *study.CellRow) string { return c.Capture }))
	var packets, notRun uint64
	failed := map[string]int{}
	for _, c := range r.cells {
		packets += c.Packets
		notRun += c.NotRun
		if c.Status != "done" {
			failed[c.Status]++
		}
	}
	f.Add("cells", len(r.cells), "runs of a program over a capture")
	for _, c := range r.cells {
		if c.Status == "done" && c.Error != "" {
			f.Addf("  optimiser failed", "%s on %s: %s", c.Program, c.Capture, c.Error)
		}
	}
	if failed["failed"] > 0 {
		f.Add("  failed", failed["failed"], "see Cells")
	}
	if failed["part"] > 0 {
		f.Add("  failed in part", failed["part"], "see Cells")
	}
	f.Add("packets", report.Count(packets))
	if notRun > 0 {
		f.Add("  not run", report.Count(notRun), report.Share(notRun, packets), "could not be run: this is no result for them")
	}
	f.Add("rows", report.Count(uint64(len(r.rows))))
	return f
}

// contest is what caches are compared in, without the size.
type contest struct {
	program, entry, mode, segments, split string
	queues                                int
	hot                                   uint32
	delay                                 uint64
}

func contestOf(s *result.Setting) contest {
	return contest{s.Program, s.Entry, s.Mode, s.Segments, s.Split, s.Queues, s.Hot, s.Delay}
}

// contestIn is that of a row.
func contestIn(x *result.Row) contest {
	return contest{x.Program, x.Entry, x.Mode, x.Segments, x.Split, int(x.Queues), x.Hot, x.InstallDelay}
}

// made says how paths become traces.
func made(mode, segments string) string {
	if segments == "" || segments == "none" {
		return mode
	}
	return mode + ", segments " + segments
}

// contests are those of the study in its order.
func (r *results) contests() []contest {
	var out []contest
	for i := range r.ranks {
		out = once(out, contestOf(&r.ranks[i].Setting))
	}
	return out
}

// label names a contest by what tells it from the others.
func (r *results) label(c contest) string {
	differ := func(of func(c contest) string) bool {
		all := r.contests()
		return slices.ContainsFunc(all, func(o contest) bool { return of(o) != of(all[0]) })
	}
	parts := []string{c.program}
	entries := map[string]bool{}
	for _, o := range r.contests() {
		if o.program == c.program {
			entries[o.entry] = true
		}
	}
	if len(entries) > 1 {
		parts[0] += ":" + c.entry
	}
	add := func(text string, of func(c contest) string) {
		if differ(of) {
			parts = append(parts, text)
		}
	}
	add(c.mode, func(c contest) string { return c.mode })
	add("segments "+c.segments, func(c contest) string { return c.segments })
	add(fmt.Sprintf("%d queues", c.queues), func(c contest) string { return fmt.Sprint(c.queues) })
	add("split "+c.split, func(c contest) string { return c.split })
	add(fmt.Sprintf("hot %d", c.hot), func(c contest) string { return fmt.Sprint(c.hot) })
	add(fmt.Sprintf("delay %d", c.delay), func(c contest) string { return fmt.Sprint(c.delay) })
	return strings.Join(parts, ", ")
}

// budget is a size as tables sort it.
type budget struct{ slots, entries uint64 }

func (b budget) String() string { return size(b.entries, b.slots) }

func (b budget) compare(o budget) int {
	return cmp.Or(cmp.Compare(b.slots, o.slots), cmp.Compare(b.entries, o.entries))
}

func (r *results) budgets() []budget {
	var out []budget
	for i := range r.ranks {
		out = once(out, budget{r.ranks[i].Slots, r.ranks[i].Entries})
	}
	slices.SortFunc(out, budget.compare)
	return out
}

// standing is how a cache does over all contests and sizes.
type standing struct {
	name            string
	n, wins, best   int
	place, distance float64
	far             int // settings with a distance
}

func (r *results) standings() []standing {
	var out []standing
	of := map[string]int{}
	for i := range r.ranks {
		k := &r.ranks[i]
		name := result.CacheName(k.Policy, k.Admission)
		at, ok := of[name]
		if !ok {
			at = len(out)
			of[name] = at
			out = append(out, standing{name: name})
		}
		s := &out[at]
		s.n++
		s.place += float64(k.Place)
		if k.Place == 1 {
			s.best++
		}
		s.wins += k.Wins
		if !math.IsNaN(k.Distance) {
			s.distance += k.Distance
			s.far++
		}
	}
	slices.SortStableFunc(out, func(a, b standing) int {
		return cmp.Or(cmp.Compare(a.place/float64(a.n), b.place/float64(b.n)), cmp.Compare(a.name, b.name))
	})
	return out
}

// percent writes a share: 1.23.
func percent(x float64) string {
	if math.IsNaN(x) {
		return ""
	}
	return fmt.Sprintf("%.2f", 100*x)
}

func (r *results) answers() []report.Block {
	s := r.standings()
	if len(s) == 0 {
		return nil
	}
	t := &report.Table{ID: "ranking", Title: "Ranking over all programs, modes and sizes", Open: true, Left: 1,
		Head:     []string{"policy", "mean place", "best in", "of settings", "blocks won", "distance from the bound, %"},
		PageNote: "A setting is a program, a mode and a size. In each, policies are ranked by their mean miss ratio over captures and seeds; a block is a capture with a seed, and equal counts are won by each. The distance is that of the mean miss ratio from the tightest bound's."}
	for _, x := range s {
		far := ""
		if x.far > 0 {
			far = percent(x.distance / float64(x.far))
		}
		t.Add(x.name, fmt.Sprintf("%.2f", x.place/float64(x.n)), fmt.Sprint(x.best), fmt.Sprint(x.n), fmt.Sprint(x.wins), far)
	}
	var f report.Facts
	f.Addf("first", "%s is best or shares it in %d of %d settings, mean place %.2f of %d", s[0].name, s[0].best, s[0].n, s[0].place/float64(s[0].n), len(s))
	for _, target := range []float64{0.90, 0.99} {
		if line := r.suffices(s[0].name, target); line != "" {
			f.Add(fmt.Sprintf("%.0f %% hit", 100*target), line)
		}
	}
	return []report.Block{{Facts: f}, {Table: t, Apart: true}}
}

// suffices says at which size a policy hits so much of what can be hit, cell by cell.
func (r *results) suffices(name string, target float64) string {
	type key struct{ cell string }
	least := map[key]uint64{}
	all := map[key]bool{}
	for i := range r.rows {
		x := &r.rows[i]
		if x.Slots > 0 || result.CacheName(x.Policy, x.Admission) != name || x.Requests == x.Uncacheable {
			continue
		}
		k := key{x.Cell + fmt.Sprint(x.Seed, x.Hot, x.InstallDelay)}
		all[k] = true
		if float64(x.Hits) >= target*float64(x.Requests-x.Uncacheable) && (least[k] == 0 || x.Entries < least[k]) {
			least[k] = x.Entries
		}
	}
	if len(all) == 0 {
		return ""
	}
	sizes := map[uint64]int{}
	for _, n := range least {
		sizes[n]++
	}
	var list []uint64
	for n := range sizes {
		list = append(list, n)
	}
	slices.Sort(list)
	var out []string
	sum := 0
	for _, n := range list {
		sum += sizes[n]
		out = append(out, fmt.Sprintf("%d entries: %d", n, sum))
	}
	return fmt.Sprintf("of the packets that can hit, under %s, by so many entries, in how many of %d cells: %s", name, len(all), strings.Join(out, ", "))
}

// bestBySize is the table of programs × sizes with the best policy of each.
func (r *results) bestBySize() []report.Block {
	budgets := r.budgets()
	if len(budgets) == 0 {
		return nil
	}
	t := &report.Table{ID: "best", Title: "Best policy by size and program, with its miss ratio in %", Open: true, Left: 1, Head: []string{"program"},
		PageNote: "The mean over captures and seeds; behind + the half of its 95 % interval over them, where there are two or more. Which is best may be chance: see Against the best."}
	for _, b := range budgets {
		t.Head = append(t.Head, b.String())
	}
	h := &report.Heat{ID: "best-miss", Title: "miss ratio of the best policy, %", X: "size", Heading: "Miss ratio of the best policy, by program and size, %",
		Note: "Light where little is missed."}
	for _, b := range budgets {
		h.Cols = append(h.Cols, b.String())
	}
	for _, c := range r.contests() {
		line := []string{r.label(c)}
		z := make([]float64, len(budgets))
		for i, b := range budgets {
			k := r.bestOf(c, b)
			if k == nil {
				line, z[i] = append(line, ""), math.NaN()
				continue
			}
			text := r.firsts(c, b) + " " + percent(k.Mean)
			if k.Blocks > 1 {
				text += fmt.Sprintf(" +%s", percent((k.High-k.Low)/2))
			}
			line, z[i] = append(line, text), k.Mean
		}
		t.Rows = append(t.Rows, line)
		h.Rows, h.Z = append(h.Rows, r.label(c)), append(h.Z, z)
	}
	return []report.Block{{Table: t, Apart: true}, {Only: report.OnPage, Heat: h}}
}

// firsts names those that miss least, of more than two the number of the others.
func (r *results) firsts(c contest, b budget) string {
	var names []string
	for i := range r.ranks {
		k := &r.ranks[i]
		if k.Place == 1 && k.Entries == b.entries && k.Slots == b.slots && contestOf(&k.Setting) == c {
			names = append(names, result.CacheName(k.Policy, k.Admission))
		}
	}
	if len(names) > 2 {
		return fmt.Sprintf("%s and %d like it", names[0], len(names)-1)
	}
	return strings.Join(names, ", ")
}

func (r *results) bestOf(c contest, b budget) *result.Rank {
	for i := range r.ranks {
		k := &r.ranks[i]
		if k.Place == 1 && k.Entries == b.entries && k.Slots == b.slots && contestOf(&k.Setting) == c {
			return k
		}
	}
	return nil
}

// curves is a chart with the mean miss ratio of each policy by size, with the
// interval around it; every program is a choice.
func (r *results) curves() report.Charts {
	var all []*report.Chart
	for n, c := range r.contests() {
		for _, sized := range []bool{false, true} {
			x := "size of the cache in traces"
			if sized {
				x = "size of the cache in instruction slots"
			}
			ch := &report.Chart{ID: fmt.Sprintf("miss-%02d", n+1), Title: "Miss ratio: " + r.label(c), Heading: r.label(c), X: x, Y: "miss ratio, %", LogX: 2, FromZero: true, Pick: true, Wide: true}
			if sized {
				ch.ID += "-slots"
				ch.Heading += ", by slots"
			}
			lines := map[string]*report.Series{}
			var order []string
			for i := range r.ranks {
				k := &r.ranks[i]
				if contestOf(&k.Setting) != c || sized != (k.Slots > 0) {
					continue
				}
				name := result.CacheName(k.Policy, k.Admission)
				s := lines[name]
				if s == nil {
					s = &report.Series{Name: name}
					lines[name] = s
					order = append(order, name)
				}
				s.X, s.Y = append(s.X, float64(k.Entries+k.Slots)), append(s.Y, 100*k.Mean)
				s.Low, s.High = append(s.Low, 100*k.Low), append(s.High, 100*k.High)
			}
			if len(order) == 0 {
				continue
			}
			place := r.placeOf()
			slices.SortStableFunc(order, func(a, b string) int { return cmp.Compare(place[a], place[b]) })
			for i, name := range order {
				lines[name].Hidden = i >= 6
				ch.Series = append(ch.Series, *lines[name])
			}
			ch.Note = "Lines are means over captures and seeds, bands their 95 % intervals (over windows of time where there is one capture alone). The six policies that stand best over the whole study are drawn first; the others can be switched on."
			all = append(all, ch)
		}
	}
	if len(all) == 0 {
		return nil
	}
	all[0].Choice = all[0].Heading
	all[0].Choices = all[1:]
	return report.Charts{all[0]}
}

// placeOf is where policies stand over the whole study.
func (r *results) placeOf() map[string]int {
	out := map[string]int{}
	for i, s := range r.standings() {
		out[s.name] = i
	}
	return out
}

// facetLines is how many policies a facet shows.
const facetLines = 4

// facets are the curves of each program on each capture.
func (r *results) facets() *report.Facets {
	f := &report.Facets{ID: "all", Title: "Miss ratio by size, a program a row, a capture a column", X: "entries", Y: "miss ratio, %", LogX: 2,
		Note: fmt.Sprintf("The %d policies that stand best over the whole study, and the bound, dashed; bands are 95 %% intervals over windows of time. A click leads to the cell.", facetLines)}
	for i, s := range r.standings() {
		if i < facetLines {
			f.Series = append(f.Series, s.name)
			f.Bound = append(f.Bound, false)
		}
	}
	var bound policy.Info // the tightest for entries of one size
	for i := range r.rows {
		x := &r.rows[i]
		if b, err := policy.Lookup(x.Policy); err == nil && x.Bound && x.Entries > 0 && b.OneSize && (bound.Rank == 0 || b.Rank < bound.Rank) {
			bound = b
		}
	}
	if bound.Name != "" {
		f.Series, f.Bound = append(f.Series, bound.Name), append(f.Bound, true)
	}
	var captures []string
	type place struct {
		row     string
		capture string
	}
	cells := map[place]*report.Facet{}
	var order []string
	for i := range r.rows {
		x := &r.rows[i]
		name := result.CacheName(x.Policy, x.Admission)
		if x.Entries == 0 || !slices.Contains(f.Series, name) || x.Part > 0 || x.Seed != r.rows[0].Seed {
			continue
		}
		row := r.label(contestIn(x))
		order, captures = once(order, row), once(captures, x.Capture)
		p := place{row, x.Capture}
		c := cells[p]
		if c == nil {
			c = &report.Facet{Tip: row + " on " + x.Capture, Anchor: "cell-" + x.Cell[:12]}
			cells[p] = c
		}
		k := slices.IndexFunc(c.Series, func(s report.Series) bool { return s.Name == name })
		if k < 0 {
			k = len(c.Series)
			c.Series = append(c.Series, report.Series{Name: name})
		}
		s := &c.Series[k]
		at, there := slices.BinarySearch(s.X, float64(x.Entries))
		if there {
			continue // of another device: the same point
		}
		s.X, s.Y = slices.Insert(s.X, at, float64(x.Entries)), slices.Insert(s.Y, at, 100*x.MissRatio)
		if x.MissLow != nil {
			s.Low, s.High = slices.Insert(s.Low, min(at, len(s.Low)), 100**x.MissLow), slices.Insert(s.High, min(at, len(s.High)), 100**x.MissHigh)
		}
	}
	f.Cols = append(f.Cols, captures...)
	for _, row := range order {
		line := report.FacetRow{Name: row}
		for _, c := range captures {
			x := report.Facet{}
			if p := cells[place{row, c}]; p != nil {
				x = *p
				for i := range x.Series {
					if s := &x.Series[i]; len(s.Low) != len(s.X) {
						s.Low, s.High = nil, nil
					}
				}
			}
			line.Cells = append(line.Cells, x)
		}
		f.Rows = append(f.Rows, line)
	}
	if len(f.Rows) == 0 {
		return nil
	}
	return f
}

// coverage says of each cell how few paths cover how many packets.
func (r *results) coverage() []report.Block {
	t := &report.Table{ID: "coverage", Title: "Paths and packets of each cell", Left: 3,
		Head: []string{"program", "capture", "mode", "packets", "paths", "top 1, %", "top 10, %", "top 20, %", "paths for 90 %", "for 99 %", "uncacheable, %"}}
	var f report.Facts
	ten, twenty, n := 0, 0, 0
	for _, c := range r.cells {
		if c.Packets == 0 {
			continue
		}
		n++
		if c.Top10 >= 0.9 {
			ten++
		}
		if c.Top20 >= 0.9 {
			twenty++
		}
		t.Add(c.Program, c.Capture, made(c.Mode, c.Segments), report.Count(c.Packets), fmt.Sprint(c.Paths), percent(c.Top1), percent(c.Top10), percent(c.Top20), fmt.Sprint(c.Cover90), fmt.Sprint(c.Cover99), percent(float64(c.Uncacheable)/float64(c.Packets)))
	}
	if n == 0 {
		return nil
	}
	f.Addf("10 traces", "cover 90 %% of the packets or more in %d of %d cells", ten, n)
	f.Addf("20 traces", "in %d", twenty)
	return []report.Block{{Facts: f}, {Only: report.OnPage, Table: t}}
}

// compared are the policies against the best of their setting.
func (r *results) compared() []report.Block {
	if len(r.pairs) == 0 {
		return nil
	}
	t := &report.Table{ID: "pairs", Title: "Leads over the second, by program and size", Left: 1, Right: 0,
		Head:     []string{"program", "size", "best", "other", "misses more, %", "95 % from", "to", "p over captures", "over time", "corrected over captures", "over time"},
		PageNote: "Pairs of the same capture and seed. p is that of a test which gives the differences signs at random: over captures (would other captures say the same?), and over ten stretches of time of each (would other times?). Corrected by Holm for all comparisons of the program and mode. All pairs are in pairs.csv."}
	over, captures := 0, 0
	shown := map[string]bool{}
	for i := range r.pairs {
		p := &r.pairs[i]
		if p.HWindows < 0.05 {
			over++
		}
		if p.HBlocks < 0.05 {
			captures++
		}
		key := fmt.Sprint(contestOf(&p.Setting), p.Entries, p.Slots)
		if shown[key] {
			continue
		}
		shown[key] = true
		t.Add(r.label(contestOf(&p.Setting)), size(p.Entries, p.Slots), p.Best, p.Other, percent(p.More), percent(p.Low), percent(p.High),
			fmt.Sprintf("%.4f", p.PBlocks), fmt.Sprintf("%.4f", p.PWindows), fmt.Sprintf("%.4f", p.HBlocks), fmt.Sprintf("%.4f", p.HWindows))
	}
	var f report.Facts
	f.Addf("compared", "%d policies with the best of their setting", len(r.pairs))
	f.Addf("  over time", "%d are worse beyond chance (p < 0.05 after correction), on these captures", over)
	f.Addf("  over captures", "%d are so for captures like these", captures)
	return []report.Block{{Facts: f}, {Only: report.OnPage, Table: t}}
}

// cellTable lists the cells with what became of each and the command that repeats it.
func (r *results) cellTable() []report.Block {
	failed := &report.Table{ID: "failed", Title: "Cells that failed", Open: true, Left: 4, Wrap: true, Head: []string{"program", "capture", "mode", "why"}}
	t := &report.Table{ID: "cells", Title: "All cells", Left: 1, Right: 2, Wrap: true, Anchor: "cell-", Head: []string{"cell", "packets", "paths", "kept, bytes a packet", "what", "repeat it"}}
	seen := map[string]bool{}
	for _, c := range r.cells {
		if c.Error != "" {
			failed.Add(c.Program, c.Capture, made(c.Mode, c.Segments), c.Error)
		}
		id := c.Cell[:min(12, len(c.Cell))]
		if seen[id] || c.Packets == 0 {
			continue
		}
		seen[id] = true
		t.Add(id, report.Count(c.Packets), fmt.Sprint(c.Paths), fmt.Sprintf("%.2f", float64(c.Stored)/float64(c.Packets)), fmt.Sprintf("%s on %s, %s", c.Program, c.Capture, made(c.Mode, c.Segments)), c.Command)
	}
	return []report.Block{{Table: failed, Apart: true}, {Only: report.OnPage, Table: t}}
}
