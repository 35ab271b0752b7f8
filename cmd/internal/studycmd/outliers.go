package studycmd

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"jitnic/cmd/internal/report"
	"jitnic/host/study/result"
)

// An outlier is a cell that misses far more or less than the program's others at
// the same size under the same policy.
type outlier struct {
	row    *result.Row
	median float64
	score  float64
}

// far is the modified z-score beyond which a value is an outlier (Iglewicz, Hoaglin:
// How to detect and handle outliers, 1993).
const far = 3.5

// leastCells is how many captures a program needs for one of them to stand out.
const leastCells = 5

// outlying finds outliers by the median absolute deviation of log odds, as ratios
// near 0 and 1 are squeezed together; one a cell, its most extreme.
func (r *results) outlying() []outlier {
	s := r.standings()
	if len(s) == 0 {
		return nil
	}
	type key struct {
		c contest
		b budget
	}
	groups := map[key][]*result.Row{}
	var order []key
	for i := range r.rows {
		x := &r.rows[i]
		if result.CacheName(x.Policy, x.Admission) != s[0].name {
			continue
		}
		k := key{contestIn(x), budget{x.Slots, x.Entries}}
		if slices.ContainsFunc(groups[k], func(o *result.Row) bool { return o.Cell == x.Cell && o.Seed == x.Seed }) {
			continue // of another device
		}
		if groups[k] == nil {
			order = append(order, k)
		}
		groups[k] = append(groups[k], x)
	}
	odds := func(x *result.Row) float64 {
		return math.Log((float64(x.Misses) + 0.5) / (float64(x.Requests-x.Misses) + 0.5))
	}
	median := func(v []float64) float64 {
		v = slices.Clone(v)
		slices.Sort(v)
		return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
	}
	best := map[string]outlier{}
	for _, k := range order {
		g := groups[k]
		if len(g) < leastCells {
			continue
		}
		var v, dev, ratio []float64
		for _, x := range g {
			v, ratio = append(v, odds(x)), append(ratio, x.MissRatio)
		}
		m := median(v)
		for _, x := range v {
			dev = append(dev, math.Abs(x-m))
		}
		mad := median(dev)
		if mad == 0 {
			continue
		}
		for i, x := range g {
			if z := 0.6745 * (v[i] - m) / mad; math.Abs(z) > far && math.Abs(z) > math.Abs(best[x.Cell].score) {
				best[x.Cell] = outlier{x, median(ratio), z}
			}
		}
	}
	var out []outlier
	for _, o := range best {
		out = append(out, o)
	}
	slices.SortFunc(out, func(a, b outlier) int {
		return cmp.Or(cmp.Compare(math.Abs(b.score), math.Abs(a.score)), cmp.Compare(a.row.Cell, b.row.Cell))
	})
	return out
}

func (r *results) outliers() []report.Block {
	list := r.outlying()
	commands := map[string]string{}
	for _, c := range r.cells {
		commands[c.Cell] = c.Command
	}
	var f report.Facts
	if len(list) == 0 {
		f.Add("none", fmt.Sprintf("no capture stands out from a program's others (it takes %d of them)", leastCells))
		return []report.Block{{Facts: f}}
	}
	t := &report.Table{ID: "outliers", Title: "Cells that stand out from the program's others", Open: true, Left: 2, Right: 2, Wrap: true,
		Head:     []string{"program", "capture", "size", "miss ratio, %", "median of the captures, %", "score", "cell", "repeat it"},
		PageNote: "Under the policy that stands best. The score is the modified z-score of the log odds over the captures of the program at that size; beyond 3.5 a cell is listed, at the size where it stands out most."}
	for _, o := range list {
		x := o.row
		t.Add(r.label(contestIn(x)), x.Capture, size(x.Entries, x.Slots), percent(x.MissRatio), percent(o.median), fmt.Sprintf("%+.1f", o.score), "cell."+tail(x.Cell), commands[x.Cell])
	}
	t.TextCols = []int{0, 1, 2, 3, 4, 5}
	return []report.Block{{Table: t.First(min(len(t.Rows), 12))}}
}

// tail is a cell's address in letters alone, as links of a page have their words.
func tail(address string) string {
	var b []byte
	for i := range min(12, len(address)) {
		c := address[i]
		if c >= '0' && c <= '9' {
			c = 'g' + c - '0'
		}
		b = append(b, c)
	}
	return string(b)
}
