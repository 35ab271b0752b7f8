package comparecmd

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"jitnic/cache"
	"jitnic/cmd/internal/report"
)

// These are how much of a table the text and the page have room for; all of it is
// in the CSV and the JSON.
const (
	textRows, pageRows = 26, 200 // of sizes
	textCols, pageCols = 8, 32
)

// thin leaves rows out where there are too many, of the text more than of the
// page: the first ones stand closest together, as they are of the small sizes,
// where most happens.
func thin(t *report.Table) *report.Table {
	if t == nil || len(t.Rows) <= textRows {
		return t
	}
	few := spread(len(t.Rows), textRows)
	told := func(n int) string {
		return fmt.Sprintf("%d of %d sizes; all are in the CSV and the JSON.", n, len(t.Rows))
	}
	t.TextNote, t.TextRows = told(len(few)), few
	if len(t.Rows) > pageRows {
		keep := append(spread(len(t.Rows), pageRows), few...)
		slices.Sort(keep)
		keep = slices.Compact(keep)
		t.PageNote = told(len(keep))
		all := t.Rows
		t.Rows, t.TextRows = nil, nil
		for i, k := range keep {
			t.Rows = append(t.Rows, all[k])
			if slices.Contains(few, k) {
				t.TextRows = append(t.TextRows, i)
			}
		}
	}
	return t
}

// spread picks up to k of n rows, evenly on a logarithmic axis.
func spread(n, k int) []int {
	var out []int
	last := -1
	for i := range k {
		if x := int(math.Round(math.Pow(float64(n), float64(i)/float64(k-1)))) - 1; x > last {
			out = append(out, x)
			last = x
		}
	}
	return out
}

func pct(x float64) string { return fmt.Sprintf("%.2f", 100*x) }

// budget names a budget.
func budget(entries, slots uint64) string {
	if slots > 0 {
		return report.Count(slots) + " slots"
	}
	return report.Count(entries)
}

// tables are all there are.
func (r *Report) tables() []*report.Table {
	var out []*report.Table
	add := func(t *report.Table) {
		if t != nil && len(t.Rows) > 0 {
			out = append(out, t)
		}
	}
	add(thin(r.bestTable()))
	add(r.winnerTable())
	for _, u := range units {
		add(r.ratioTable(u, false))
		if r.bytesDiffer() {
			add(r.ratioTable(u, true))
		}
	}
	add(r.classTable())
	add(r.reachTable())
	add(r.sampledTable())
	add(r.slotsTable())
	add(r.implementationTable())
	add(thin(r.shieldTable()))
	add(r.partTable())
	add(r.labelTable())
	add(thin(r.defenceTable()))
	add(r.lossTable())
	return out
}

// bestTable is who misses least at each size.
func (r *Report) bestTable() *report.Table {
	t := &report.Table{
		ID: "best", Open: true, Title: "The best cache at each size (misses in % of packets; pp: percentage points)", Left: 0,
		Head: []string{"size", "best", "miss %", "bytes %", "bound %", "above bound pp", "installs/s", "lru %", "next", "behind pp", "95 % of resamples", "beyond chance"},
		Note: "next: the first that misses more. beyond chance: 0 is outside the middle 95 % of 2,000 bootstrap samples of windows of time.",
	}
	for i := range r.Rankings {
		k := &r.Rankings[i]
		if len(k.Best) == 0 {
			continue
		}
		b := k.Best[0].point
		row := []string{budget(k.Entries, k.Slots), name(b.Policy, b.Admission), pct(b.MissRatio), pct(b.ByteMissRatio), "-", "-", "-", "-", "-", "-", "-", "-"}
		if k.BoundMiss != nil {
			row[4], row[5] = pct(*k.BoundMiss), pct(b.MissRatio-*k.BoundMiss)
		}
		row[6] = rate(b.InstallsPerSecond)
		for j := range k.Best {
			if k.Best[j].Policy == "lru" && k.Best[j].Admission == "always" {
				row[7] = pct(k.Best[j].MissRatio)
			}
		}
		if k.Ties > 1 {
			row[1] += fmt.Sprintf(" and %d more", k.Ties-1)
		}
		if k.Next != "" {
			row[8], row[9] = k.Next, pct(k.Lead)
			row[10] = fmt.Sprintf("%s to %s", pct(k.LeadLow), pct(k.LeadHigh))
			row[11] = yes(k.Significant)
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// rate is a number per second; "-" where the stream has no times.
func rate(x float64) string {
	switch {
	case x <= 0:
		return "-"
	case x >= 100:
		return report.Count(uint64(x + 0.5))
	}
	return fmt.Sprintf("%.3g", x)
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// winnerTable is who wins where and by how much.
func (r *Report) winnerTable() *report.Table {
	t := &report.Table{ID: "winners", Open: true, Title: "Who is first where", Left: 1, Head: []string{"cache", "alone", "beyond chance", "most, pp", "shared", "at"},
		Note: "shared: with caches that miss as often, which is no win of any."}
	for _, w := range r.Winners {
		var at []string
		for _, n := range w.Entries {
			at = append(at, budget(n, 0))
		}
		for _, n := range w.Slots {
			at = append(at, budget(0, n))
		}
		if len(at) > 6 {
			at = append(at[:3], append([]string{"…"}, at[len(at)-2:]...)...)
		}
		t.Rows = append(t.Rows, []string{name(w.Policy, w.Admission), fmt.Sprint(len(w.Entries) + len(w.Slots) - w.Shared), fmt.Sprint(w.Significant), pct(w.MostLead), fmt.Sprint(w.Shared), strings.Join(at, ", ")})
	}
	if len(t.Rows) > 12 {
		t.Note += fmt.Sprintf(" And %d more.", len(t.Rows)-12)
		t.Rows = t.Rows[:12]
	}
	return t
}

// A unit is what the size of a cache is counted in.
type unit string

// The units.
const (
	inEntries unit = "entries"
	inSlots   unit = "slots"
)

var units = []unit{inEntries, inSlots}

// size is a budget's in the unit; 0: it is in the other.
func (u unit) size(entries, slots uint64) uint64 {
	if u == inSlots {
		return slots
	}
	return entries
}

// suffix is what names of tables and files end in.
func (u unit) suffix() string {
	if u == inSlots {
		return "-slots"
	}
	return ""
}

// budgets are the sizes that were run, at most n of them; 0: all.
func (r *Report) budgets(u unit, n int) []uint64 {
	var all []uint64
	for _, p := range r.points {
		if k := u.size(p.Entries, p.Slots); k > 0 {
			all = append(all, k)
		}
	}
	slices.Sort(all)
	all = slices.Compact(all)
	if n <= 0 || len(all) <= n {
		return all
	}
	// As even as can be on a logarithmic axis, where sizes are read.
	out := make([]uint64, 0, n)
	lo, hi := math.Log(float64(all[0])), math.Log(float64(all[len(all)-1]))
	for i := range n {
		want := lo + (hi-lo)*float64(i)/float64(n-1)
		best := all[0]
		for _, x := range all {
			if math.Abs(math.Log(float64(x))-want) < math.Abs(math.Log(float64(best))-want) {
				best = x
			}
		}
		out = append(out, best)
	}
	return slices.Compact(out)
}

// caches are the policies with their admissions, in the order they were run.
func (r *Report) caches() [][2]string {
	var out [][2]string
	seen := map[[2]string]bool{}
	for _, p := range r.points {
		k := [2]string{p.Policy, p.Admission}
		if !seen[k] {
			seen[k] = true
			out = append(out, k)
		}
	}
	return out
}

func (r *Report) find(c [2]string, size uint64, u unit) *cache.Point {
	k := pointKey{policy: c[0], admission: c[1], entries: size}
	if u == inSlots {
		k.entries, k.slots = 0, size
	}
	return r.index[k]
}

func (r *Report) bytesDiffer() bool {
	for _, p := range r.points {
		if p.Bytes > 0 && p.Bytes != p.Requests {
			return true
		}
	}
	return false
}

// ratioTable is the miss ratio of each cache at each size.
func (r *Report) ratioTable(u unit, bytes bool) *report.Table {
	few := r.budgets(u, textCols)
	sizes := slices.Concat(few, r.budgets(u, pageCols))
	slices.Sort(sizes)
	sizes = slices.Compact(sizes)
	if len(sizes) == 0 {
		return nil
	}
	of, id := "packets", "ratio"
	if bytes {
		of, id = "bytes", "bytes"
	}
	t := &report.Table{ID: id + u.suffix(), Title: fmt.Sprintf("Misses in %% of %s, by policy and size in %s", of, u), Left: 1, Head: []string{"policy"}, TextCols: []int{0}}
	for i, n := range sizes {
		t.Head = append(t.Head, report.Count(n))
		if slices.Contains(few, n) {
			t.TextCols = append(t.TextCols, i+1)
		}
	}
	for _, c := range r.caches() {
		row := []string{name(c[0], c[1])}
		for _, n := range sizes {
			p := r.find(c, n, u)
			switch {
			case p == nil, bytes && p.Bytes == 0:
				row = append(row, "-")
			case bytes:
				row = append(row, pct(p.ByteMissRatio))
			default:
				row = append(row, pct(p.MissRatio))
			}
		}
		t.Rows = append(t.Rows, row)
	}
	if all := len(r.budgets(u, 0)); len(few) < all {
		t.TextNote = "more sizes in the CSV, the JSON and report.html"
		if len(sizes) < all {
			t.PageNote = "more sizes in the CSV and the JSON"
		}
	}
	return t
}

// telling is the size at which the caches differ most, where their classes are
// worth a look; in entries where there are such. The worst quarter doesn't
// count: mru and its like would decide.
func (r *Report) telling() *Ranking {
	if k := r.tellingOf(inEntries); k != nil {
		return k
	}
	return r.tellingOf(inSlots)
}

func (r *Report) tellingOf(u unit) *Ranking {
	var best *Ranking
	most := -1.0
	for i := range r.Rankings {
		k := &r.Rankings[i]
		if n := len(k.Best); n > 0 && u.size(k.Entries, k.Slots) > 0 {
			if d := k.Best[n*3/4].MissRatio - k.Best[0].MissRatio; d > most {
				best, most = k, d
			}
		}
	}
	return best
}

// classTable is what the misses were, at the telling size.
func (r *Report) classTable() *report.Table {
	k := r.telling()
	if k == nil {
		return nil
	}
	t := &report.Table{
		ID: "classes", Title: fmt.Sprintf("Miss classes in %% of packets at size %s, where the policies differ most", budget(k.Entries, k.Slots)), Left: 1,
		Note: "installs/1k: of 1,000 packets, how many end in an install; installs/s: by the capture's clock.",
		Head: []string{"cache", "hits", "cold", "not hot", "capacity", "invalidated", "in flight", "uncacheable", "installs/1k", "installs/s", "behind pp", "beyond chance"},
	}
	for i := range k.Best {
		b := &k.Best[i]
		p := b.point
		c := p.Counts()
		row := []string{name(p.Policy, p.Admission)}
		for o := range c {
			row = append(row, pct(float64(c[o])/float64(max(p.Requests, 1))))
		}
		behind, sure := "best", "-"
		if i > 0 {
			behind, sure = pct(b.Behind), yes(b.Significant)
		}
		t.Rows = append(t.Rows, append(row, fmt.Sprintf("%.2f", 1000*float64(p.Installs)/float64(max(p.Requests, 1))), rate(p.InstallsPerSecond), behind, sure))
	}
	return t
}

// slotsTable is what each policy does on a budget in slots.
func (r *Report) slotsTable() *report.Table {
	if len(r.budgets(inSlots, 0)) == 0 {
		return nil
	}
	t := &report.Table{ID: "sizes", Title: "What the policies do on a budget in slots", Left: 3, Head: []string{"policy", "kind", "on slots"}}
	for _, p := range r.Policies {
		t.Rows = append(t.Rows, []string{p.Policy, p.Kind, p.Sizes})
	}
	return t
}

// implementationTable says whose algorithm each name stands for, and what its
// counts can't be taken for.
func (r *Report) implementationTable() *report.Table {
	t := &report.Table{ID: "implementations", Title: "What each policy is", Left: 3, Head: []string{"policy", "kind", "what it does, and whose counts it gives"},
		Note: "references are other programs' own code, run for comparison and never ranked."}
	for _, p := range r.Policies {
		is := p.Is
		if p.Note != "" {
			is += " (" + p.Note + ")"
		}
		t.Rows = append(t.Rows, []string{p.Policy, p.Kind, is})
	}
	return t
}

// sampledTable is the estimates of --sample beside the counts.
func (r *Report) sampledTable() *report.Table {
	if len(r.Sampled) == 0 {
		return nil
	}
	t := &report.Table{ID: "sampled", Title: fmt.Sprintf("Estimated from %s %% of the paths (misses in %% of packets; pp: percentage points)", pct(r.Sampled[0].Share)), Left: 1,
		Head: []string{"cache", "size", "counted %", "estimated %", "off by pp"}, Note: "A size of which the share is no whole entry has no estimate."}
	worst := 0.0
	for _, x := range r.Sampled {
		worst = max(worst, math.Abs(x.Error))
		t.Rows = append(t.Rows, []string{name(x.Policy, x.Admission), budget(x.Entries, x.Slots), pct(x.MissRatio), pct(x.Estimate), pct(x.Error)})
	}
	t.Note += fmt.Sprintf(" The largest error is %s pp.", pct(worst))
	return t
}

// reachTable is the smallest size reaching so many hits.
func (r *Report) reachTable() *report.Table {
	t := &report.Table{ID: "reach", Title: "The smallest size that was run and hits so many packets", Left: 1, Head: []string{"cache"}}
	for _, h := range cache.HitTargets {
		t.Head = append(t.Head, fmt.Sprintf("%.0f %%", 100*h))
	}
	n := len(cache.HitTargets)
	any := false
	for i := 0; i+n <= len(r.Reaches); i += n {
		row := []string{name(r.Reaches[i].Policy, r.Reaches[i].Admission)}
		for _, x := range r.Reaches[i : i+n] {
			s := "-"
			if x.Entries+x.Slots > 0 {
				s, any = budget(x.Entries, x.Slots), true
			}
			row = append(row, s)
		}
		t.Rows = append(t.Rows, row)
	}
	if !any {
		return nil
	}
	return t
}
