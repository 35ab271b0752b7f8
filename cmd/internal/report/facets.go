package report

import (
	"fmt"
	"html/template"
	"math"
	"strings"
)

// Facets are many small charts of the same axes, in rows and columns: what differs
// between them is seen at a glance.
type Facets struct {
	ID, Title string
	X, Y      string
	LogX      int // base of a logarithmic x axis; 0: linear
	Note      string
	Series    []string // names of the lines, in the order of their colours
	Bound     []bool   // by series: drawn as a bound
	Cols      []string
	Rows      []FacetRow
}

// A FacetRow is one of Facets' rows.
type FacetRow struct {
	Name  string
	Cells []Facet // by column; of one without series nothing is drawn
}

// A Facet is a small chart.
type Facet struct {
	Tip    string // under the cursor
	Anchor string // where it leads
	Series []Series
}

// The size of a facet in units of its drawing.
const facetWide, facetHigh = 150.0, 84.0

// pageFacets are facets as SVG within the page.
type pageFacets struct {
	*Facets
	Keys []pageMark
	Grid [][]pageFacet
	Low  string
	High string
	Top  string
}

type pageFacet struct {
	Tip, Anchor string
	SVG         template.HTML
}

// pageFacetsOf draws them: the same axes for all, so that they can be compared.
func pageFacetsOf(f *Facets) pageFacets {
	out := pageFacets{Facets: f}
	x0, x1, y1 := math.Inf(1), math.Inf(-1), 0.0
	for _, r := range f.Rows {
		for _, c := range r.Cells {
			for _, s := range c.Series {
				for i := range s.X {
					x0, x1, y1 = min(x0, s.X[i]), max(x1, s.X[i]), max(y1, s.Y[i])
				}
			}
		}
	}
	if y1 == 0 {
		y1 = 1
	}
	at := func(x float64) float64 {
		if x1 == x0 {
			return facetWide / 2
		}
		if f.LogX > 0 {
			return 2 + (facetWide-4)*(math.Log(x)-math.Log(x0))/(math.Log(x1)-math.Log(x0))
		}
		return 2 + (facetWide-4)*(x-x0)/(x1-x0)
	}
	up := func(y float64) float64 { return facetHigh - 2 - (facetHigh-4)*min(1, max(0, y/y1)) }
	for k, n := range f.Series {
		out.Keys = append(out.Keys, pageMark{Class: f.class(k), Text: n})
	}
	for _, r := range f.Rows {
		var row []pageFacet
		for i := range r.Cells {
			row = append(row, pageFacet{r.Cells[i].Tip, r.Cells[i].Anchor, r.Cells[i].draw(f, at, up)})
		}
		out.Grid = append(out.Grid, row)
	}
	out.Low, out.High, out.Top = facetNumber(x0), facetNumber(x1), facetNumber(y1)
	return out
}

func facetNumber(x float64) string { return fmt.Sprintf("%.3g", x) }

// class is a line's colour, and its dashes where it is not the first of that colour.
func (f *Facets) class(k int) string {
	if f.Bound != nil && f.Bound[k] {
		return "bound"
	}
	n := 0
	for i := range k {
		if f.Bound == nil || !f.Bound[i] {
			n++
		}
	}
	return fmt.Sprintf("l%d d%d", n%len(colours), n/len(colours)%len(dashes))
}

func (c *Facet) draw(f *Facets, at, up func(float64) float64) template.HTML {
	var b strings.Builder
	fmt.Fprintf(&b, `<svg viewBox="0 0 %g %g" role="img" aria-label="%s">`, facetWide, facetHigh, template.HTMLEscapeString(c.Tip))
	band := func(s *Series, class string) {
		if len(s.Low) < 2 {
			return
		}
		b.WriteString(`<path class="band ` + class + `" d="M`)
		for i, x := range s.X {
			fmt.Fprintf(&b, "%.1f %.1f ", at(x), up(s.High[i]))
		}
		for i := len(s.X) - 1; i >= 0; i-- {
			fmt.Fprintf(&b, "%.1f %.1f ", at(s.X[i]), up(s.Low[i]))
		}
		b.WriteString(`Z"/>`)
	}
	of := func(name string) int {
		for k, n := range f.Series {
			if n == name {
				return k
			}
		}
		return 0
	}
	for i := range c.Series {
		band(&c.Series[i], f.class(of(c.Series[i].Name)))
	}
	for i := range c.Series {
		s := &c.Series[i]
		if len(s.X) == 1 {
			fmt.Fprintf(&b, `<circle class="%s" cx="%.1f" cy="%.1f" r="2"/>`, f.class(of(s.Name)), at(s.X[0]), up(s.Y[0]))
			continue
		}
		fmt.Fprintf(&b, `<path class="%s" d="M`, f.class(of(s.Name)))
		for k, x := range s.X {
			fmt.Fprintf(&b, "%.1f %.1f ", at(x), up(s.Y[k]))
		}
		b.WriteString(`"/>`)
	}
	b.WriteString("</svg>")
	return template.HTML(b.String())
}
