package report

import (
	"fmt"
	"image/color"
	"math"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
)

// Bars is a plot of bars that lie on their side, groups of them for each name.
type Bars struct {
	ID       string
	Title, X string
	Heading  string                 // over them on a page
	Factors  bool                   // values are powers of two, shown as factors
	Names    []string               // from the top
	About    []string               // what the page says of each name; nil: nothing
	Marked   []bool                 // those the page marks; nil: none
	Groups   []BarGroup             // at most as many as there are colours
	Most     int                    // names that a plot has room for; 0: all
	Text     func(v float64) string // of a value on the page
}

// BarGroup is a bar for each name; NaN: none.
type BarGroup struct {
	Name   string
	Values []float64
}

// Plot makes gonum's plot of it.
func (b *Bars) Plot() (*plot.Plot, error) {
	p := plot.New()
	p.Title.Text, p.X.Label.Text = b.Title, b.X
	p.Title.Padding, p.Title.TextStyle.Font.Size = vg.Points(6), font.Points(11)
	p.Legend.TextStyle.Font.Size = font.Points(8)
	p.Legend.Top, p.Legend.XOffs, p.Legend.YOffs = false, -vg.Points(6), vg.Points(4)
	grid := plotter.NewGrid()
	grid.Horizontal.Color = color.Transparent
	p.Add(grid)
	wide := vg.Points(18 / float64(max(len(b.Groups), 1)))
	names := b.Names
	if b.Most > 0 {
		names = names[:min(b.Most, len(names))]
	}
	for k, g := range b.Groups {
		if len(g.Values) != len(b.Names) {
			return nil, fmt.Errorf("plot %q: %d values of %s for %d names", b.Title, len(g.Values), g.Name, len(b.Names))
		}
		vals := make(plotter.Values, len(names)) // from the bottom
		for i, v := range g.Values[:len(names)] {
			if math.IsNaN(v) || math.IsInf(v, 0) {
				v = 0
			}
			vals[len(vals)-1-i] = v
		}
		bar, err := plotter.NewBarChart(vals, wide)
		if err != nil {
			return nil, fmt.Errorf("plot %q: %w", b.Title, err)
		}
		bar.Horizontal = true
		bar.Color = colours[k%len(colours)]
		bar.LineStyle.Width = 0
		bar.Offset = wide * vg.Length(float64(len(b.Groups)-1)/2-float64(k))
		p.Add(bar)
		p.Legend.Add(g.Name, bar)
	}
	ticks := make(plot.ConstantTicks, len(names))
	for i, n := range names {
		ticks[i] = plot.Tick{Value: float64(len(names) - 1 - i), Label: " " + n} // a blank, as the longest would touch the edge
	}
	p.Y.Tick.Marker = ticks
	p.Y.Tick.Label.Font.Size = font.Points(8)
	p.Y.Min, p.Y.Max = -0.6-0.5*float64(len(b.Groups)), float64(len(names))-0.4 // below the bars the legend
	if b.Factors {
		p.X.Min, p.X.Max = min(p.X.Min*1.06, -0.1), max(p.X.Max*1.06, 0.1)
		p.X.Tick.Marker = factorTicks{}
	} else {
		p.X.Min = min(p.X.Min, 0)
	}
	return p, nil
}

// factorTicks name powers of two as factors: ×0.5, ×1, ×2.
type factorTicks struct{}

func (factorTicks) Ticks(lo, hi float64) []plot.Tick {
	var t []plot.Tick
	step := 1.0
	for (hi-lo)/step > 8 {
		step *= 2
	}
	for (hi-lo)/step < 2 && step > 1.0/64 {
		step /= 2
	}
	for x := math.Ceil(lo/step) * step; x <= hi+1e-9; x += step {
		t = append(t, plot.Tick{Value: x, Label: "×" + strconv.FormatFloat(math.Pow(2, x), 'g', 3, 64)})
	}
	return t
}
