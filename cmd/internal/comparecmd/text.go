package comparecmd

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"jitnic/cache"
	"jitnic/cmd/internal/report"
)

// Text prints the report for a person.
func (r *Report) Text(w io.Writer) error {
	f := report.NewFields(w)
	for _, l := range r.summary() {
		f.Line(l[0], l[1])
	}
	if err := f.Flush(); err != nil {
		return err
	}
	for _, t := range r.tables(8, 26) {
		if _, err := fmt.Fprintf(w, "\n%s\n%s\n", t.Title, t.Text()); err != nil {
			return err
		}
		if t.Note != "" {
			fmt.Fprintln(w, t.Note)
		}
	}
	return nil
}

// summary is what the stream is like, in pairs of name and value.
func (r *Report) summary() [][2]string {
	var out [][2]string
	line := func(name, format string, args ...any) {
		out = append(out, [2]string{name, fmt.Sprintf(format, args...)})
	}
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
	line(unit, "%s, %s bytes%s", report.Count(n), report.Count(p.Bytes), note)
	if p.Seconds > 0 {
		line("duration", "%.3f s", p.Seconds)
	}
	line("paths", "%s; %s requested once only (%s of the paths)", report.Count(uint64(p.Paths)), report.Count(uint64(p.OneHit)), report.Share(uint64(p.OneHit), uint64(p.Paths)))
	line("uncacheable", "%s (%s)", report.Count(uint64(p.Uncacheable)), report.Share(uint64(p.Uncacheable), n))
	line("invalidations", "%s", report.Count(uint64(p.Invalidations)))
	if z := p.Slots; z != nil {
		line("trace sizes", "%d to %d slots, %.1f on average; all of them take %s", z.Min, z.Max, z.Mean, report.Count(z.Total))
	}
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

// Table is one of the report's tables, as text and in the page.
type Table = report.Table

// thin leaves at most so many rows, the first ones closest together: they are
// of the small sizes, where most happens.
func thin(t *Table, rows int) *Table {
	if t == nil || len(t.Rows) <= rows {
		return t
	}
	out := *t
	out.Rows = nil
	last := -1
	for i := range rows {
		k := int(math.Round(math.Pow(float64(len(t.Rows)), float64(i)/float64(rows-1)))) - 1
		if k > last {
			out.Rows = append(out.Rows, t.Rows[k])
			last = k
		}
	}
	out.Note = strings.TrimSpace(out.Note + fmt.Sprintf(" %d of %d sizes; all are in the CSV and the JSON.", len(out.Rows), len(t.Rows)))
	return &out
}

func pct(x float64) string { return fmt.Sprintf("%.2f", 100*x) }

// budget names a budget.
func budget(entries, slots uint64) string {
	if slots > 0 {
		return report.Count(slots) + " slots"
	}
	return report.Count(entries)
}

// tables are all there are, with at most cols sizes side by side and rows of
// them below each other.
func (r *Report) tables(cols, rows int) []Table {
	var out []Table
	add := func(t *Table) {
		if t != nil && len(t.Rows) > 0 {
			out = append(out, *t)
		}
	}
	add(thin(r.bestTable(), rows))
	add(r.winnerTable())
	for _, slots := range []bool{false, true} {
		add(r.ratioTable(slots, false, cols))
		if r.bytesDiffer() {
			add(r.ratioTable(slots, true, cols))
		}
	}
	add(r.classTable())
	add(r.reachTable())
	add(r.slotsTable())
	add(thin(r.shieldTable(), rows))
	add(r.labelTable())
	add(thin(r.defenceTable(), rows))
	add(r.lossTable())
	return out
}

// bestTable is who misses least at each size.
func (r *Report) bestTable() *Table {
	t := &Table{
		ID: "best", Title: "The best cache at each size (misses in % of packets; pp: percentage points)", Left: 0,
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
func (r *Report) winnerTable() *Table {
	t := &Table{ID: "winners", Title: "Who wins where (ties count for each)", Left: 1, Head: []string{"cache", "sizes won", "beyond chance", "most, pp", "at"}}
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
		t.Rows = append(t.Rows, []string{name(w.Policy, w.Admission), fmt.Sprint(len(w.Entries) + len(w.Slots)), fmt.Sprint(w.Significant), pct(w.MostLead), strings.Join(at, ", ")})
	}
	if len(t.Rows) > 12 {
		t.Note = fmt.Sprintf("and %d more that only tie", len(t.Rows)-12)
		t.Rows = t.Rows[:12]
	}
	return t
}

// budgets are the sizes that were run, at most n of them; 0: all.
func (r *Report) budgets(slots bool, n int) []uint64 {
	var all []uint64
	for _, p := range r.points {
		k := p.Entries
		if slots {
			k = p.Slots
		}
		if k > 0 {
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

func (r *Report) find(c [2]string, size uint64, slots bool) *cache.Point {
	k := pointKey{policy: c[0], admission: c[1], entries: size}
	if slots {
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
func (r *Report) ratioTable(slots, bytes bool, cols int) *Table {
	sizes := r.budgets(slots, cols)
	if len(sizes) == 0 {
		return nil
	}
	of, unit, id := "packets", "entries", "ratio"
	if bytes {
		of, id = "bytes", "bytes"
	}
	if slots {
		unit, id = "slots", id+"-slots"
	}
	t := &Table{ID: id, Title: fmt.Sprintf("Misses in %% of %s, by policy and size in %s", of, unit), Left: 1, Head: []string{"policy"}}
	for _, n := range sizes {
		t.Head = append(t.Head, report.Count(n))
	}
	for _, c := range r.caches() {
		row := []string{name(c[0], c[1])}
		for _, n := range sizes {
			p := r.find(c, n, slots)
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
	if cols > 0 && len(sizes) < len(r.budgets(slots, 0)) {
		t.Note = "more sizes in the CSV, the JSON and report.html"
	}
	return t
}

// telling is the size at which the caches differ most, where their classes are
// worth a look; in entries where there are such. The worst quarter doesn't
// count: mru and its like would decide.
func (r *Report) telling() *Ranking {
	if k := r.tellingOf(false); k != nil {
		return k
	}
	return r.tellingOf(true)
}

func (r *Report) tellingOf(slots bool) *Ranking {
	var best *Ranking
	most := -1.0
	for i := range r.Rankings {
		k := &r.Rankings[i]
		if n := len(k.Best); n > 0 && slots == (k.Slots > 0) {
			if d := k.Best[n*3/4].MissRatio - k.Best[0].MissRatio; d > most {
				best, most = k, d
			}
		}
	}
	return best
}

// classTable is what the misses were, at the telling size.
func (r *Report) classTable() *Table {
	k := r.telling()
	if k == nil {
		return nil
	}
	t := &Table{
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
func (r *Report) slotsTable() *Table {
	if len(r.budgets(true, 0)) == 0 {
		return nil
	}
	t := &Table{ID: "sizes", Title: "What the policies do on a budget in slots", Left: 3, Head: []string{"policy", "kind", "on slots"}}
	for _, p := range r.Policies {
		t.Rows = append(t.Rows, []string{p.Policy, p.Kind, p.Sizes})
	}
	if slices.ContainsFunc(r.Policies, func(p PolicyNote) bool { return strings.HasPrefix(p.Policy, "golang-") }) {
		t.Note = "golang-lru's own caches count entries, so in slots they hold more than the budget: they are in the rows, but not ranked there."
	}
	return t
}

// reachTable is the smallest size reaching so many hits.
func (r *Report) reachTable() *Table {
	t := &Table{ID: "reach", Title: "The smallest size that was run and hits so many packets", Left: 1, Head: []string{"cache"}}
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

// legitimate is the label of the packets to be defended, "" where packets are
// not labelled as an attack and others.
func (r *Report) legitimate() string {
	label, attack := "", false
	for _, l := range r.Profile.Labels {
		switch {
		case l.Label == "attack":
			attack = true
		case label == "" || l.Label == "legit":
			label = l.Label
		}
	}
	if !attack {
		return ""
	}
	return label
}

// missed is the share of a label's packets that p misses.
func missed(p *cache.Point, label string) (float64, bool) {
	for _, n := range p.Labels {
		if n.Label == label && n.Requests > 0 {
			return float64(n.Misses) / float64(n.Requests), true
		}
	}
	return 0, false
}

// shieldTable is which cache keeps most of the legitimate packets' hits at each
// size, where the capture holds an attack.
func (r *Report) shieldTable() *Table {
	legit := r.legitimate()
	if legit == "" {
		return nil
	}
	t := &Table{
		ID: "shield", Title: "Recommended defence against the attack in the capture: the fewest misses of the " + legit + " packets",
		Head: []string{"size", "cache", legit + " %", "attack %", "all %", "installs/s", "lru " + legit + " %", "saves pp"},
	}
	for i := range r.Rankings {
		k := &r.Rankings[i]
		var best, lru *cache.Point
		least := 2.0
		for j := range k.Best {
			p := k.Best[j].point
			x, ok := missed(p, legit)
			if ok && x < least {
				best, least = p, x
			}
			if p.Policy == "lru" && p.Admission == "always" {
				lru = p
			}
		}
		if best == nil {
			continue
		}
		hostile, _ := missed(best, "attack")
		row := []string{budget(k.Entries, k.Slots), name(best.Policy, best.Admission), pct(least), pct(hostile), pct(best.MissRatio), rate(best.InstallsPerSecond), "-", "-"}
		if lru != nil {
			x, _ := missed(lru, legit)
			row[6], row[7] = pct(x), pct(x-least)
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// labelTable tells packets apart by label where the generator labelled them,
// the best for the legitimate ones first.
func (r *Report) labelTable() *Table {
	k := r.telling()
	if len(r.Profile.Labels) == 0 || k == nil {
		return nil
	}
	t := &Table{ID: "labels", Title: fmt.Sprintf("Misses in %% of the packets of each label at size %s", budget(k.Entries, k.Slots)), Left: 1, Head: []string{"cache"}}
	for _, l := range r.Profile.Labels {
		t.Head = append(t.Head, l.Label)
	}
	best := slices.Clone(k.Best)
	if legit := r.legitimate(); legit != "" {
		slices.SortStableFunc(best, func(a, b Ranked) int {
			x, _ := missed(a.point, legit)
			y, _ := missed(b.point, legit)
			return cmp.Compare(x, y)
		})
	}
	for i := range best {
		p := best[i].point
		row := []string{name(p.Policy, p.Admission)}
		for _, l := range r.Profile.Labels {
			s := "-"
			if x, ok := missed(p, l.Label); ok {
				s = pct(x)
			}
			row = append(row, s)
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// defenceTable is the recommended defence at each size.
func (r *Report) defenceTable() *Table {
	if r.Attack == nil {
		return nil
	}
	t := &Table{
		ID: "defence", Title: "Recommended defence: the cache whose worst attack leaves the fewest legitimate misses", Left: 0,
		Head: []string{"entries", "policy + admission", "worst attack", "clean %", "attacked %", "loses pp", "mean attacked %", "lru clean %", "lru attacked %", "lru loses pp"},
	}
	for _, d := range r.Attack.Defences {
		w := d.Worst
		row := []string{report.Count(w.Entries), w.Policy + " + " + w.Admission, w.Attack, pct(w.Clean), pct(w.Attacked), pct(w.Loss), pct(d.Mean), "-", "-", "-"}
		if d.HasPlain {
			row[7], row[8], row[9] = pct(d.Plain.Clean), pct(d.Plain.Attacked), pct(d.Plain.Loss)
		}
		t.Rows = append(t.Rows, row)
	}
	t.Note = "Misses are of the legitimate packets alone. lru: with every miss admitted, its own worst attack."
	return t
}

// lossTable is what each attack takes from each cache, at the largest size at
// which lru loses much, or else the one where most is lost.
func (r *Report) lossTable() *Table {
	if r.Attack == nil || len(r.Attack.Losses) == 0 {
		return nil
	}
	worst := r.Attack.Losses[0]
	for _, l := range r.Attack.Losses {
		if l.Loss > worst.Loss {
			worst = l
		}
	}
	var kinds []string
	type key struct{ policy, admission string }
	rows := map[key][]string{}
	sum := map[key]float64{}
	var order []key
	for _, l := range r.Attack.Losses {
		if l.Entries != worst.Entries {
			continue
		}
		if !slices.Contains(kinds, l.Attack) {
			kinds = append(kinds, l.Attack)
		}
		k := key{l.Policy, l.Admission}
		if rows[k] == nil {
			order = append(order, k)
			rows[k] = []string{name(l.Policy, l.Admission), pct(l.Clean)}
		}
		rows[k] = append(rows[k], pct(l.Attacked))
		sum[k] = max(sum[k], l.Attacked)
	}
	slices.SortStableFunc(order, func(a, b key) int {
		switch {
		case sum[a] < sum[b]:
			return -1
		case sum[a] > sum[b]:
			return 1
		}
		return 0
	})
	t := &Table{ID: "losses", Title: fmt.Sprintf("Legitimate misses in %% under each attack at %s entries, where most is lost", report.Count(worst.Entries)), Left: 1, Head: append([]string{"cache", "clean"}, kinds...)}
	for _, k := range order {
		t.Rows = append(t.Rows, rows[k])
	}
	if len(t.Rows) > 20 {
		t.Note = fmt.Sprintf("the 20 best of %d; the rest in the CSV and JSON", len(t.Rows))
		t.Rows = t.Rows[:20]
	}
	return t
}
