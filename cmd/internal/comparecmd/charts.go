package comparecmd

import (
	"cmp"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"jitnic/cache"
	"jitnic/cache/policy"
	"jitnic/cmd/internal/report"
)

const mostLines = 8 // of caches in a plot for papers

// leaders are the caches worth a line: the fewest misses over all sizes of the
// unit, with lru and fifo for comparison where they were run, and the bounds.
func (r *Report) leaders(u unit, most int) (caches, bounds [][2]string) {
	sum := map[[2]string]float64{}
	bound := map[[2]string]bool{}
	for _, p := range r.points {
		if u.size(p.Entries, p.Slots) > 0 {
			k := [2]string{p.Policy, p.Admission}
			sum[k] += p.MissRatio
			bound[k] = p.Bound
		}
	}
	var rest [][2]string
	for _, c := range r.caches() {
		if _, ok := sum[c]; !ok {
			continue
		}
		switch {
		case r.unranked(u, c[0]):
		case bound[c]:
			if c[0] != "preinstalled" {
				bounds = append(bounds, c)
			}
		case c == [2]string{"lru", "always"} || c == [2]string{"fifo", "always"}:
			caches = append(caches, c)
		default:
			rest = append(rest, c)
		}
	}
	slices.SortStableFunc(rest, func(a, b [2]string) int { return cmp.Compare(sum[a], sum[b]) })
	return append(caches, rest[:min(len(rest), max(0, most-len(caches)))]...), bounds
}

// unranked reports whether p, in a unit, is another's own code, or needs the
// future and yet bounds nothing.
func (r *Report) unranked(u unit, p string) bool {
	return slices.ContainsFunc(r.points, func(x cache.Point) bool {
		return x.Policy == p && u.size(x.Entries, x.Slots) > 0 && (x.Kind == policy.Reference.String() || x.Kind == "offline")
	})
}

// missRatio is the curves of all caches over their size, in each way they can be
// looked at: the first is shown, the others are chosen. On paper and at first the
// leaders and one bound are drawn.
func (r *Report) missRatio() *report.Chart {
	var all []*report.Chart
	for _, u := range units {
		if len(r.budgets(u, 0)) == 0 {
			continue
		}
		misses := func(p *cache.Point) (float64, bool) { return 100 * p.MissRatio, true }
		add := func(id, heading, y, unit string, of func(p *cache.Point) (float64, bool)) *report.Chart {
			c := r.curves(u, of, id == "miss-ratio")
			c.Heading, c.Y, c.Unit = heading+", by "+string(u), y, unit
			if id != "" {
				c.ID = id + u.suffix()
			}
			all = append(all, c)
			return c
		}
		above := func(base string) func(p *cache.Point) (float64, bool) {
			return func(p *cache.Point) (float64, bool) {
				b := r.find([2]string{base, "always"}, u.size(p.Entries, p.Slots), u)
				if b == nil {
					return 0, false
				}
				return 100 * (p.MissRatio - b.MissRatio), true
			}
		}
		add("miss-ratio", "misses", "misses (% of packets)", "%", misses).FromZero = true
		if r.bytesDiffer() {
			add("byte-miss-ratio", "misses of bytes", "misses (% of bytes)", "%", func(p *cache.Point) (float64, bool) { return 100 * p.ByteMissRatio, p.Bytes > 0 }).FromZero = true
		}
		add("", "misses, logarithmic", "misses (% of packets)", "%", func(p *cache.Point) (float64, bool) { return 100 * p.MissRatio, p.MissRatio > 0 }).LogY = 10
		if b := r.bound(u); b != "" {
			add("", "above the bound", "misses above "+b+" (pp)", "pp", above(b))
		}
		if len(r.points) > 0 && r.find([2]string{"lru", "always"}, r.budgets(u, 0)[0], u) != nil {
			add("", "beside lru", "misses above lru (pp)", "pp", above("lru"))
		}
	}
	if len(all) == 0 {
		return nil
	}
	c := all[0]
	c.Choice, c.Heading, c.Choices, c.Wide, c.Pick = c.Heading, "Miss ratio", all[1:], true, true
	c.Note = "Bounds are drawn black and dashed; a band is the middle 95 % of 2,000 bootstrap samples of the windows of time. Misses of every class count: cold, not hot, capacity, invalidated, in flight, uncacheable. Hover or touch for the numbers."
	return c
}

// curves is a line for each cache over the sizes in a unit, the leaders first.
func (r *Report) curves(u unit, of func(p *cache.Point) (y float64, ok bool), bands bool) *report.Chart {
	c := &report.Chart{Title: "Miss ratio: " + r.title(), X: "cache size (" + string(u) + ")", LogX: 2}
	for _, k := range r.lines(u, mostLines) {
		s := k.series
		for _, n := range r.budgets(u, 0) {
			if p := r.find(k.cache, n, u); p != nil {
				if y, ok := of(p); ok {
					s.X, s.Y = append(s.X, float64(n)), append(s.Y, y)
				}
				if low, high, ok := p.Interval(r.Seed); ok && bands && !s.Bound {
					s.Low, s.High = append(s.Low, 100*low), append(s.High, 100*high)
				}
			}
		}
		c.Series = append(c.Series, s)
	}
	return c
}

// A line is a cache with what its line looks like.
type line struct {
	cache  [2]string
	series report.Series
}

// lines are all caches: at most so many leaders and the bound that distances are
// from, which are seen, and then the others.
func (r *Report) lines(u unit, most int) []line {
	leaders, bounds := r.leaders(u, most)
	seen := slices.Clone(leaders)
	for _, b := range bounds {
		if b[0] == r.bound(u) {
			seen = append(seen, b) // one line of a bound is enough on paper
		}
	}
	var out []line
	for _, c := range append(seen, r.caches()...) {
		if slices.ContainsFunc(out, func(l line) bool { return l.cache == c }) {
			continue
		}
		i, _ := policy.Lookup(c[0])
		out = append(out, line{c, report.Series{Name: name(c[0], c[1]), About: i.Is, Bound: r.binds(u, c), Hidden: !slices.Contains(seen, c)}})
	}
	return out
}

// binds says whether a cache's points in a unit are bounds.
func (r *Report) binds(u unit, c [2]string) bool {
	return slices.ContainsFunc(r.points, func(p cache.Point) bool {
		return p.Bound && p.Policy == c[0] && p.Admission == c[1] && u.size(p.Entries, p.Slots) > 0
	})
}

// bound is the bound that distances are from.
func (r *Report) bound(u unit) string {
	for i := range r.Rankings {
		if u.size(r.Rankings[i].Entries, r.Rankings[i].Slots) > 0 && r.Rankings[i].Bound != "" {
			return r.Rankings[i].Bound
		}
	}
	return ""
}

// title names the study: the program and the captures, without folders.
func (r *Report) title() string {
	names := make([]string, len(r.Captures))
	for i, c := range r.Captures {
		names[i] = filepath.Base(c)
	}
	on := strings.Join(names, " + ")
	if len(names) > 3 {
		on = fmt.Sprintf("%s and %d more", names[0], len(names)-1)
	}
	if r.Program == "" {
		return on
	}
	return r.Entry + " on " + on
}

func (r *Report) workingSet() *report.Chart {
	c := &report.Chart{ID: "working-set", Marks: r.marks, Heading: "Working set over time", Note: "Different paths in each window, and those of them that were never seen before.", Title: "Working set: " + r.title(), X: "packet", Y: "paths in the window", FromZero: true}
	u := report.Series{Name: "different paths"}
	n := report.Series{Name: "of these, new"}
	for _, s := range r.Profile.WorkingSet {
		x := float64(s.From+s.To) / 2
		u.X, u.Y = append(u.X, x), append(u.Y, float64(s.Unique))
		n.X, n.Y = append(n.X, x), append(n.Y, float64(s.New))
	}
	if len(u.X) > 0 {
		c.Series = []report.Series{u, n}
	}
	return c
}

// mostSizes are those whose hit ratio over time the page holds.
const mostSizes = 8

// overTime is the hit ratio over time, at the telling size first.
func (r *Report) overTime() *report.Chart {
	k := r.telling()
	if k == nil {
		return nil
	}
	u := inEntries
	if k.Slots > 0 {
		u = inSlots
	}
	first := u.size(k.Entries, k.Slots)
	c := r.hits(u, first)
	c.ID, c.Choice = "hit-ratio", report.Count(first)+" "+string(u)
	c.Title = "Hit ratio at " + c.Choice + ": " + r.title()
	c.Heading, c.Wide, c.With = "Hit ratio over time", true, "miss-ratio"
	c.Note = "Of the policies switched on above, in windows of an equal number of packets."
	for _, u := range units {
		for _, n := range r.budgets(u, mostSizes) {
			if o := r.hits(u, n); n != first && len(o.Series) > 0 {
				o.Heading = report.Count(n) + " " + string(u)
				c.Choices = append(c.Choices, o)
			}
		}
	}
	return c
}

// mostOverTime are the lines of the hit ratio on paper.
const mostOverTime = 5

func (r *Report) hits(u unit, size uint64) *report.Chart {
	c := &report.Chart{Marks: r.marks, X: "packet", Y: "hits in the window (%)", Unit: "%", FromZero: true, Top: 100}
	for _, k := range r.lines(u, mostOverTime) {
		s := k.series
		s.Hidden = s.Hidden || s.Bound
		if p := r.find(k.cache, size, u); p != nil {
			for _, w := range p.Windows {
				if w.To > w.From {
					s.X = append(s.X, float64(w.From+w.To)/2)
					s.Y = append(s.Y, 100*(1-float64(w.Misses)/float64(w.To-w.From)))
				}
			}
		}
		if len(s.X) > 0 {
			c.Series = append(c.Series, s)
		}
	}
	return c
}

func (r *Report) popularity() *report.Chart {
	c := &report.Chart{ID: "popularity", Heading: "Popularity of the paths", Note: r.fit(), Title: "Popularity: " + r.title(), X: "rank of the path", Y: "packets", LogX: 10, LogY: 10}
	s := report.Series{Name: "paths", Dots: true}
	for _, p := range r.Profile.Popularity {
		s.X, s.Y = append(s.X, float64(p.Rank)), append(s.Y, float64(p.Requests))
	}
	if len(s.X) == 0 {
		return c
	}
	c.Series = append(c.Series, s)
	if x, y := r.zipf(); len(x) > 1 {
		c.Series = append(c.Series, report.Series{Name: "Zipf, α = " + strconv.FormatFloat(r.Profile.ZipfAlpha, 'f', 2, 64), X: x, Y: y, Dashed: true})
	}
	return c
}

// fit says how well the law fits.
func (r *Report) fit() string {
	if r.Profile.Paths < 2 {
		return "Too few paths for a fit."
	}
	return fmt.Sprintf("Both axes logarithmic. The fit is rank^−α with α = %.2f by maximum likelihood; R² = %.2f of the straight line.", r.Profile.ZipfAlpha, r.Profile.ZipfR2)
}

// zipf is the fitted law at the ranks of the popularity: as many requests in
// all, falling as rank^−α.
func (r *Report) zipf() (x, y []float64) {
	p := &r.Profile
	if p.Paths < 2 {
		return nil, nil
	}
	var h float64
	for k := 1; k <= p.Paths; k++ {
		h += math.Pow(float64(k), -p.ZipfAlpha)
	}
	n := float64(p.Requests - p.Uncacheable)
	for _, k := range p.Popularity {
		x = append(x, float64(k.Rank))
		y = append(y, n*math.Pow(float64(k.Rank), -p.ZipfAlpha)/h)
	}
	return x, y
}

func (r *Report) reuse() *report.Chart {
	c := &report.Chart{ID: "reuse", Heading: "Reuse distance", Unit: "%", Top: 100, Note: "How far apart two packets of the same path are: the share of repeats within a distance. A cache of k entries under lru hits what comes back within k different paths.", Title: "Reuse distance: " + r.title(), X: "distance", Y: "repeats within it (%)", LogX: 2, FromZero: true}
	for _, k := range []struct {
		name string
		b    []Bucket
	}{{"different paths since", r.Profile.ReuseStack}, {"packets since", r.Profile.ReuseTime}} {
		var all, sum uint64
		for _, b := range k.b {
			all += b.Requests
		}
		s := report.Series{Name: k.name}
		for _, b := range k.b {
			sum += b.Requests
			if b.To > 0 {
				s.X, s.Y = append(s.X, float64(b.To)), append(s.Y, 100*float64(sum)/float64(all))
			}
		}
		if all > 0 && len(s.X) > 0 {
			c.Series = append(c.Series, s)
		}
	}
	return c
}

func (r *Report) heat(u unit) *report.Heat {
	sizes := r.budgets(u, 24)
	if len(sizes) == 0 {
		return nil
	}
	h := &report.Heat{ID: "heat-map" + u.suffix(), Heading: "Misses by policy and size in " + string(u), X: "cache size (" + string(u) + ")",
		Note: fmt.Sprintf("Misses in %% of packets; size in %s. Shade by the square root, from light to dark:", u)}
	for _, n := range sizes {
		h.Cols = append(h.Cols, strconv.FormatUint(n, 10))
	}
	for _, c := range r.caches() {
		row := make([]float64, len(sizes))
		some := false
		for i, n := range sizes {
			row[i] = math.NaN()
			if p := r.find(c, n, u); p != nil {
				row[i], some = p.MissRatio, true
			}
		}
		if some {
			h.Rows, h.Z = append(h.Rows, name(c[0], c[1])), append(h.Z, row)
		}
	}
	lo, hi := h.Range()
	h.Title = "Misses, blue " + pct(lo) + " % to red " + pct(hi) + " %: " + r.title()
	return h
}
