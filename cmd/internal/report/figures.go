package report

import (
	"encoding/csv"
	"fmt"
	"io"
	"math"
	"strconv"

	"gonum.org/v1/plot"
)

// Figures are the document's charts, bars and heat maps for papers: each as SVG and
// PDF, and the numbers it is drawn of as CSV.
func (d *Document) Figures() ([]File, error) {
	var out []File
	for i := range d.Sections {
		for k := range d.Sections[i].Blocks {
			b := &d.Sections[i].Blocks[k]
			for _, c := range b.Charts {
				for _, c := range append([]*Chart{c}, c.Choices...) {
					if c.ID == "" || !c.Seen() {
						continue
					}
					p, err := c.Plot()
					if err != nil {
						return nil, err
					}
					out = append(out, figure(c.ID, p, 6.5, 4, c.data)...)
				}
			}
			if h := b.Heat; h != nil {
				out = append(out, figure(h.ID, h.Plot(), 6.5, 1+0.16*float64(len(h.Rows)), h.data)...)
			}
			for _, x := range b.Bars {
				p, err := x.Plot()
				if err != nil {
					return nil, err
				}
				n := float64(len(x.Names) * len(x.Groups))
				out = append(out, figure(x.ID, p, 6.5, 1.4+0.13*n, x.data)...)
			}
		}
	}
	return out, nil
}

func figure(id string, p *plot.Plot, w, h float64, data func() [][]string) []File {
	out := plotFiles(id, p, w, h, "svg", "pdf")
	return append(out, File{id + ".csv", func(w io.Writer) error {
		c := csv.NewWriter(w)
		if err := c.WriteAll(data()); err != nil {
			return err
		}
		return c.Error()
	}})
}

func exact(x float64) string {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return ""
	}
	return strconv.FormatFloat(x, 'g', -1, 64)
}

// data is a line a point.
func (c *Chart) data() [][]string {
	out := [][]string{{"series", "x", "y", "low", "high"}}
	for _, s := range c.Series {
		for i := range s.X {
			low, high := "", ""
			if s.Low != nil {
				low, high = exact(s.Low[i]), exact(s.High[i])
			}
			out = append(out, []string{s.Name, exact(s.X[i]), exact(s.Y[i]), low, high})
		}
	}
	return out
}

// data is the map as it is drawn.
func (h *Heat) data() [][]string {
	out := [][]string{append([]string{""}, h.Cols...)}
	for i, n := range h.Rows {
		line := []string{n}
		for _, z := range h.Z[i] {
			line = append(line, exact(z))
		}
		out = append(out, line)
	}
	return out
}

// data is a line a name, a column a group.
func (b *Bars) data() [][]string {
	head := []string{"name"}
	for _, g := range b.Groups {
		head = append(head, g.Name)
	}
	out := [][]string{head}
	for i, n := range b.Names {
		line := []string{n}
		for _, g := range b.Groups {
			line = append(line, exact(g.Values[i]))
		}
		out = append(out, line)
	}
	return out
}

// figureKinds are the files of a figure, as a page links them.
func figureKinds(dir, id string) []Term {
	var out []Term
	for _, kind := range []string{"svg", "pdf", "csv"} {
		out = append(out, Term{Anchor: fmt.Sprintf("%s/%s.%s", dir, id, kind), Word: map[string]string{"svg": "SVG", "pdf": "PDF", "csv": "CSV"}[kind]})
	}
	return out
}
