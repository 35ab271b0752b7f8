package report

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"math"
	"regexp"
	"slices"
	"strings"
)

// uPlot 1.6.32 (MIT, assets/uPlot.LICENSE), https://github.com/leeoniya/uPlot,
// from the npm package of that name: charts without a network.
//
//go:embed assets
var assets embed.FS

// The functions are those of the scope that is being written: see pageWriter.
var pageTemplate = template.Must(template.New("page.html").Funcs((&pageWriter{}).functions()).ParseFS(assets, "assets/page.html"))

// Page writes the document as one HTML file with all it needs inside: it opens
// offline.
func (d *Document) Page(w io.Writer) error { return d.page(w, false) }

// pageBeside is Page in a folder that has the plots too.
func (d *Document) pageBeside(w io.Writer) error { return d.page(w, true) }

func (d *Document) page(w io.Writer, plots bool) error {
	p := &pageWriter{Document: d, Plots: plots, charts: []pageChart{}}
	tmpl, err := pageTemplate.Clone()
	if err != nil {
		return err
	}
	tmpl.Funcs(p.functions())
	var body bytes.Buffer
	if err := tmpl.ExecuteTemplate(&body, "body", p); err != nil {
		return err
	}
	data, err := json.Marshal(p.charts) // escapes <, > and &, so it can't end the element
	if err != nil {
		return err
	}
	asset := func(name string) string {
		b, e := assets.ReadFile("assets/" + name)
		if e != nil {
			err = e
		}
		return string(b)
	}
	choices := template.JS("")
	if len(p.choices) > 0 {
		b, err := json.Marshal(p.choices)
		if err != nil {
			return err
		}
		choices = template.JS(b)
	}
	v := map[string]any{
		"Title": "jitnic " + d.Verb + ": " + d.Title, "Body": template.HTML(body.String()), "Data": template.JS(data),
		"CSS": template.CSS(asset("uPlot.min.css") + asset("page.css")), "Choices": choices,
		"Lib": template.JS("/* uPlot\n" + asset("uPlot.LICENSE") + "*/\n" + asset("uPlot.iife.min.js")), "JS": template.JS(asset("page.js")),
	}
	if choices != "" {
		v["CSS"] = v["CSS"].(template.CSS) + template.CSS(asset("choices.css"))
		v["ChoicesJS"] = template.JS(asset("choices.js"))
	}
	if err != nil {
		return err
	}
	return tmpl.ExecuteTemplate(w, "page.html", v)
}

// pageWriter is a document while its page is written.
type pageWriter struct {
	*Document
	Plots   bool // they stand beside the page
	charts  []pageChart
	choices []*Choices
	terms   Terms // of what is being written
}

func (p *pageWriter) functions() template.FuncMap {
	return template.FuncMap{
		"enter":   func(t Terms) string { p.terms = t; return "" },
		"link":    func(s string) template.HTML { return p.terms.link(s) },
		"chart":   func(c *Chart) pageFigure { return p.chart(c) },
		"choose":  func(c *Choices) *Choices { p.choices = append(p.choices, c); return c },
		"heat":    pageHeatOf,
		"bars":    pageBarsOf,
		"within":  p.within,
		"facts":   func(r *Run) Facts { return r.facts() },
		"plots":   func() bool { return p.Plots },
		"facets":  pageFacetsOf,
		"kinds":   p.kinds,
		"cut":     func(s string) string { return strings.TrimRight(s, "\n") },
		"percent": func(x float64) string { return fmt.Sprintf("%.2f %%", 100*x) },
		"width":   func(x float64) template.CSS { return template.CSS(fmt.Sprintf("width:%.1f%%", 100*x)) },
	}
}

// kinds are the files of a figure that stand beside the page.
func (p *pageWriter) kinds(id string) []Term {
	if p.FigureDir == "" {
		return nil
	}
	return figureKinds(p.FigureDir, id)
}

// within lists the sections of a tab, or of those outside the ones before the
// tabs ("") and after them ("after").
func (p *pageWriter) within(tab string) []*Section {
	var out []*Section
	late := false
	for i := range p.Sections {
		s := &p.Sections[i]
		late = late || s.Tab != ""
		at := s.Tab
		if at == "" && late {
			at = "after"
		}
		if at == tab && slices.ContainsFunc(s.Blocks, func(b Block) bool { return b.Only != InText }) {
			out = append(out, s)
		}
	}
	return out
}

// word is what may be a term within a text: it has a dot in it, but for a
// device's clock.
var word = regexp.MustCompile(`[a-z]+(\.[a-z]+)+|\bclock\b`)

// link is a text in which terms lead to their places.
func (t Terms) link(s string) template.HTML {
	var b strings.Builder
	at := 0
	for _, m := range word.FindAllStringIndex(s, -1) {
		b.WriteString(template.HTMLEscapeString(s[at:m[0]]))
		at = m[1]
		if x, ok := t[s[m[0]:m[1]]]; ok {
			fmt.Fprintf(&b, `<a href="#%s" title="%s">%s</a>`, template.HTMLEscapeString(x.Anchor), template.HTMLEscapeString(x.Tip), template.HTMLEscapeString(x.Word))
			continue
		}
		b.WriteString(template.HTMLEscapeString(s[m[0]:m[1]]))
	}
	b.WriteString(template.HTMLEscapeString(s[at:]))
	return template.HTML(b.String())
}

// pageChart is a chart as the page's script draws it: all series over the same
// x, null where there is none.
type pageChart struct {
	ID      string       `json:"id,omitempty"`
	Name    string       `json:"name,omitempty"` // among choices
	X       string       `json:"x"`
	Y       string       `json:"y"`
	Unit    string       `json:"unit,omitempty"`
	LogX    int          `json:"logx,omitempty"`
	LogY    int          `json:"logy,omitempty"`
	Top     float64      `json:"top,omitempty"`
	Zero    bool         `json:"zero,omitempty"`
	Pick    bool         `json:"pick,omitempty"`
	With    string       `json:"with,omitempty"`
	Wide    bool         `json:"wide,omitempty"`
	Series  []pageSeries `json:"series"`
	At      []float64    `json:"at"`
	Marks   []pageAt     `json:"marks,omitempty"`
	Lines   [][]*float64 `json:"lines"`
	Low     [][]*float64 `json:"low,omitempty"` // ends of the bands; a series without one has null
	High    [][]*float64 `json:"high,omitempty"`
	Choices []pageChart  `json:"choices,omitempty"`
}

type pageAt struct {
	X    float64 `json:"x"`
	Text string  `json:"text"`
}

type pageSeries struct {
	Name   string `json:"name"`
	About  string `json:"about,omitempty"`
	Bound  bool   `json:"bound,omitempty"`
	Dots   bool   `json:"dots,omitempty"`
	Dashed bool   `json:"dashed,omitempty"`
	Hidden bool   `json:"hidden,omitempty"`
}

// pageFigure is where a chart is drawn.
type pageFigure struct {
	*Chart
	Heading string
	Plots   bool
}

// chart hands one to the script.
func (p *pageWriter) chart(c *Chart) pageFigure {
	x := pageChartOf(c)
	for _, o := range c.Choices {
		y := pageChartOf(o)
		y.ID, y.Name = "", o.heading()
		x.Choices = append(x.Choices, y)
	}
	if len(c.Choices) > 0 {
		x.Name = c.Choice
	}
	p.charts = append(p.charts, x)
	return pageFigure{c, c.heading(), p.Plots}
}

// sixDigits are enough: more only makes the page longer.
func sixDigits(x float64) float64 {
	if x == 0 || math.IsInf(x, 0) || math.IsNaN(x) {
		return 0
	}
	m := math.Pow(10, 6-math.Ceil(math.Log10(math.Abs(x))))
	return math.Round(x*m) / m
}

func pageChartOf(c *Chart) pageChart {
	p := pageChart{ID: c.ID, X: c.X, Y: c.Y, Unit: c.Unit, LogX: c.LogX, LogY: c.LogY, Top: c.Top, Zero: c.FromZero, Pick: c.Pick, With: c.With, Wide: c.Wide, Series: []pageSeries{}, At: []float64{}, Lines: [][]*float64{}}
	for _, s := range c.Series {
		for _, x := range s.X {
			p.At = append(p.At, sixDigits(x))
		}
	}
	slices.Sort(p.At)
	p.At = slices.Compact(p.At)
	for _, m := range c.Marks {
		p.Marks = append(p.Marks, pageAt(m))
	}
	place := func(at, values []float64) []*float64 {
		if values == nil {
			return nil
		}
		line := make([]*float64, len(p.At))
		for i, x := range at {
			k, _ := slices.BinarySearch(p.At, sixDigits(x))
			y := sixDigits(values[i])
			line[k] = &y
		}
		return line
	}
	bands := slices.ContainsFunc(c.Series, func(s Series) bool { return s.Low != nil })
	for _, s := range c.Series {
		if s.Y == nil {
			s.Y = []float64{}
		}
		p.Series = append(p.Series, pageSeries{s.Name, s.About, s.Bound, s.Dots, s.Dashed, s.Hidden})
		p.Lines = append(p.Lines, place(s.X, s.Y))
		if bands {
			p.Low, p.High = append(p.Low, place(s.X, s.Low)), append(p.High, place(s.X, s.High))
		}
	}
	return p
}

// pageBar is a row of bars: a column for each of the Bars, a bar for each group.
type pageBar struct {
	Name, About string
	Marked      bool
	Cols        [][]pageMark
}

type pageMark struct {
	Style template.CSS
	Class string
	Text  string
}

type pageBars struct {
	Heads []pageBarHead
	Rows  []pageBar
	Mid   bool
	Keys  []pageMark
}

type pageBarHead struct {
	Text, ID string
	Ticks    []pageMark
}

// pageBarsOf are bars to both sides of a line, by factors, or from the left, in
// per cent. Those that stand side by side have the same names.
func pageBarsOf(bs []*Bars) pageBars {
	out := pageBars{Mid: bs[0].Factors}
	span := 1.0 // powers of two to either side
	for _, b := range bs {
		for _, g := range b.Groups {
			for _, v := range g.Values {
				if !math.IsNaN(v) {
					span = max(span, math.Ceil(math.Abs(v)))
				}
			}
		}
	}
	span = min(span, 6)
	class := func(k int) string { return fmt.Sprint("g", k%len(colours)) }
	for _, b := range bs {
		h := pageBarHead{Text: b.Heading, ID: b.ID}
		if out.Mid {
			for k := -1.0; k <= 1; k++ {
				h.Ticks = append(h.Ticks, pageMark{Style: template.CSS(fmt.Sprintf("left:%.0f%%", 50+50*k)), Text: fmt.Sprintf("×%.3g", math.Pow(2, k*span))})
			}
		}
		out.Heads = append(out.Heads, h)
	}
	for k, g := range bs[0].Groups {
		out.Keys = append(out.Keys, pageMark{Class: class(k), Text: g.Name})
	}
	for i, n := range bs[0].Names {
		row := pageBar{Name: n}
		if bs[0].About != nil {
			row.About = bs[0].About[i]
		}
		if bs[0].Marked != nil {
			row.Marked = bs[0].Marked[i]
		}
		for _, b := range bs {
			var marks []pageMark
			for k, g := range b.Groups {
				v := g.Values[i]
				m := pageMark{Class: class(k), Text: g.Name}
				if !math.IsNaN(v) && b.Text != nil {
					m.Text += ": " + b.Text(v)
				}
				left, wide := 0.0, max(0, min(100, v))
				if out.Mid {
					x := max(-span, min(span, v)) / span * 50
					left, wide = 50+min(x, 0), math.Abs(x)
				}
				if math.IsNaN(wide) {
					left, wide = 0, 0
				}
				m.Style = template.CSS(fmt.Sprintf("left:%.2f%%;width:%.2f%%", left, wide))
				marks = append(marks, m)
			}
			row.Cols = append(row.Cols, marks)
		}
		out.Rows = append(out.Rows, row)
	}
	return out
}

// pageHeat is a heat map as a table.
type pageHeat struct {
	*Heat
	Ramp []pageCell
	Grid [][]pageCell
}

type pageCell struct {
	Text      string
	Back, Ink template.CSS
}

func pageHeatOf(h *Heat) pageHeat {
	out := pageHeat{Heat: h}
	lo, hi := h.Range()
	cell := func(x float64) pageCell {
		if math.IsNaN(x) {
			return pageCell{}
		}
		back, ink := shade(x, lo, hi)
		return pageCell{fmt.Sprintf("%.2f", 100*x), back, ink}
	}
	for _, t := range []float64{0, 0.0625, 0.25, 0.5625, 1} {
		out.Ramp = append(out.Ramp, cell(lo+(hi-lo)*t))
	}
	for _, row := range h.Z {
		var cells []pageCell
		for _, x := range row {
			cells = append(cells, cell(x))
		}
		out.Grid = append(out.Grid, cells)
	}
	return out
}

// shade is a cell's colours: light where the number is small, by its square root.
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
	// Of black and white the one that stands out more: 4.58 : 1 at the least.
	var light float64
	for i, v := range c {
		x := float64(v) / 255
		if x <= 0.03928 {
			x /= 12.92
		} else {
			x = math.Pow((x+0.055)/1.055, 2.4)
		}
		light += x * [3]float64{0.2126, 0.7152, 0.0722}[i]
	}
	ink = "#000"
	if light < 0.179 {
		ink = "#fff"
	}
	return template.CSS(fmt.Sprintf("rgb(%d,%d,%d)", c[0], c[1], c[2])), ink
}
