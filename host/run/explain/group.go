package explain

import (
	"slices"
	"strings"

	"jitnic/host/run/replay"
)

// Of studies the paths of a session that has run: which choices tell them apart. What
// the choices cost it doesn't know.
func Of(s *replay.Session) *Study {
	x := newStudy(s)
	x.study()
	return x
}

// Groups are what paths can be grouped by.
func Groups() []string { return []string{"condition", "verdict", "map"} }

// Group are paths that have something in common.
type Group struct {
	Name  string
	Paths []int
}

// Group groups the paths: by what they answered at the choice point that makes most
// of them, by verdict, or by the maps that their traces touch. Each is in one group.
func (s *Study) Group(by string) []Group {
	switch by {
	case "verdict":
		return group(s.Paths(), func(i int) string { return Verdict(s.runtime.Paths()[i].Path.Trace) })
	case "map":
		return group(s.Paths(), func(i int) string {
			var names []string
			for _, m := range s.maps(int32(i)) {
				names = append(names, s.runtime.S.Maps[m].Spec().Name)
			}
			if len(names) == 0 {
				return "(no map)"
			}
			return strings.Join(names, ", ")
		})
	}
	if len(s.Points) == 0 {
		return group(s.Paths(), func(int) string { return "(nothing is asked)" })
	}
	p := s.Points[0]
	return group(s.Paths(), func(i int) string { return s.answered(i, p) })
}

// answered is what a path answered at a point, in words.
func (s *Study) answered(path int, p *Point) string {
	var words []string
	for _, st := range s.route[path] {
		if s.preds[st.pred].point == p.index {
			words = append(words, shown(s.saying(st.pred, st.want)))
		}
	}
	if len(words) == 0 {
		return p.Where + ": not asked"
	}
	return p.Where + ": " + strings.Join(words, ", ")
}

// group puts paths of one name together, in the order of their first paths.
func group(n int, name func(i int) string) []Group {
	var out []Group
	for i := range n {
		k := name(i)
		at := slices.IndexFunc(out, func(g Group) bool { return g.Name == k })
		if at < 0 {
			at = len(out)
			out = append(out, Group{Name: k})
		}
		out[at].Paths = append(out[at].Paths, i)
	}
	return out
}
