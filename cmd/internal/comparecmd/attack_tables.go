package comparecmd

import (
	"cmp"
	"fmt"
	"slices"

	"jitnic/cache"
	"jitnic/cmd/internal/report"
)

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
func (r *Report) shieldTable() *report.Table {
	legit := r.legitimate()
	if legit == "" {
		return nil
	}
	t := &report.Table{
		ID: "shield", Open: true, Title: "Recommended defence against the attack in the capture: the fewest misses of the " + legit + " packets",
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
func (r *Report) labelTable() *report.Table {
	k := r.telling()
	if len(r.Profile.Labels) == 0 || k == nil {
		return nil
	}
	t := &report.Table{ID: "labels", Title: fmt.Sprintf("Misses in %% of the packets of each label at size %s", budget(k.Entries, k.Slots)), Left: 1, Head: []string{"cache"}}
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

// partTable is the misses of each capture, where there are several.
func (r *Report) partTable() *report.Table {
	k := r.telling()
	if k == nil || len(k.Best) == 0 || len(k.Best[0].point.Parts) == 0 {
		return nil
	}
	t := &report.Table{ID: "captures", Title: fmt.Sprintf("Misses in %% of the packets of each capture at size %s", budget(k.Entries, k.Slots)), Left: 1, Open: true, Head: []string{"capture", "packets"},
		Note: "One cache over all of them, in this order: a capture begins with what the one before has left installed."}
	best := k.Best[:min(len(k.Best), mostOverTime)]
	for _, b := range best {
		t.Head = append(t.Head, name(b.point.Policy, b.point.Admission))
	}
	for i, part := range best[0].point.Parts {
		row := []string{part.Capture, report.Count(part.Requests)}
		for _, b := range best {
			row = append(row, pct(float64(b.point.Parts[i].Misses)/float64(max(part.Requests, 1))))
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// defenceTable is the recommended defence at each size.
func (r *Report) defenceTable() *report.Table {
	if r.Attack == nil {
		return nil
	}
	t := &report.Table{
		ID: "defence", Open: true, Title: "Recommended defence: the cache whose worst attack leaves the fewest legitimate misses", Left: 0,
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
func (r *Report) lossTable() *report.Table {
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
	t := &report.Table{ID: "losses", Title: fmt.Sprintf("Legitimate misses in %% under each attack at %s entries, where most is lost", report.Count(worst.Entries)), Left: 1, Head: append([]string{"cache", "clean"}, kinds...)}
	for _, k := range order {
		t.Rows = append(t.Rows, rows[k])
	}
	if len(t.Rows) > 20 {
		t.Note = fmt.Sprintf("the 20 best of %d; the rest in the CSV and JSON", len(t.Rows))
		t.Rows = t.Rows[:20]
	}
	return t
}
