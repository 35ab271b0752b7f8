package comparecmd

import (
	"cmp"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"jitnic/cmd/internal/report"
)

const mostLines = 8 // of caches in a plot for papers

// files are what the folder holds.
func (r *Report) files() ([]report.File, error) {
	out := []report.File{
		{Name: "report.html", Write: r.Page},
		{Name: "rows.csv", Write: r.CSV},
		{Name: "study.json", Write: report.JSON(r)},
	}
	if r.Attack != nil {
		out = append(out, report.File{Name: "attack.csv", Write: r.AttackCSV})
	}
	charts := map[string]*report.Chart{}
	var order []string
	add := func(name string, c *report.Chart) {
		if len(c.Series) > 0 {
			charts[name] = c
			order = append(order, name)
		}
	}
	for _, slots := range []bool{false, true} {
		unit, tail := "entries", ""
		if slots {
			unit, tail = "slots", "-slots"
		}
		if len(r.budgets(slots, 0)) > 0 {
			add("miss-ratio"+tail, r.curves(slots, unit, false))
			if r.bytesDiffer() {
				add("byte-miss-ratio"+tail, r.curves(slots, unit, true))
			}
		}
	}
	add("working-set", r.workingSet())
	add("hit-ratio", r.overTime())
	add("popularity", r.popularity())
	add("reuse", r.reuse())
	for _, name := range order {
		p, err := charts[name].Plot()
		if err != nil {
			return nil, err
		}
		out = append(out, report.PlotFiles(name, p, 6.5, 4)...)
	}
	for _, slots := range []bool{false, true} {
		unit, tail := "entries", ""
		if slots {
			unit, tail = "slots", "-slots"
		}
		if h := r.heat(slots, unit); h != nil {
			out = append(out, report.PlotFiles("heat-map"+tail, h.Plot(), 6.5, 1+0.16*float64(len(h.Rows)))...)
		}
	}
	return out, nil
}

// leaders are the caches worth a line: the fewest misses over all sizes of the
// unit, with lru and fifo for comparison where they were run, and the bounds.
func (r *Report) leaders(slots bool, most int) (caches, bounds [][2]string) {
	sum := map[[2]string]float64{}
	bound := map[[2]string]bool{}
	for _, p := range r.points {
		if slots == (p.Slots > 0) {
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
		case r.twin(c[0]):
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

func (r *Report) curves(slots bool, unit string, bytes bool) *report.Chart {
	of := "packets"
	if bytes {
		of = "bytes"
	}
	c := &report.Chart{Title: "Miss ratio: " + r.title(), X: "cache size (" + unit + ")", Y: "misses (% of " + of + ")", LogX: 2, FromZero: true}
	caches, bounds := r.leaders(slots, mostLines)
	for i, k := range append(slices.Clone(caches), bounds...) {
		s := report.Series{Name: name(k[0], k[1]), Bound: i >= len(caches)}
		if s.Bound && k[0] != r.bound(slots) {
			continue // one line of a bound is enough on paper
		}
		for _, n := range r.budgets(slots, 0) {
			p := r.find(k, n, slots)
			if p == nil || bytes && p.Bytes == 0 {
				continue
			}
			y := p.MissRatio
			if bytes {
				y = p.ByteMissRatio
			}
			s.X, s.Y = append(s.X, float64(n)), append(s.Y, 100*y)
		}
		if len(s.X) > 0 {
			c.Series = append(c.Series, s)
		}
	}
	return c
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
	c := &report.Chart{Title: "Working set: " + r.title(), X: "packet", Y: "paths in the window", FromZero: true}
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

// overTime is the hit ratio over time at the telling size.
func (r *Report) overTime() *report.Chart {
	k := r.telling()
	c := &report.Chart{X: "packet", Y: "hits in the window (%)", FromZero: true}
	if k == nil {
		return c
	}
	unit := " entries"
	if k.Slots > 0 {
		unit = ""
	}
	c.Title = "Hit ratio at " + budget(k.Entries, k.Slots) + unit + ": " + r.title()
	caches, _ := r.leaders(k.Slots > 0, 5)
	for _, x := range caches {
		p := r.find(x, k.Entries+k.Slots, k.Slots > 0)
		if p == nil {
			continue
		}
		s := report.Series{Name: name(x[0], x[1])}
		for _, w := range p.Windows {
			if w.To > w.From {
				s.X = append(s.X, float64(w.From+w.To)/2)
				s.Y = append(s.Y, 100*(1-float64(w.Misses)/float64(w.To-w.From)))
			}
		}
		if len(s.X) > 0 {
			c.Series = append(c.Series, s)
		}
	}
	return c
}

func (r *Report) popularity() *report.Chart {
	c := &report.Chart{Title: "Popularity: " + r.title(), X: "rank of the path", Y: "packets", LogX: 10, LogY: 10}
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
	c := &report.Chart{Title: "Reuse distance: " + r.title(), X: "distance", Y: "repeats within it (%)", LogX: 2, FromZero: true}
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

func (r *Report) heat(slots bool, unit string) *report.Heat {
	sizes := r.budgets(slots, 24)
	if len(sizes) == 0 {
		return nil
	}
	h := &report.Heat{X: "cache size (" + unit + ")"}
	for _, n := range sizes {
		h.Cols = append(h.Cols, strconv.FormatUint(n, 10))
	}
	for _, c := range r.caches() {
		row := make([]float64, len(sizes))
		some := false
		for i, n := range sizes {
			row[i] = math.NaN()
			if p := r.find(c, n, slots); p != nil {
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
