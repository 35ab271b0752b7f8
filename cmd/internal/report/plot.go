package report

import (
	"fmt"
	"image/color"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/palette/moreland"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// A Series is one line of a Chart.
type Series struct {
	Name  string
	About string    // what it is, in a sentence
	X, Y  []float64 // as many of each; X rises
	// Low and High are the ends of an interval around each Y, drawn as a band;
	// nil: none.
	Low, High []float64
	Bound     bool // nothing can be beyond it: drawn black and dashed
	Dots      bool // drawn as points
	Dashed    bool
	Hidden    bool // the page draws it when it is asked for, and a plot doesn't
}

// A Chart is lines over a size, a load or a time. Files of plots have its ID in
// their name.
type Chart struct {
	ID          string
	Title, X, Y string
	Unit        string // of values, where the page tells one
	LogX        int    // base of a logarithmic axis: 2 or 10; 0: linear
	LogY        int
	FromZero    bool    // the y axis begins at 0
	Top         float64 // and ends there; 0: above what there is
	Legend      Corner  // where a plot has room for it
	Note        string
	Series      []Series
	Marks       []Mark // lines across the chart

	// Of the page.
	Heading string   // over it; "": the title up to its colon
	Wide    bool     // it has the whole width
	Pick    bool     // series are switched on and off
	With    string   // ID of the chart with whose series its own are switched
	Choices []*Chart // others that can take its place, each named by its heading
	Choice  string   // what is chosen among them
}

// A Mark is a place on the x axis that something begins at.
type Mark struct {
	X    float64
	Text string
}

// A Corner of a plot.
type Corner uint8

// The corners.
const (
	TopRight Corner = iota
	TopLeft
	BottomLeft
	AboveBottomLeft
)

// Seen says whether any line is drawn.
func (c *Chart) Seen() bool {
	return slices.ContainsFunc(c.Series, func(s Series) bool { return !s.Hidden && len(s.X) > 0 })
}

// heading is what stands over the chart on a page.
func (c *Chart) heading() string {
	if c.Heading != "" {
		return c.Heading
	}
	h, _, _ := strings.Cut(c.Title, ":")
	return h
}

// Okabe and Ito's colours, which the colour-blind tell apart, two of them darker to
// be seen on white, and two more; assets/page.css has the same.
var colours = []color.RGBA{
	{0x00, 0x72, 0xb2, 255}, {0xd5, 0x5e, 0x00, 255}, {0x00, 0x9e, 0x73, 255}, {0xcc, 0x79, 0xa7, 255},
	{0xb0, 0x7d, 0x00, 255}, {0x4a, 0xa3, 0xd8, 255}, {0x7a, 0x51, 0x95, 255}, {0x8c, 0x56, 0x4b, 255},
}

// dashes tell lines of one colour apart, and boundDashes bounds; assets/page.js has
// the same.
var (
	dashes      = [][]vg.Length{nil, {vg.Points(6), vg.Points(3)}, {vg.Points(1.5), vg.Points(2)}, {vg.Points(6), vg.Points(2), vg.Points(1.5), vg.Points(2)}}
	boundDashes = [][]vg.Length{{vg.Points(5), vg.Points(3)}, {vg.Points(1.5), vg.Points(2)}, {vg.Points(7), vg.Points(2), vg.Points(1.5), vg.Points(2)}, {vg.Points(10), vg.Points(3)}}
)

// Plot makes gonum's plot of it.
func (c *Chart) Plot() (*plot.Plot, error) {
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = c.Title, c.X, c.Y
	p.Legend.Top, p.Legend.XOffs, p.Legend.YOffs = true, -vg.Points(6), -vg.Points(4)
	if c.Legend != TopRight {
		p.Legend.Left, p.Legend.XOffs = true, vg.Points(6)
	}
	switch c.Legend {
	case BottomLeft:
		p.Legend.Top, p.Legend.YOffs = false, vg.Points(4)
	case AboveBottomLeft:
		p.Legend.Top, p.Legend.YOffs = false, vg.Points(60)
	}
	p.Title.Padding = vg.Points(6)
	p.Legend.TextStyle.Font.Size = font.Points(8)
	p.Title.TextStyle.Font.Size = font.Points(11)
	p.Add(plotter.NewGrid())
	if c.LogX > 0 {
		p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, logTicks(c.LogX)
	}
	if c.LogY > 0 {
		p.Y.Scale, p.Y.Tick.Marker = plot.LogScale{}, logTicks(c.LogY)
	}
	k, bounds := 0, 0
	for _, s := range c.Series {
		pts := make(plotter.XYs, len(s.X))
		for i := range s.X {
			pts[i] = plotter.XY{X: s.X[i], Y: s.Y[i]}
		}
		col := colours[k%len(colours)]
		if len(pts) == 0 || s.Hidden {
			if s.Bound {
				bounds++
			} else {
				k++ // it has its colour on the page
			}
			continue
		}
		if s.Dots {
			d, err := plotter.NewScatter(pts)
			if err != nil {
				return nil, fmt.Errorf("plot %q: %w", c.Title, err)
			}
			d.GlyphStyle = draw.GlyphStyle{Color: col, Radius: vg.Points(1.2), Shape: draw.CircleGlyph{}}
			p.Add(d)
			p.Legend.Add(s.Name, d)
			k++
			continue
		}
		if err := addBand(p, s, col); err != nil {
			return nil, fmt.Errorf("plot %q: %w", c.Title, err)
		}
		l, err := plotter.NewLine(pts)
		if err != nil {
			return nil, fmt.Errorf("plot %q: %w", c.Title, err)
		}
		l.Width = vg.Points(1.3)
		switch {
		case s.Bound:
			l.Color, l.Dashes = color.Black, boundDashes[bounds%len(boundDashes)]
			bounds++
		default:
			l.Color, l.Dashes = col, dashes[k/len(colours)%len(dashes)]
			if s.Dashed {
				l.Dashes = dashes[1]
			}
			k++
		}
		p.Add(l)
		p.Legend.Add(s.Name, l)
	}
	if c.FromZero {
		p.Y.Min = 0
	}
	for _, m := range c.Marks {
		l, err := plotter.NewLine(plotter.XYs{{X: m.X, Y: p.Y.Min}, {X: m.X, Y: max(p.Y.Max, c.Top)}})
		if err != nil {
			return nil, fmt.Errorf("plot %q: %w", c.Title, err)
		}
		l.Width, l.Color, l.Dashes = vg.Points(0.8), color.Gray{0x60}, dashes[2]
		p.Add(l)
		p.Legend.Add(m.Text+" begins", l)
	}
	if c.Top > 0 {
		p.Y.Max = c.Top
	}
	widen(&p.X, c.LogX)
	widen(&p.Y, c.LogY)
	return p, nil
}

// bandShade is how much of its line's colour a band has, of 255; assets/page.js
// has the same.
const bandShade = 40

// addBand draws the interval around a series: there along its upper end, back
// along its lower.
func addBand(p *plot.Plot, s Series, col color.RGBA) error {
	if len(s.Low) < 2 {
		return nil
	}
	var ring plotter.XYs
	for i, x := range s.X {
		ring = append(ring, plotter.XY{X: x, Y: s.High[i]})
	}
	for i := len(s.X) - 1; i >= 0; i-- {
		ring = append(ring, plotter.XY{X: s.X[i], Y: s.Low[i]})
	}
	area, err := plotter.NewPolygon(ring)
	if err != nil {
		return err
	}
	area.Color, area.LineStyle.Width = color.NRGBA{col.R, col.G, col.B, bandShade}, 0
	p.Add(area)
	return nil
}

// widen gives a logarithmic axis of a single value room around it: gonum's own
// way would take it to 0 and beyond.
func widen(a *plot.Axis, log int) {
	if log > 0 && a.Min == a.Max {
		a.Min, a.Max = a.Min/float64(log), a.Max*float64(log)
	}
}

// logTicks are the powers of a base; in bases above 2 the multiples between
// have a mark without a number.
type logTicks int

func (b logTicks) Ticks(lo, hi float64) []plot.Tick {
	var t []plot.Tick
	if !(lo > 0) || math.IsInf(hi, 0) {
		return nil
	}
	base := float64(b)
	from := math.Floor(math.Log(lo)/math.Log(base) + 1e-9)
	to := math.Ceil(math.Log(hi)/math.Log(base) - 1e-9)
	every := max(1, math.Ceil((to-from)/14))
	for e := from; e <= to; e++ {
		x := math.Pow(base, e)
		text := ""
		if math.Mod(e-from, every) == 0 {
			text = strconv.FormatFloat(x, 'g', 6, 64)
		}
		t = append(t, plot.Tick{Value: x, Label: text})
		for m := 2.0; m < base; m++ {
			t = append(t, plot.Tick{Value: x * m})
		}
	}
	return t
}

// A Heat is a table of shares as colours.
type Heat struct {
	ID       string
	Title, X string
	Heading  string // the page's
	Note     string // of the page
	Cols     []string
	Rows     []string    // top row first
	Z        [][]float64 // by row, then column; NaN: none
}

// heatGrid is a Heat as gonum wants it: rows from the bottom.
type heatGrid struct{ *Heat }

func (g heatGrid) Dims() (c, r int)   { return len(g.Cols), len(g.Rows) }
func (g heatGrid) X(c int) float64    { return float64(c) }
func (g heatGrid) Y(r int) float64    { return float64(r) }
func (g heatGrid) Z(c, r int) float64 { return g.Heat.Z[len(g.Rows)-1-r][c] }

// Range is the least and the greatest number of it.
func (h *Heat) Range() (lo, hi float64) {
	lo, hi = math.Inf(1), math.Inf(-1)
	for _, row := range h.Z {
		for _, x := range row {
			if !math.IsNaN(x) {
				lo, hi = min(lo, x), max(hi, x)
			}
		}
	}
	return lo, hi
}

// Plot makes gonum's plot of it.
func (h *Heat) Plot() *plot.Plot {
	p := plot.New()
	p.Title.Text, p.X.Label.Text = h.Title, h.X
	p.Title.Padding, p.Title.TextStyle.Font.Size = vg.Points(6), font.Points(10)
	lo, hi := h.Range()
	cm := moreland.SmoothBlueRed()
	cm.SetMin(0)
	cm.SetMax(1)
	m := plotter.NewHeatMap(heatGrid{h}, cm.Palette(255))
	m.Min, m.Max = lo, max(hi, lo+1e-9)
	m.NaN = color.White
	p.Add(m)
	ticks := func(names []string, turn bool) plot.ConstantTicks {
		t := make(plot.ConstantTicks, len(names))
		for i, n := range names {
			k := i
			if turn {
				k = len(names) - 1 - i
			}
			t[i] = plot.Tick{Value: float64(k), Label: n}
		}
		return t
	}
	p.X.Tick.Marker, p.Y.Tick.Marker = ticks(h.Cols, false), ticks(h.Rows, true)
	p.X.Tick.Label.Font.Size, p.Y.Tick.Label.Font.Size = font.Points(7), font.Points(7)
	return p
}

// PlotFiles are a plot as SVG and as PNG, w × h inches.
func PlotFiles(name string, p *plot.Plot, w, h float64) []File {
	return plotFiles(name, p, w, h, "svg", "png")
}

func plotFiles(name string, p *plot.Plot, w, h float64, formats ...string) []File {
	var out []File
	for _, format := range formats {
		out = append(out, File{name + "." + format, func(out io.Writer) error {
			c, err := p.WriterTo(vg.Length(w)*vg.Inch, vg.Length(h)*vg.Inch, format)
			if err != nil {
				return err
			}
			_, err = c.WriteTo(out)
			return err
		}})
	}
	return out
}
