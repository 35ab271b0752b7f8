package feasibilitycmd

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io"
	"math"
	"regexp"
	"slices"
	"strings"

	"jitnic/cmd/internal/report"
	"jitnic/nic/feasibility"
	"jitnic/nic/profile"
)

//go:embed assets
var assets embed.FS

// The functions are those of a page being written: see Page.
var pageTemplate = template.Must(template.New("page.html").Funcs(template.FuncMap{
	"enter": func(*pageDevice) string { return "" }, "keys": func(string) template.HTML { return "" },
}).ParseFS(assets, "assets/page.html"))

// pageChart is a chart as the page's script draws it: all series over the same
// x, null where there is none.
type pageChart struct {
	ID    string       `json:"id"`
	X     string       `json:"x"`
	Y     string       `json:"y"`
	Unit  string       `json:"unit"`
	LogX  int          `json:"logx"`
	LogY  int          `json:"logy"`
	Names []string     `json:"names"`
	Bound []bool       `json:"bound"`
	At    []float64    `json:"at"`
	Lines [][]*float64 `json:"lines"`
	Title string       `json:"-"`
}

// digitsOf keeps six digits: more only makes the page longer.
func digitsOf(x float64) float64 {
	if x == 0 || math.IsInf(x, 0) || math.IsNaN(x) {
		return 0
	}
	m := math.Pow(10, 6-math.Ceil(math.Log10(math.Abs(x))))
	return math.Round(x*m) / m
}

func pageCharts(prefix string, cs []named) []pageChart {
	var out []pageChart
	for _, c := range cs {
		title, _, _ := strings.Cut(c.Title, ":")
		p := pageChart{ID: prefix + c.id, X: c.X, Y: c.Y, Unit: c.unit, LogX: c.LogX, LogY: c.LogY, Title: title}
		for _, s := range c.Series {
			for _, x := range s.X {
				p.At = append(p.At, digitsOf(x))
			}
		}
		slices.Sort(p.At)
		p.At = slices.Compact(p.At)
		for _, s := range c.Series {
			line := make([]*float64, len(p.At))
			for i, x := range s.X {
				k, _ := slices.BinarySearch(p.At, digitsOf(x))
				y := digitsOf(s.Y[i])
				line[k] = &y
			}
			p.Names, p.Lines, p.Bound = append(p.Names, s.Name), append(p.Lines, line), append(p.Bound, s.Bound)
		}
		out = append(out, p)
	}
	return out
}

// A block is one thing in a section of the page: facts, a table, charts, bars or
// text as it is.
type block struct {
	Facts  [][2]string
	Table  *report.Table
	Open   bool // the table
	Wrap   bool // its words
	Params bool // its rows are parameters: other tables link to them
	Charts []pageChart
	Bars   *pageBars
	Pre    string
	Title  string // of bars and text
	Note   string
}

// A pageSection is a part of a device's report.
type pageSection struct {
	ID, Title string
	Blocks    []block
}

// pageDevice is a device's tab.
type pageDevice struct {
	ID, Name, Title, Class, Answer, Sentence string
	Partial                                  bool
	Sections                                 []pageSection
	links                                    *linker
}

// pageBars are bars to both sides of a line, or from the left.
type pageBars struct {
	Head []string // of the bars' columns
	Rows []pageBarRow
	Mid  bool // bars begin in the middle
	Tick []pageTick
}

type pageTick struct {
	At   string
	Text string
}

type pageBarRow struct {
	Name, Text string
	Turns      bool
	Cols       [][]pageBar
}

type pageBar struct {
	Style template.CSS
	Class string
	Text  string
}

// Page writes report.html.
func (r *Report) Page(w io.Writer) error {
	data := []pageChart{} // of the script
	v := struct {
		Title    string
		Partial  bool
		Facts    [][2]string
		Overview report.Table
		Charts   []pageChart
		Devices  []*pageDevice
		Host     *block
		HostName string
	}{Title: r.title(), Partial: r.Partial, Facts: r.facts(), Overview: r.overview(), Charts: pageCharts("", r.compared())}
	data = append(data, v.Charts...)
	slugs := r.slugs()
	for i, s := range r.Studies {
		d := r.device(s, slugs[i])
		for j := range d.Sections {
			for k := range d.Sections[j].Blocks {
				data = append(data, d.Sections[j].Blocks[k].Charts...)
			}
		}
		v.Devices = append(v.Devices, d)
	}
	if len(r.Studies) > 0 {
		h := &r.Studies[0].Host
		t := paramTable(hostID, h.Name+": "+h.Title, h.Params)
		v.Host, v.HostName = &block{Table: &t, Open: true, Wrap: true, Params: true}, h.Name
	}
	var links *linker // of the device being written
	tmpl, err := pageTemplate.Clone()
	if err != nil {
		return err
	}
	tmpl.Funcs(template.FuncMap{
		"enter": func(d *pageDevice) string { links = d.links; return "" },
		"keys":  func(s string) template.HTML { return links.html(s) },
	})
	if len(r.Studies) > 0 {
		links = newLinker(r.Studies[0], slugs[0])
	}
	var body bytes.Buffer
	if err := tmpl.ExecuteTemplate(&body, "page.html", v); err != nil {
		return err
	}
	p, err := report.VerbPage("jitnic feasibility: "+r.title(), assets, body.Bytes(), data)
	if err != nil {
		return err
	}
	return p.Write(w)
}

// device is a study's tab.
func (r *Report) device(s *feasibility.Study, id string) *pageDevice {
	d := &pageDevice{ID: id, Name: s.NIC.Name, Title: s.NIC.Title, Answer: answer(s), Sentence: s.Verdict.Sentence, Partial: s.Partial, links: newLinker(s, id)}
	switch s.Verdict.Answer {
	case feasibility.Pays:
		d.Class = "pays"
	case feasibility.Doesnt:
		d.Class = "not"
	default:
		d.Class = "depends"
	}
	add := func(section, title string, blocks ...block) {
		var kept []block
		for _, b := range blocks {
			if len(b.Facts) > 0 || b.Table != nil && len(b.Table.Rows) > 0 || len(b.Charts) > 0 || b.Bars != nil || b.Pre != "" {
				kept = append(kept, b)
			}
		}
		if len(kept) > 0 {
			d.Sections = append(d.Sections, pageSection{id + "-" + section, title, kept})
		}
	}
	open := func(t report.Table) block { return block{Table: &t, Open: true} }
	closed := func(t report.Table) block { return block{Table: &t} }
	words := func(t report.Table) block { return block{Table: &t, Open: true, Wrap: true} }
	if judged(s) {
		add("verdict", "Why", block{Facts: verdictFacts(s, true)}, open(evenTable(s)))
	}
	if f := s.Fit; f != nil {
		add("fit", "What fits", block{Facts: fitFacts(f)}, words(blockerTable(f, 4)), words(stepTable(f)), open(coverTable(f)), open(needTable(f)), open(sizeTable(f)), closed(mapTable(f)))
	}
	if m := s.Matchers; m != nil {
		preds := predicateTable(m)
		add("match", "Matching", open(matcherTable(m)), open(ternaryTable(m)), block{Table: &preds, Wrap: true}, closed(classTable(m)), closed(refusalTable(m)))
	}
	if s.Executors.Best.Cycles > 0 || s.Executors.Schedule != "" {
		add("exec", "Executing", block{Facts: execFacts(s)}, open(execTable(s)),
			block{Title: fmt.Sprintf("Schedule of the most taken path, path %d", s.Executors.SchedulePath), Pre: strings.TrimRight(s.Executors.Schedule, "\n")})
	}
	if len(s.Point) > 0 || len(s.Curves) > 0 || len(s.Throughput) > 0 {
		var order [][2]string
		if o := orderText(s); o != "" {
			order = [][2]string{{"flow order", o}}
		}
		charts := pageCharts(id+"-", loadCharts(s))
		add("load", "Load", block{Charts: charts}, words(rateTable(s)), open(pointTable(s)), block{Facts: order}, open(stationTable(s)), open(outcomeTable(s)), open(causeTable(s)), closed(curveTable(s)))
	}
	if len(s.Memory) > 0 {
		add("memory", "Memory models", open(memoryTable(s)))
	}
	if len(s.Swings) > 0 {
		add("sensitivity", "What the assumed figures change", swingBlock(s), closed(swingTable(s)))
	}
	if s.Designs != nil {
		blocks := []block{open(designTable(s)), {Facts: designFacts(s)}}
		if b := designBars(s); b != nil {
			blocks = append([]block{{Bars: barsOf(b), Title: "Packets wholly on the NIC, host time saved, and loss under load"}}, blocks...)
		}
		if c := s.Designs.Claim; c != nil {
			blocks = append(blocks, open(claimTable(c)), open(topTable(c)))
			if c.Thrash != nil {
				blocks = append(blocks, open(thrashTable(c)))
			}
		}
		add("designs", "Designs", blocks...)
	}
	ps := paramTable(id, s.NIC.Name+": "+s.NIC.Title, s.NIC.Params)
	add("params", "Parameters of the device", block{Facts: [][2]string{{"parameters", paramCount(s.NIC.Params)}}}, block{Table: &ps, Open: true, Wrap: true, Params: true})
	return d
}

// swingBlock is the tornado: what each assumed figure does to latency and cores.
func swingBlock(s *feasibility.Study) block {
	base := swingBase(s)
	all := swings(s)
	span := 1.0 // powers of two to either side
	for _, w := range all {
		for _, e := range w.Ends {
			for _, f := range []float64{factor(e.Cores, base.Cores), factor(e.Mean, base.Mean)} {
				if !math.IsNaN(f) {
					span = max(span, math.Ceil(math.Abs(f)))
				}
			}
		}
	}
	span = min(span, 6)
	b := &pageBars{Mid: true, Head: []string{"mean latency " + nanos(base.Mean), "host cores " + digits(base.Cores)}}
	for k := -1; k <= 1; k++ {
		b.Tick = append(b.Tick, pageTick{fmt.Sprintf("%d%%", 50+50*k), "×" + digits(math.Pow(2, float64(k)*span))})
	}
	bar := func(f float64, k int, value, text string) pageBar {
		class := []string{"lo", "hi"}[min(k, 1)]
		if math.IsNaN(f) {
			f = 0
		}
		x := max(-span, min(span, f)) / span * 50
		left := 50.0
		if x < 0 {
			left = 50 + x
		}
		return pageBar{template.CSS(fmt.Sprintf("left:%.2f%%;width:%.2f%%", left, math.Abs(x))), class, value + ": " + text}
	}
	for _, w := range all {
		row := pageBarRow{Name: w.Key, Turns: w.Turns}
		var ends []string
		var mean, cores []pageBar
		for k, e := range w.Ends {
			end := e.Value
			if e.Answer != base.Answer {
				end += " (" + string(e.Answer) + ")"
			}
			ends = append(ends, end)
			mean = append(mean, bar(factor(e.Mean, base.Mean), k, e.Value, nanos(e.Mean)))
			cores = append(cores, bar(factor(e.Cores, base.Cores), k, e.Value, digits(e.Cores)))
		}
		row.Text = w.Value + " → " + strings.Join(ends, " | ")
		row.Cols = [][]pageBar{mean, cores}
		b.Rows = append(b.Rows, row)
	}
	if len(b.Rows) == 0 {
		return block{Facts: [][2]string{{"assumed figures", fmt.Sprintf("none of %d changes anything", len(s.Swings))}}}
	}
	turn := 0
	for _, w := range all {
		if w.Turns {
			turn++
		}
	}
	return block{Bars: b, Title: fmt.Sprintf("%d of %d assumed figures matter, %s", len(all), len(s.Swings), map[bool]string{true: fmt.Sprintf("%d alone turn the answer (marked)", turn), false: "none alone turns the answer"}[turn > 0]),
		Note: fmt.Sprintf("Each parameter alone, put to the ends of its range; in parentheses the answer where it is another. Bars: blue the first end, orange the others, by factors on a logarithmic scale from ×%s to ×%s. Touch or hover for the values.", digits(math.Pow(2, -span)), digits(math.Pow(2, span)))}
}

// barsOf are bars from the left, in per cent.
func barsOf(b *report.Bars) *pageBars {
	out := &pageBars{Head: []string{""}}
	var heads []string
	for _, g := range b.Groups {
		heads = append(heads, g.Name)
	}
	out.Head = heads
	for i, n := range b.Names {
		row := pageBarRow{Name: n}
		for _, g := range b.Groups {
			x := max(0, min(100, g.Values[i]))
			row.Cols = append(row.Cols, []pageBar{{template.CSS(fmt.Sprintf("left:0;width:%.2f%%", x)), "lo", percent(g.Values[i] / 100)}})
		}
		out.Rows = append(out.Rows, row)
	}
	return out
}

// hostID is the host's beside the devices', none of which has a dot in it.
const hostID = "host."

// linker turns the names of parameters into links to their line.
type linker struct {
	device string
	at     map[string]*profile.Param // by name; the host's with "host." before it
}

func newLinker(s *feasibility.Study, id string) *linker {
	l := &linker{device: id, at: map[string]*profile.Param{}}
	for i := range s.NIC.Params {
		l.at[s.NIC.Params[i].Key] = &s.NIC.Params[i]
	}
	for i := range s.Host.Params {
		l.at["host."+s.Host.Params[i].Key] = &s.Host.Params[i]
	}
	return l
}

// word is what may be a parameter's name within a text: it has a dot in it, but
// for the device's clock.
var word = regexp.MustCompile(`[a-z]+(\.[a-z]+)+|\bclock\b`)

// html is a text with its parameters linked. A cell that is nothing but a name
// without a dot is linked too.
func (l *linker) html(s string) template.HTML {
	var b strings.Builder
	rest := s
	link := func(key string) bool {
		p := l.at[key]
		if p == nil && l.at["host."+key] != nil {
			key, p = "host."+key, l.at["host."+key]
		}
		if p == nil || key == "name" || key == "title" {
			return false
		}
		fmt.Fprintf(&b, `<a href="#%s" title="%s">%s</a>`, l.anchor(key), template.HTMLEscapeString(p.Value+" ("+source(p)+")"), template.HTMLEscapeString(key))
		return true
	}
	for _, m := range word.FindAllStringIndex(s, -1) {
		from := len(s) - len(rest)
		b.WriteString(template.HTMLEscapeString(s[from:m[0]]))
		rest = s[m[1]:]
		if !link(s[m[0]:m[1]]) {
			b.WriteString(template.HTMLEscapeString(s[m[0]:m[1]]))
		}
	}
	b.WriteString(template.HTMLEscapeString(rest))
	return template.HTML(b.String())
}

// anchor is the id of a parameter's line.
func (l *linker) anchor(key string) string {
	if h, ok := strings.CutPrefix(key, "host."); ok {
		return "p-" + hostID + "-" + h
	}
	return "p-" + l.device + "-" + key
}
