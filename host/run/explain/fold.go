package explain

import (
	"cmp"
	"slices"
	"strings"

	"jitnic/cache"
)

// Folds are what choice points can be folded by; the first leaves them as they are.
func Folds() []string { return []string{"line", "function", "field", "map"} }

// Fold are choice points that have something in common.
type Fold struct {
	Tally
	Name   string
	Points []*Point
}

// Kinds are what questions they ask: branch, helper and so on.
func (f *Fold) Kinds() []string {
	out := []string{}
	for _, p := range f.Points {
		for _, k := range p.Kinds {
			if !slices.Contains(out, k.String()) {
				out = append(out, k.String())
			}
		}
	}
	slices.Sort(out)
	return out
}

// Predicates counts their predicates.
func (f *Fold) Predicates() int {
	n := 0
	for _, p := range f.Points {
		n += len(p.preds)
	}
	return n
}

// Fold folds the choice points; those that make most paths come first.
func (s *Study) Fold(by string) ([]*Fold, error) {
	out := s.fold(func(p *Point) string { return s.foldName(p, by) })
	for _, f := range out {
		if by == "line" {
			f.Name = f.Points[0].Where
		}
		if err := s.weigh(f); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// fold puts points of one name together.
func (s *Study) fold(name func(p *Point) string) []*Fold {
	var out []*Fold
	named := map[string]*Fold{}
	for _, p := range s.Points {
		k := name(p)
		f := named[k]
		if f == nil {
			f = &Fold{Name: k, Tally: p.Tally, Points: []*Point{p}}
			named[k] = f
			out = append(out, f)
			continue
		}
		f.Points = append(f.Points, p)
		f.Makes += p.Makes
	}
	slices.SortStableFunc(out, func(a, b *Fold) int { return cmp.Compare(b.Makes, a.Makes) })
	return out
}

// weigh counts for a fold of several points what they do together.
func (s *Study) weigh(f *Fold) error {
	if len(f.Points) == 1 {
		return nil
	}
	class := s.classes(f.Points)
	f.Left = 0
	for _, c := range class {
		f.Left = max(f.Left, int(c)+1)
	}
	all := newCounter(len(s.total)).distinct(s.total)
	f.Cold = uint64(all - f.Left)
	f.Paths, f.Packets = 0, 0
	answers := map[uint64]bool{}
	for i, info := range s.runtime.Paths() {
		x, comes := s.answerAt(i, f.Points)
		answers[x] = true
		if comes {
			f.Paths++
			f.Packets += info.Packets
		}
	}
	f.Ways = len(answers)
	if s.counts[cache.Capacity] == 0 {
		f.Costed = true
		return nil
	}
	return s.cost(&f.Tally, f.Points...)
}

// foldName is what a point is folded under.
func (s *Study) foldName(p *Point, by string) string {
	if by == "line" {
		return p.key()
	}
	return FoldName(by, p.Place, s.Reads(p))
}

// FoldName is what a place is folded under that reads something.
func FoldName(by string, p Place, reads []string) string {
	switch by {
	case "function":
		return p.Function
	case "field", "map":
		var names []string
		for _, r := range reads {
			if m, is := strings.CutPrefix(r, "map "); is == (by == "map") {
				names = append(names, m)
			}
		}
		if len(names) == 0 {
			return "(no " + by + ")"
		}
		return strings.Join(names, ", ")
	}
	return p.Where
}
