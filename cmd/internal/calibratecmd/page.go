package calibratecmd

import (
	"bytes"
	"embed"
	"html/template"
	"io"
	"slices"

	"jitnic/cmd/internal/report"
)

//go:embed assets
var assets embed.FS

var pageTemplate = template.Must(template.ParseFS(assets, "assets/page.html"))

// pageChart is a chart as the page's script draws it: all series over the same
// x, null where there is none.
type pageChart struct {
	ID    string `json:"id"`
	Title string `json:"title"`
	X     string `json:"x"`
	Y     string `json:"y"`
	LogX  int    `json:"logx"`
	LogY  int    `json:"logy"`
	At    []float64
	Names []string
	Lines [][]*float64
}

func pageCharts(cs []named) []pageChart {
	out := []pageChart{}
	for _, c := range cs {
		p := pageChart{ID: c.id, Title: c.Title, X: c.X, Y: c.Y, LogX: c.LogX, LogY: c.LogY}
		for _, s := range c.Series {
			p.At = append(p.At, s.X...)
		}
		slices.Sort(p.At)
		p.At = slices.Compact(p.At)
		for _, s := range c.Series {
			line := make([]*float64, len(p.At))
			for i, x := range s.X {
				k, _ := slices.BinarySearch(p.At, x)
				line[k] = &s.Y[i]
			}
			p.Names, p.Lines = append(p.Names, s.Name), append(p.Lines, line)
		}
		out = append(out, p)
	}
	return out
}

// Page writes report.html.
func (r *Report) Page(w io.Writer) error {
	charts := pageCharts(r.charts())
	var body bytes.Buffer
	err := pageTemplate.Execute(&body, map[string]any{
		"R": r, "Facts": r.facts(), "Tables": r.tables(), "Charts": charts,
	})
	if err != nil {
		return err
	}
	p, err := report.VerbPage("jitnic calibrate: "+r.Machine.CPU, assets, body.Bytes(), charts)
	if err != nil {
		return err
	}
	return p.Write(w)
}
