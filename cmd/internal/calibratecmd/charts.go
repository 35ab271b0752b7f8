package calibratecmd

import (
	"slices"
	"strings"

	"jitnic/cmd/internal/report"
	"jitnic/host/calibrate"
)

// charts are as the paper's figures 11 and 12, and what else depends on a size.
// One without points is left out.
func (r *Report) charts() report.Charts {
	var out report.Charts
	add := func(id string, c *report.Chart) {
		c.Series = slices.DeleteFunc(c.Series, func(s report.Series) bool { return len(s.X) == 0 })
		if len(c.Series) > 0 {
			// Times rise with the size and throughput falls: the left is free above
			// the one and below the other.
			if c.ID, c.Legend = id, report.TopLeft; strings.HasPrefix(id, "throughput") {
				c.Legend = report.BottomLeft
			}
			out = append(out, c)
		}
	}
	for _, keys := range []string{"uniform", "zipf"} {
		c := &report.Chart{Title: "Map access, " + keys + " keys", X: "entries", Y: "ns an access", LogX: 10, LogY: 10}
		t := &report.Chart{Title: "Throughput with one access a packet, " + keys + " keys", X: "entries", Y: "Mpps a core", LogX: 10, FromZero: true}
		cost, _ := r.PacketCost()
		for _, k := range calibrate.Kinds() {
			a, m := report.Series{Name: k}, report.Series{Name: k}
			for i := range r.Figures {
				f := &r.Figures[i]
				if f.Group != "map" || f.Name != "access" || f.Map != k || f.Keys != keys || f.Value <= 0 {
					continue
				}
				a.X, a.Y = append(a.X, float64(f.Entries)), append(a.Y, f.Value)
				if cost > 0 {
					m.X, m.Y = append(m.X, float64(f.Entries)), append(m.Y, 1e3/(cost+f.Value))
				}
			}
			c.Series, t.Series = append(c.Series, a), append(t.Series, m)
		}
		add("access-"+keys, c)
		add("throughput-"+keys, t)
	}
	for _, op := range []struct{ id, group, name, title string }{{"update", "map", "update", "Update of a key that is there, uniform keys"}, {"insert", "change", "insert_delete", "Insert and delete of a new key"}} {
		c := &report.Chart{Title: op.title, X: "entries", Y: "ns", LogX: 10, LogY: 10}
		for _, k := range calibrate.Kinds() {
			s := report.Series{Name: k}
			for i := range r.Figures {
				f := &r.Figures[i]
				if f.Group == op.group && f.Name == op.name && f.Map == k && f.Keys != "zipf" && f.Value > 0 {
					s.X, s.Y = append(s.X, float64(f.Entries)), append(s.Y, f.Value)
				}
			}
			c.Series = append(c.Series, s)
		}
		add(op.id, c)
	}
	c := &report.Chart{Title: "A program that reads the whole packet", X: "bytes", Y: "ns", FromZero: true}
	s := report.Series{Name: "beyond the empty program"}
	for i := range r.Figures {
		if f := &r.Figures[i]; f.Group == "packet" && f.Name == "touch" {
			s.X, s.Y = append(s.X, float64(f.Bytes)), append(s.Y, f.Value)
		}
	}
	c.Series = []report.Series{s}
	add("packet", c)
	return out
}
