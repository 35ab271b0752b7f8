package tracescmd

import (
	"fmt"
	"strings"

	"jitnic/cache"
	"jitnic/cache/stream"
	"jitnic/cmd/internal/report"
	"jitnic/host/loader"
	"jitnic/host/run/explain"
	"jitnic/host/run/replay"
	"jitnic/trace"
)

// misses are the outcomes of packets, by path.
type misses []cache.Counts

// count counts packets.
func (m *misses) count(r replay.Several) error {
	for _, path := range r.Paths {
		if path == stream.None {
			continue
		}
		for int(path) >= len(*m) {
			*m = append(*m, cache.Counts{})
		}
		(*m)[path][r.Outcome]++
	}
	return nil
}

// of are a path's misses by class.
func (m misses) of(paths ...int) map[string]uint64 {
	out := map[string]uint64{}
	for _, path := range paths {
		if path >= len(m) {
			continue
		}
		for o := cache.Cold; int(o) < cache.Outcomes; o++ {
			if n := m[path][o]; n > 0 {
				out[o.String()] += n
			}
		}
	}
	return out
}

// missText tells misses by class, in the order of classes.
func missText(by map[string]uint64) string {
	var out []string
	for o := cache.Cold; int(o) < cache.Outcomes; o++ {
		if n := by[o.String()]; n > 0 {
			out = append(out, fmt.Sprintf("%s %v", report.Count(n), o))
		}
	}
	return strings.Join(out, ", ")
}

// codeAt are the places of a trace's instructions; nil where they aren't known any
// more. What the recorder made itself has none.
func codeAt(obj *loader.Object, t *trace.Trace) []string {
	if len(t.Meta) != len(t.Code) {
		return nil
	}
	var out []string
	for i := 0; i < len(t.Code); i++ {
		m := &t.Meta[i]
		at := ""
		if m.PC >= 0 {
			at = obj.Programs[m.Prog].Place(int(m.PC))
		}
		out = append(out, at)
		if t.Code[i].IsWide() {
			i++
		}
	}
	return out
}

// group puts the paths in groups.
func (r *Report) group(s *replay.Session, classes misses, by string) {
	r.By = by
	rt := s.Runtime
	for _, g := range explain.Of(s).Group(by) {
		x := Group{Name: g.Name, Paths: len(g.Paths), Misses: classes.of(g.Paths...), Numbers: g.Paths}
		for _, i := range g.Paths {
			x.Packets += rt.Paths()[i].Packets
			if i < len(rt.NIC.Hits) {
				x.Hits += rt.NIC.Hits[i]
			}
		}
		r.Groups = append(r.Groups, x)
	}
}

// groupTable has the groups, most packets first.
func (r *Report) groupTable() *report.Table {
	t := &report.Table{ID: "groups", Title: "Paths by " + r.By, Open: true, Left: 1, Right: 1, Head: []string{r.By, "paths", "packets", "share", "hits", "misses"}}
	for _, i := range ranked(len(r.Groups), 0, func(i, j int) bool { return r.Groups[i].Packets > r.Groups[j].Packets }) {
		g := &r.Groups[i]
		t.Add(g.Name, fmt.Sprint(g.Paths), report.Count(g.Packets), report.Share(g.Packets, r.Packets), report.Count(g.Hits), missText(g.Misses))
	}
	return t
}
