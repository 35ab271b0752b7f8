package studycmd

import (
	"fmt"
	"math"
	"slices"

	"jitnic/cmd/internal/report"
	"jitnic/host/study/result"
)

// windowed says what it cost to run stretches of time apart: by policy and size, the
// miss ratio of the windows together less that of the whole run.
func (r *results) windowed() []report.Block {
	if len(r.windows) == 0 {
		return nil
	}
	type place struct {
		split, policy string
		b             budget
	}
	errs := map[place][]float64{}
	var splits, policies []string
	var budgets []budget
	for i := range r.windows {
		w := &r.windows[i]
		p := place{w.Split, result.CacheName(w.Policy, w.Admission), budget{w.Slots, w.Entries}}
		errs[p] = append(errs[p], w.Error)
		splits, policies, budgets = once(splits, p.split), once(policies, p.policy), once(budgets, p.b)
	}
	slices.SortFunc(budgets, budget.compare)
	var f report.Facts
	var blocks []report.Block
	for _, split := range splits {
		t := &report.Table{ID: "split-" + fmt.Sprint(len(blocks)), Title: "Error of " + split + ", points of miss ratio", Open: true, Left: 1, Head: []string{"policy"},
			PageNote: "Miss ratio of the windows together less that of the whole run, in percentage points: the mean over programs and captures, and in brackets the one farthest from 0. Each window is led by a quarter of its length, which warms its cache. All are in windows.csv."}
		for _, b := range budgets {
			t.Head = append(t.Head, b.String())
		}
		worst, n := 0.0, 0
		for _, p := range policies {
			line := []string{p}
			for _, b := range budgets {
				v := errs[place{split, p, b}]
				if len(v) == 0 {
					line = append(line, "")
					continue
				}
				mean, far := 0.0, 0.0
				for _, e := range v {
					mean += e / float64(len(v))
					if math.Abs(e) > math.Abs(far) {
						far = e
					}
				}
				n += len(v)
				if math.Abs(far) > math.Abs(worst) {
					worst = far
				}
				line = append(line, fmt.Sprintf("%+.3f (%+.3f)", 100*mean, 100*far))
			}
			t.Rows = append(t.Rows, line)
		}
		f.Addf(split, "differs from the whole run by %+.3f points of miss ratio at most, over %d caches", 100*worst, n)
		blocks = append(blocks, report.Block{Table: t, Apart: true})
	}
	return append([]report.Block{{Facts: f}}, blocks...)
}

// once is the list with x at its end, if it isn't in it.
func once[T comparable](list []T, x T) []T {
	if slices.Contains(list, x) {
		return list
	}
	return append(list, x)
}
