package feasibilitycmd

import (
	"jitnic/cmd/internal/report"
	"jitnic/nic/device"
	"jitnic/nic/feasibility"
)

// A measure gives one number of a run for a line; !ok leaves the point out.
type measure func(f *feasibility.Figures) (y float64, ok bool)

func throughputOf(f *feasibility.Figures) (float64, bool) {
	return f.Throughput / 1e6, f.Throughput > 0
}
func meanOf(f *feasibility.Figures) (float64, bool)  { return f.Mean / 1e3, f.Mean > 0 }
func p50Of(f *feasibility.Figures) (float64, bool)   { return f.P50 / 1e3, f.P50 > 0 }
func p99Of(f *feasibility.Figures) (float64, bool)   { return f.P99 / 1e3, f.P99 > 0 }
func p999Of(f *feasibility.Figures) (float64, bool)  { return f.P999 / 1e3, f.P999 > 0 }
func lossOf(f *feasibility.Figures) (float64, bool)  { return 100 * f.Loss, true }
func coresOf(f *feasibility.Figures) (float64, bool) { return f.CoresNeeded, true }
func hitsOf(f *feasibility.Figures) (float64, bool) {
	return 100 * f.HitRatio, f.Outcomes != nil
}

const offered = "offered load (Mpps)"

// chart is lines over the offered load. All there is rises with it, so the left is
// free at the top.
func chart(id, title, y, unit string, logY int, ss []report.Series) *report.Chart {
	return &report.Chart{ID: id, Title: title, X: offered, Y: y, Unit: unit, LogX: 10, LogY: logY, FromZero: logY == 0, Legend: report.TopLeft, Series: ss}
}

// series is a curve's line.
func series(name string, c *feasibility.Curve, m measure) report.Series {
	s := report.Series{Name: name}
	for _, p := range c.Points {
		if y, ok := m(p); ok {
			s.X, s.Y = append(s.X, p.Offered/1e6), append(s.Y, y)
		}
	}
	return s
}

// curveOf is the curve of a mode; nil where it is missing.
func curveOf(s *feasibility.Study, mode device.Mode) *feasibility.Curve {
	for i := range s.Curves {
		if s.Curves[i].Mode == mode.String() {
			return &s.Curves[i]
		}
	}
	return nil
}

// modeCurves is a line for each mode.
func modeCurves(s *feasibility.Study, m measure) []report.Series {
	var out []report.Series
	for _, mode := range []device.Mode{device.Both, device.HostOnly, device.NICOnly} {
		if c := curveOf(s, mode); c != nil {
			if l := series(modeName(c.Mode), c, m); len(l.X) > 0 {
				out = append(out, l)
			}
		}
	}
	return out
}

// lossless is the line of all that is offered.
func lossless(ss []report.Series) report.Series {
	out := report.Series{Name: "all that is offered", Bound: true}
	if len(ss) > 0 {
		out.X, out.Y = ss[0].X, ss[0].X
	}
	return out
}

// loadCharts are a device's curves over the offered load.
func loadCharts(s *feasibility.Study, slug string) report.Charts {
	on := ": " + s.Program + " on " + s.NIC.Name
	var out report.Charts
	add := func(id, title, y, unit string, logY int, ss []report.Series) {
		if len(ss) > 0 {
			c := chart(id+"-"+slug, title+on, y, unit, logY, ss)
			c.Marks = wireMark(s)
			out = append(out, c)
		}
	}
	through := modeCurves(s, throughputOf)
	if len(through) > 0 {
		through = append(through, lossless(through))
	}
	add("throughput", "Throughput", "throughput (Mpps)", "Mpps", 10, through)
	add("latency", "Mean latency", "mean latency (us)", "us", 10, modeCurves(s, meanOf))
	add("latency-p99", "Latency, p99", "p99 latency (us)", "us", 10, modeCurves(s, p99Of))
	if c := curveOf(s, device.Both); c != nil {
		var tails []report.Series
		for _, x := range []struct {
			name string
			m    measure
		}{{"mean", meanOf}, {"p50", p50Of}, {"p99", p99Of}, {"p999", p999Of}} {
			if l := series(x.name, c, x.m); len(l.X) > 0 {
				tails = append(tails, l)
			}
		}
		add("latency-tails", "Latency, NIC + host", "latency (us)", "us", 10, tails)
	}
	add("loss", "Loss", "packets lost (%)", "%", 0, modeCurves(s, lossOf))
	var cores []report.Series
	for _, l := range modeCurves(s, coresOf) {
		if l.Name != modeName(device.NICOnly.String()) {
			cores = append(cores, l)
		}
	}
	add("host-cores", "Host cores needed", "host cores needed", "cores", 0, cores)
	return out
}

// wireMark is where loads begin that the link can't bring in, where the curves
// go there.
func wireMark(s *feasibility.Study) []report.Mark {
	for _, c := range s.Curves {
		for _, p := range c.Points {
			if p.BeyondWire {
				return []report.Mark{{X: float64(s.LineRate) / 1e6, Text: "beyond the wire"}}
			}
		}
	}
	return nil
}

// compared are curves of all devices side by side, with the host alone.
func (r *Report) compared() report.Charts {
	if len(r.Studies) < 2 {
		return nil
	}
	var out report.Charts
	for _, x := range []struct {
		id, title, y, unit string
		logY               int
		m                  measure
	}{
		{"all-throughput", "Throughput, NIC + host", "throughput (Mpps)", "Mpps", 10, throughputOf},
		{"all-latency", "Mean latency, NIC + host", "mean latency (us)", "us", 10, meanOf},
		{"all-cores", "Host cores needed, NIC + host", "host cores needed", "cores", 0, coresOf},
		{"all-hits", "Hit ratio, NIC + host", "packets that hit (%)", "%", 0, hitsOf},
	} {
		var ss []report.Series
		host := report.Series{Name: "host only", Bound: true}
		for _, s := range r.Studies {
			if c := curveOf(s, device.Both); c != nil {
				if l := series(s.NIC.Name, c, x.m); len(l.X) > 0 {
					ss = append(ss, l)
				}
			}
			if c := curveOf(s, device.HostOnly); c != nil && len(host.X) == 0 {
				host = series(host.Name, c, x.m)
				host.Bound = true
			}
		}
		if len(ss) == 0 {
			continue
		}
		if len(host.X) > 0 {
			ss = append(ss, host)
		}
		c := chart(x.id, x.title+": "+r.Studies[0].Program, x.y, x.unit, x.logY, ss)
		if x.id == "all-hits" { // nearly all or hardly any, at every load
			c.Legend = report.AboveBottomLeft
		}
		out = append(out, c)
	}
	return out
}
