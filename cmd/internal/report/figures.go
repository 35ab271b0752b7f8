package report

import (
	"encoding/csv"
	"fmt"
	"io"
	"math"
	"strconv"
)

// Figures are the document's charts, bars and heat maps for papers: each as SVG and
// PDF, and the numbers it is drawn of as CSV.
func (d *Document) Figures() ([]File, error) {
	drawings, err := d.drawings()
	if err != nil {
		return nil, err
	}
	var out []File
	for _, x := range drawings {
		out = append(out, plotFiles(x.id, x.plot, x.w, x.h, "svg", "pdf")...)
		out = append(out, File{x.id + ".csv", func(w io.Writer) error {
			c := csv.NewWriter(w)
			if err := c.WriteAll(x.data()); err != nil {
				return err
			}
			return c.Error()
		}})
	}
	return out, nil
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
