package feasibilitycmd

import (
	"math"

	"jitnic/cmd/internal/report"
	"jitnic/nic/feasibility"

	"gonum.org/v1/plot/vg"
)

// plots are the charts for papers, as SVG and as PNG: those of a device have its
// name in theirs.
func (r *Report) plots() ([]report.File, error) {
	var out []report.File
	chart := func(name string, c *report.Chart) error {
		p, err := c.Plot()
		if err != nil {
			return err
		}
		// All there is rises with the load, so the left is free at the top; but
		// hits don't, which are nearly all or hardly any.
		p.Legend.Left, p.Legend.XOffs = true, vg.Points(6)
		if name == hitsChart {
			p.Legend.Top, p.Legend.YOffs = false, vg.Points(60)
		}
		out = append(out, report.PlotFiles(name, p, 6.5, 4)...)
		return nil
	}
	for _, c := range r.compared() {
		if err := chart(c.id, &c.Chart); err != nil {
			return nil, err
		}
	}
	slugs := r.slugs()
	for i, s := range r.Studies {
		for _, c := range loadCharts(s) {
			if err := chart(c.id+"-"+slugs[i], &c.Chart); err != nil {
				return nil, err
			}
		}
		for _, b := range []struct {
			name string
			bars *report.Bars
		}{{"sensitivity-latency", tornado(s, true)}, {"sensitivity-cores", tornado(s, false)}, {"designs", designBars(s)}} {
			if b.bars == nil {
				continue
			}
			p, err := b.bars.Plot()
			if err != nil {
				return nil, err
			}
			out = append(out, report.PlotFiles(b.name+"-"+slugs[i], p, 6.5, 1.4+0.26*float64(len(b.bars.Names)*len(b.bars.Groups))/2)...)
		}
	}
	return out, nil
}

// mostBars is how many assumed figures a plot shows.
const mostBars = 16

// tornado is what the assumed figures do to the mean latency or to the host
// cores, by factors.
func tornado(s *feasibility.Study, mean bool) *report.Bars {
	base := swingBase(s)
	b := &report.Bars{Title: "Host cores, assumed figures at the ends of their ranges", X: "host cores needed, against those assumed", Factors: true}
	of := func(e feasibility.SwingEnd) float64 { return factor(e.Cores, base.Cores) }
	if mean {
		b.Title, b.X = "Mean latency, assumed figures at the ends of their ranges", "mean latency, against that assumed"
		of = func(e feasibility.SwingEnd) float64 { return factor(e.Mean, base.Mean) }
	}
	b.Title += ": " + s.Program + " on " + s.NIC.Name
	lo, hi := report.BarGroup{Name: "low end"}, report.BarGroup{Name: "high end"}
	for _, w := range swings(s) {
		if len(b.Names) == mostBars {
			break
		}
		if len(w.Ends) == 0 {
			continue
		}
		first, last := of(w.Ends[0]), of(w.Ends[len(w.Ends)-1])
		for _, e := range w.Ends[1:max(len(w.Ends)-1, 1)] { // of several, the farthest
			if math.Abs(of(e)) > math.Abs(last) {
				last = of(e)
			}
		}
		b.Names = append(b.Names, w.Key)
		lo.Values, hi.Values = append(lo.Values, first), append(hi.Values, last)
	}
	if len(b.Names) == 0 {
		return nil
	}
	b.Groups = []report.BarGroup{lo, hi}
	return b
}

// designBars are the designs by what they take off the host.
func designBars(s *feasibility.Study) *report.Bars {
	if s.Designs == nil {
		return nil
	}
	b := &report.Bars{Title: "Designs: " + s.Program + " on " + s.NIC.Name, X: "%"}
	on, saved, lost := report.BarGroup{Name: "packets wholly on the NIC"}, report.BarGroup{Name: "host time saved"}, report.BarGroup{Name: "packets lost under load"}
	for i, r := range s.Designs.Results {
		b.Names = append(b.Names, r.Design)
		on.Values, saved.Values = append(on.Values, 100*r.HitRatio), append(saved.Values, 100*r.HostSaved)
		if i < len(s.Loaded) {
			lost.Values = append(lost.Values, 100*s.Loaded[i].Loss)
		}
	}
	b.Groups = []report.BarGroup{on, saved}
	if len(lost.Values) == len(b.Names) {
		b.Groups = append(b.Groups, lost)
	}
	return b
}
