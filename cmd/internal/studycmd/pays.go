package studycmd

import (
	"fmt"
	"math"
	"slices"

	"jitnic/cmd/internal/report"
	"jitnic/host/study/result"
)

// deviceKey is a device under a load.
type deviceKey struct {
	name, host string
	rate       uint64
	tier       int32
}

func keyOf(x *result.Row) deviceKey { return deviceKey{*x.Device, *x.Host, *x.Rate, *x.Tier} }

// label names a device by what tells it from the others of the study.
func (k deviceKey) label(all []deviceKey) string {
	text := k.name
	differ := func(of func(k deviceKey) string) bool {
		return slices.ContainsFunc(all, func(o deviceKey) bool { return of(o) != of(all[0]) })
	}
	if differ(func(k deviceKey) string { return fmt.Sprint(k.rate) }) {
		text += fmt.Sprintf(" at %.3g Mpps", float64(k.rate)/1e6)
	}
	if differ(func(k deviceKey) string { return k.host }) {
		text += " beside " + k.host
	}
	if differ(func(k deviceKey) string { return fmt.Sprint(k.tier) }) {
		text += fmt.Sprintf(", tier %d", k.tier)
	}
	return text
}

// pays answers for each device at which size the offload pays.
func (r *results) pays() []report.Block {
	var devices []deviceKey
	for i := range r.rows {
		if r.rows[i].Device != nil {
			devices = once(devices, keyOf(&r.rows[i]))
		}
	}
	if len(devices) == 0 {
		return nil
	}
	best := map[string]bool{} // policy that stands best, for all devices alike
	if s := r.standings(); len(s) > 0 {
		best[s[0].name] = true
	}
	type count struct{ pays, depends, not, n int }
	type place struct {
		label string
		d     deviceKey
		b     budget
	}
	cells := map[place]*count{}
	totals := map[place]*count{}
	saved := map[place][]float64{}
	var labels []string
	var budgets []budget
	for i := range r.rows {
		x := &r.rows[i]
		if x.Device == nil || !best[result.CacheName(x.Policy, x.Admission)] {
			continue
		}
		l := r.label(contest{x.Program, x.Entry, x.Mode, x.Segments, x.Split, int(x.Queues), x.Hot, x.InstallDelay})
		b := budget{x.Slots, x.Entries}
		labels, budgets = once(labels, l), once(budgets, b)
		for k, of := range map[string]map[place]*count{l: cells, "": totals} {
			p := place{k, keyOf(x), b}
			c := of[p]
			if c == nil {
				c = &count{}
				of[p] = c
			}
			c.n++
			switch *x.Pays {
			case "pays":
				c.pays++
			case "depends":
				c.depends++
			default:
				c.not++
			}
		}
		if *x.AloneCoreNS > 0 {
			p := place{"", keyOf(x), b}
			saved[p] = append(saved[p], 1 - *x.CoreNS / *x.AloneCoreNS)
		}
	}
	if len(labels) == 0 {
		return nil
	}
	slices.SortFunc(budgets, budget.compare)
	policy := ""
	for p := range best {
		policy = p
	}
	var f report.Facts
	t := &report.Table{ID: "pays", Title: "In how many cells it pays, by device and size, under " + policy, Open: true, Left: 1, Head: []string{"device"},
		PageNote: "pays / depends / does not pay. It pays where host cores are saved and packets are no slower; it depends where cores are saved and packets are slower. A point's hit ratio is put against what a hit, a miss and a packet on the host alone cost in a run of the device's model with the cell's packets."}
	for _, b := range budgets {
		t.Head = append(t.Head, b.String())
	}
	ch := &report.Chart{ID: "saved", Title: "Host cores saved, by size: mean over programs and captures", Heading: "Host cores saved by the offload, mean over programs and captures", X: "size of the cache in traces", Y: "host cores saved, %", LogX: 2, Wide: true,
		Note: "Bands are 95 % intervals over cells. Below 0 the offload costs cores."}
	for _, d := range devices {
		line := []string{d.label(devices)}
		s := report.Series{Name: d.label(devices)}
		for _, b := range budgets {
			c := totals[place{"", d, b}]
			if c == nil {
				line = append(line, "")
				continue
			}
			line = append(line, fmt.Sprintf("%d / %d / %d", c.pays, c.depends, c.not))
			if v := saved[place{"", d, b}]; len(v) > 0 && b.slots == 0 {
				m, half := result.Mean(v)
				if math.IsInf(half, 0) {
					half = 0
				}
				s.X, s.Y = append(s.X, float64(b.entries)), append(s.Y, 100*m)
				s.Low, s.High = append(s.Low, 100*(m-half)), append(s.High, 100*(m+half))
			}
		}
		t.Rows = append(t.Rows, line)
		if len(s.X) > 0 {
			ch.Series = append(ch.Series, s)
		}
		last := totals[place{"", d, budgets[len(budgets)-1]}]
		if last != nil {
			f.Addf(d.label(devices), "at %s: pays in %d of %d cells, depends in %d, does not pay in %d", budgets[len(budgets)-1], last.pays, last.n, last.depends, last.not)
		}
	}
	by := &report.Table{ID: "pays-programs", Title: "The least size at which it pays on every capture, by program and device, under " + policy, Open: true, Left: 1, Head: []string{"program"},
		PageNote: "In brackets: it pays on some of the captures, from that size on. A dash: at no size of the study, on any."}
	for _, d := range devices {
		by.Head = append(by.Head, d.label(devices))
	}
	for _, l := range labels {
		line := []string{l}
		for _, d := range devices {
			all, some := "", ""
			for _, b := range budgets {
				if c := cells[place{l, d, b}]; c != nil {
					if c.pays == c.n && all == "" {
						all = b.String()
					}
					if c.pays > 0 && some == "" {
						some = b.String()
					}
				}
			}
			switch {
			case all != "":
				line = append(line, all)
			case some != "":
				line = append(line, "("+some+")")
			default:
				line = append(line, "–")
			}
		}
		by.Rows = append(by.Rows, line)
	}
	blocks := []report.Block{{Facts: f}, {Table: t, Apart: true}, {Table: by, Apart: true}}
	if len(ch.Series) > 0 {
		blocks = append(blocks, report.Block{Only: report.OnPage, Charts: report.Charts{ch}})
	}
	return blocks
}
