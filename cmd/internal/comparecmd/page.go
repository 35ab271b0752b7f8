package comparecmd

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io"
	"math"
	"slices"

	"jitnic/cache/policy"
	"jitnic/cmd/internal/report"
)

//go:embed assets
var assets embed.FS

var pageTemplate = template.Must(template.ParseFS(assets, "assets/page.html"))

// pageData is what the page's script draws.
type pageData struct {
	Caches  []pageCache          `json:"caches"`
	Units   map[string]*pageUnit `json:"units"` // entries, slots
	First   []int                `json:"first"` // caches shown at first
	Bytes   bool                 `json:"bytes"` // there is something to tell by bytes
	Windows struct {
		X     []float64               `json:"x"`
		Units map[string]*pageWindows `json:"units"`
	} `json:"windows"`
	WS struct {
		X      []float64 `json:"x"`
		From   []int     `json:"from"`
		To     []int     `json:"to"`
		Unique []int     `json:"unique"`
		Fresh  []int     `json:"fresh"`
	} `json:"ws"`
	Pop struct {
		Rank     []float64  `json:"rank"`
		Requests []uint64   `json:"requests"`
		Fit      []*float64 `json:"fit"`
	} `json:"pop"`
	Reuse struct {
		To    []float64  `json:"to"`
		Stack []*float64 `json:"stack"`
		Time  []*float64 `json:"time"`
	} `json:"reuse"`
}

type pageCache struct {
	Name  string `json:"name"`
	Is    string `json:"is"`
	Bound bool   `json:"bound"`
}

// pageUnit is the curves over one unit of size: by cache, then size; null where
// there is none.
type pageUnit struct {
	Sizes   []uint64     `json:"sizes"`
	Packets [][]*float64 `json:"packets"`
	Bytes   [][]*float64 `json:"bytes"`
	Best    []int        `json:"best"`
	Bound   *int         `json:"bound"` // the one that distances are from
}

// pageWindows is the hit ratio over time: by size, cache, then window.
type pageWindows struct {
	Sizes []uint64      `json:"sizes"`
	First uint64        `json:"first"`
	Hits  [][][]float64 `json:"hits"`
}

// round keeps the page small: a percentage to four decimals.
func round(x float64) float64 { return math.Round(x*1e6) / 1e4 }

const mostWindowSizes = 8 // whose hit ratio over time the page holds

func (r *Report) pageData() *pageData {
	d := &pageData{Caches: []pageCache{}, First: []int{}, Units: map[string]*pageUnit{}, Bytes: r.bytesDiffer()}
	d.Windows.X = []float64{}
	d.WS.X, d.WS.From, d.WS.To, d.WS.Unique, d.WS.Fresh = []float64{}, []int{}, []int{}, []int{}, []int{}
	d.Pop.Rank, d.Pop.Requests, d.Pop.Fit = []float64{}, []uint64{}, []*float64{}
	d.Reuse.To, d.Reuse.Stack, d.Reuse.Time = []float64{}, []*float64{}, []*float64{}
	all := r.caches()
	for _, c := range all {
		i, _ := policy.Lookup(c[0])
		d.Caches = append(d.Caches, pageCache{name(c[0], c[1]), i.Is, i.Kind == policy.Bound})
	}
	d.Windows.Units = map[string]*pageWindows{}
	for _, slots := range []bool{false, true} {
		unit := "entries"
		if slots {
			unit = "slots"
		}
		sizes := r.budgets(slots, 0)
		if len(sizes) == 0 {
			continue
		}
		u := &pageUnit{Sizes: sizes, Packets: make([][]*float64, len(all)), Bytes: make([][]*float64, len(all)), Best: []int{}}
		caches, bounds := r.leaders(slots, mostLines)
		for i, c := range all {
			if slices.Contains(caches, c) || slices.Contains(bounds, c) && c[0] == r.bound(slots) {
				u.Best = append(u.Best, i)
			}
			if c[0] == r.bound(slots) && c[1] == "always" {
				u.Bound = &i
			}
			u.Packets[i], u.Bytes[i] = make([]*float64, len(sizes)), make([]*float64, len(sizes))
			for k, n := range sizes {
				p := r.find(c, n, slots)
				if p == nil {
					continue
				}
				x := round(p.MissRatio)
				u.Packets[i][k] = &x
				if p.Bytes > 0 {
					y := round(p.ByteMissRatio)
					u.Bytes[i][k] = &y
				}
			}
		}
		d.Units[unit] = u
		if len(d.First) == 0 {
			d.First = u.Best
		}
		w := &pageWindows{Sizes: r.budgets(slots, mostWindowSizes)}
		if telling := r.tellingOf(slots); telling != nil {
			w.First = telling.Entries + telling.Slots
			if !slices.Contains(w.Sizes, w.First) {
				w.Sizes = append(w.Sizes, w.First)
				slices.Sort(w.Sizes)
			}
		}
		for _, n := range w.Sizes {
			rows := make([][]float64, len(all))
			for i, c := range all {
				p := r.find(c, n, slots)
				if p == nil {
					continue
				}
				var xs []float64
				for _, x := range p.Windows {
					if x.To <= x.From {
						continue
					}
					rows[i] = append(rows[i], math.Round(1e4*(1-float64(x.Misses)/float64(x.To-x.From)))/100)
					xs = append(xs, float64(x.From+x.To)/2)
				}
				if len(xs) > 0 {
					d.Windows.X = xs
				}
			}
			w.Hits = append(w.Hits, rows)
		}
		d.Windows.Units[unit] = w
	}
	for _, s := range r.Profile.WorkingSet {
		d.WS.X = append(d.WS.X, float64(s.From+s.To)/2)
		d.WS.From, d.WS.To = append(d.WS.From, s.From), append(d.WS.To, s.To)
		d.WS.Unique, d.WS.Fresh = append(d.WS.Unique, s.Unique), append(d.WS.Fresh, s.New)
	}
	_, fit := r.zipf()
	for i, p := range r.Profile.Popularity {
		d.Pop.Rank, d.Pop.Requests = append(d.Pop.Rank, float64(p.Rank)), append(d.Pop.Requests, p.Requests)
		var y *float64
		if i < len(fit) {
			v := math.Round(fit[i]*100) / 100
			if v > 0.5 {
				y = &v
			}
		}
		d.Pop.Fit = append(d.Pop.Fit, y)
	}
	d.reuse(&r.Profile)
	return d
}

// bound is the bound that distances are from.
func (r *Report) bound(slots bool) string {
	for i := range r.Rankings {
		if slots == (r.Rankings[i].Slots > 0) && r.Rankings[i].Bound != "" {
			return r.Rankings[i].Bound
		}
	}
	return ""
}

// reuse merges both kinds of distance on one axis.
func (d *pageData) reuse(p *Profile) {
	var at []uint32
	for _, b := range append(slices.Clone(p.ReuseStack), p.ReuseTime...) {
		at = append(at, max(b.To, 1))
	}
	slices.Sort(at)
	at = slices.Compact(at)
	share := func(bs []Bucket, to uint32) *float64 {
		var all, sum uint64
		var last uint32
		for _, b := range bs {
			all += b.Requests
			if max(b.To, 1) <= to {
				sum += b.Requests
			}
			last = max(b.To, 1)
		}
		if all == 0 || to > last {
			return nil
		}
		x := round(float64(sum) / float64(all))
		return &x
	}
	for _, to := range at {
		d.Reuse.To = append(d.Reuse.To, float64(to))
		d.Reuse.Stack = append(d.Reuse.Stack, share(p.ReuseStack, to))
		d.Reuse.Time = append(d.Reuse.Time, share(p.ReuseTime, to))
	}
}

// pageHeat is a heat map as a table.
type pageHeat struct {
	Unit string
	Cols []string
	Ramp []pageCell
	Rows []pageHeatRow
}

type pageHeatRow struct {
	Name  string
	Cells []pageCell
}

type pageCell struct {
	Text      string
	Back, Ink template.CSS
}

// shade is a cell's colours: light where little is missed.
func shade(x, lo, hi float64) (back, ink template.CSS) {
	t := 0.0
	if hi > lo {
		t = math.Sqrt(max(0, (x-lo)/(hi-lo)))
	}
	from, mid, to := [3]float64{247, 251, 235}, [3]float64{65, 160, 190}, [3]float64{20, 35, 100}
	var c [3]int
	for i := range c {
		if t < 0.5 {
			c[i] = int(from[i] + (mid[i]-from[i])*2*t)
		} else {
			c[i] = int(mid[i] + (to[i]-mid[i])*(2*t-1))
		}
	}
	ink = "#111"
	if t > 0.55 {
		ink = "#fff"
	}
	return template.CSS(fmt.Sprintf("rgb(%d,%d,%d)", c[0], c[1], c[2])), ink
}

func (r *Report) pageHeats() []pageHeat {
	var out []pageHeat
	for _, slots := range []bool{false, true} {
		unit := "entries"
		if slots {
			unit = "slots"
		}
		h := r.heat(slots, unit)
		if h == nil {
			continue
		}
		lo, hi := h.Range()
		m := pageHeat{Unit: unit}
		for _, c := range r.budgets(slots, 24) {
			m.Cols = append(m.Cols, report.Count(c))
		}
		for _, t := range []float64{0, 0.0625, 0.25, 0.5625, 1} {
			x := lo + t*(hi-lo)
			back, ink := shade(x, lo, hi)
			m.Ramp = append(m.Ramp, pageCell{pct(x), back, ink})
		}
		for i, row := range h.Z {
			hr := pageHeatRow{Name: h.Rows[i]}
			for _, x := range row {
				var c pageCell
				if !math.IsNaN(x) {
					c.Text = pct(x)
					c.Back, c.Ink = shade(x, lo, hi)
				}
				hr.Cells = append(hr.Cells, c)
			}
			m.Rows = append(m.Rows, hr)
		}
		out = append(out, m)
	}
	return out
}

// pageNode is a Node as the page shows it.
type pageNode struct {
	Share, Text, Class string
	First              string // predicate, with how many follow
	Width              float64
	Open               bool
	Predicates         []string
	Children           []pageNode
}

func (r *Report) pageTree(nodes []Node, depth int) []pageNode {
	var out []pageNode
	for i := range nodes {
		n := &nodes[i]
		share := float64(n.Packets) / float64(max(r.Profile.Requests, 1))
		p := pageNode{
			Share: fmt.Sprintf("%.2f %%", 100*share), Width: math.Round(1000*share) / 10, Text: n.title(),
			Open: depth < 3 && share > 0.02, Children: r.pageTree(n.Children, depth+1),
		}
		if len(n.Predicates) > 0 {
			p.First, p.Predicates = n.Predicates[0], n.Predicates[1:]
		}
		if n.Path != nil {
			p.Class, p.Open = "leaf", false
			p.Text += fmt.Sprintf(", %s packets", report.Count(n.Packets))
			if n.Slots > 0 {
				p.Text += fmt.Sprintf(", %d slots", n.Slots)
			}
			if n.Abort != "" {
				p.Class = "dead"
			}
		}
		out = append(out, p)
	}
	return out
}

// Page writes report.html.
func (r *Report) Page(w io.Writer) error {
	type openTable struct {
		Table
		Open bool
	}
	v := struct {
		Title   string
		R       *Report
		Summary [][2]string
		Heats   []pageHeat
		Slots   bool // there are budgets in entries and in slots
		Zipf    string
		Tree    []pageNode
		Tables  []openTable
	}{Title: r.title(), R: r, Summary: r.summary(), Heats: r.pageHeats(), Tree: r.pageTree(r.Tree, 0)}
	v.Slots = len(r.budgets(false, 0)) > 0 && len(r.budgets(true, 0)) > 0
	v.Zipf = "Too few paths for a fit."
	if r.Profile.Paths > 1 {
		v.Zipf = fmt.Sprintf("The fit is rank^−α with α = %.2f by maximum likelihood; R² = %.2f of the straight line.", r.Profile.ZipfAlpha, r.Profile.ZipfR2)
	}
	for _, t := range r.tables(32, 200) {
		open := t.ID == "best" || t.ID == "winners" || t.ID == "defence" || t.ID == "shield"
		v.Tables = append(v.Tables, openTable{t, open})
	}
	var body bytes.Buffer
	if err := pageTemplate.Execute(&body, v); err != nil {
		return err
	}
	p, err := report.VerbPage("jitnic compare: "+r.title(), assets, body.Bytes(), r.pageData())
	if err != nil {
		return err
	}
	return p.Write(w)
}
