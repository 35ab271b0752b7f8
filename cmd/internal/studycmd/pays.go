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

// payoff is in how many cells the offload pays, under the policy that stands best
// for all devices alike.
type payoff struct {
	policy  string
	devices []deviceKey
	labels  []string
	budgets []budget
	cells   map[payPlace]*verdicts // by label
	totals  map[payPlace]*verdicts // of all labels
	saved   map[payPlace][]float64 // share of host cores, the same
}

type payPlace struct {
	label string
	d     deviceKey
	b     budget
}

type verdicts struct{ pays, depends, not, n int }

func (v *verdicts) add(verdict string) {
	v.n++
	switch verdict {
	case "pays":
		v.pays++
	case "depends":
		v.depends++
	default:
		v.not++
	}
}

// payoff counts the rows of devices; nil without any.
func (r *results) payoff() *payoff {
	p := &payoff{cells: map[payPlace]*verdicts{}, totals: map[payPlace]*verdicts{}, saved: map[payPlace][]float64{}}
	if s := r.standings(); len(s) > 0 {
		p.policy = s[0].name
	}
	for i := range r.rows {
		x := &r.rows[i]
		if x.Device == nil {
			continue
		}
		d, b := keyOf(x), budget{x.Slots, x.Entries}
		p.devices = once(p.devices, d)
		if result.CacheName(x.Policy, x.Admission) != p.policy {
			continue
		}
		l := r.label(contestIn(x))
		p.labels, p.budgets = once(p.labels, l), once(p.budgets, b)
		all := payPlace{"", d, b}
		count(p.cells, payPlace{l, d, b}, *x.Pays)
		count(p.totals, all, *x.Pays)
		if *x.AloneCoreNS > 0 {
			p.saved[all] = append(p.saved[all], 1 - *x.CoreNS / *x.AloneCoreNS)
		}
	}
	if len(p.labels) == 0 {
		return nil
	}
	slices.SortFunc(p.budgets, budget.compare)
	return p
}

func count(of map[payPlace]*verdicts, at payPlace, verdict string) {
	if of[at] == nil {
		of[at] = &verdicts{}
	}
	of[at].add(verdict)
}

// pays answers for each device at which size the offload pays.
func (r *results) pays() []report.Block {
	p := r.payoff()
	if p == nil {
		return nil
	}
	var f report.Facts
	most := p.budgets[len(p.budgets)-1]
	for _, d := range p.devices {
		if v := p.totals[payPlace{"", d, most}]; v != nil {
			f.Addf(d.label(p.devices), "at %s: pays in %d of %d cells, depends in %d, does not pay in %d", most, v.pays, v.n, v.depends, v.not)
		}
	}
	blocks := []report.Block{{Facts: f}, {Table: p.byDevice(), Apart: true}, {Table: p.byProgram(), Apart: true}}
	if ch := p.chart(); len(ch.Series) > 0 {
		blocks = append(blocks, report.Block{Only: report.OnPage, Charts: report.Charts{ch}})
	}
	return blocks
}

// byDevice has a line a device, a column a size.
func (p *payoff) byDevice() *report.Table {
	t := &report.Table{ID: "pays", Title: "In how many cells it pays, by device and size, under " + p.policy, Open: true, Left: 1, Head: []string{"device"},
		PageNote: "pays / depends / does not pay. It pays where host cores are saved and packets are no slower; it depends where cores are saved and packets are slower. A point's hit ratio is put against what a hit, a miss and a packet on the host alone cost in a run of the device's model with the cell's packets."}
	for _, b := range p.budgets {
		t.Head = append(t.Head, b.String())
	}
	for _, d := range p.devices {
		line := []string{d.label(p.devices)}
		for _, b := range p.budgets {
			text := ""
			if v := p.totals[payPlace{"", d, b}]; v != nil {
				text = fmt.Sprintf("%d / %d / %d", v.pays, v.depends, v.not)
			}
			line = append(line, text)
		}
		t.Rows = append(t.Rows, line)
	}
	return t
}

// chart has a line a device: host cores saved, by entries.
func (p *payoff) chart() *report.Chart {
	ch := &report.Chart{ID: "saved", Title: "Host cores saved, by size: mean over programs and captures", Heading: "Host cores saved by the offload, mean over programs and captures", X: "size of the cache in traces", Y: "host cores saved, %", LogX: 2, Wide: true,
		Note: "Bands are 95 % intervals over cells. Below 0 the offload costs cores."}
	for _, d := range p.devices {
		s := report.Series{Name: d.label(p.devices)}
		for _, b := range p.budgets {
			v := p.saved[payPlace{"", d, b}]
			if len(v) == 0 || b.slots != 0 {
				continue
			}
			m, half := result.Mean(v)
			if math.IsInf(half, 0) {
				half = 0
			}
			s.X, s.Y = append(s.X, float64(b.entries)), append(s.Y, 100*m)
			s.Low, s.High = append(s.Low, 100*(m-half)), append(s.High, 100*(m+half))
		}
		if len(s.X) > 0 {
			ch.Series = append(ch.Series, s)
		}
	}
	return ch
}

// byProgram has a line a program, a column a device.
func (p *payoff) byProgram() *report.Table {
	t := &report.Table{ID: "pays-programs", Title: "The least size at which it pays on every capture, by program and device, under " + p.policy, Open: true, Left: 1, Head: []string{"program"},
		PageNote: "In brackets: it pays on some of the captures, from that size on. A dash: at no size of the study, on any."}
	for _, d := range p.devices {
		t.Head = append(t.Head, d.label(p.devices))
	}
	for _, l := range p.labels {
		line := []string{l}
		for _, d := range p.devices {
			line = append(line, p.least(l, d))
		}
		t.Rows = append(t.Rows, line)
	}
	return t
}

// least is the least size at which a program pays on a device.
func (p *payoff) least(label string, d deviceKey) string {
	some := "–"
	for _, b := range p.budgets {
		switch v := p.cells[payPlace{label, d, b}]; {
		case v == nil:
		case v.pays == v.n:
			return b.String()
		case v.pays > 0 && some == "–":
			some = "(" + b.String() + ")"
		}
	}
	return some
}
