package explain

import (
	"fmt"
	"slices"
	"strings"
)

// Sentence says in one why there are as many paths: what makes most of them, where.
// The numbers in it add up to the paths.
func (s *Study) Sentence() string {
	n := s.Paths()
	what, first := "path", 1
	if t := len(s.runtime.Tables()); t > 1 {
		what, first = "segment", s.tables()
	}
	switch n {
	case 0:
		return "no " + what + " has a trace"
	case 1:
		return "1 " + what + ": no packet was answered otherwise than the first"
	}
	groups := s.together()
	var parts []string
	left := n
	for _, g := range groups[:min(len(groups), fewReasons)] {
		if g.Makes == 0 || len(parts) >= 2 && g.Makes*20 < n {
			break
		}
		parts = append(parts, fmt.Sprintf("%d by %s at %s", g.Makes, s.cause(g), g.where()))
		left -= g.Makes
	}
	rest := 0
	for _, g := range groups[len(parts):] {
		for _, p := range g.Points {
			rest += min(p.Makes, 1)
		}
	}
	switch {
	case left == 1:
		parts = append(parts, "and the first")
	case left == first:
		parts = append(parts, "and the first of each table")
	case rest == 0:
		parts = append(parts, fmt.Sprintf("and %d more", left))
	default:
		parts = append(parts, fmt.Sprintf("the other %d by %s", left, plural(rest, "more place")))
	}
	return plural(n, what) + ": " + strings.Join(parts, "; ")
}

// fewReasons is how many the sentence has.
const fewReasons = 6

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// together folds the points by what they read, those that make most first. A point
// that makes none is among the rest, whatever it reads.
func (s *Study) together() []*Fold {
	return s.fold(func(p *Point) string {
		if p.Makes == 0 {
			return p.key()
		}
		return strings.Join(s.Reads(p), ", ")
	})
}

// cause says what a fold asks, as long as that is short; else what about.
func (s *Study) cause(f *Fold) string {
	fams := s.asking(f)
	w := fams.String()
	if len([]rune(w)) <= shortWords+16 && !strings.Contains(w, " more") {
		return strings.ReplaceAll(w, "; ", " and ") // causes stand apart by these
	}
	reads := strings.Split(f.Name, ", ")
	if maps, ok := onlyMaps(reads); ok {
		if slices.ContainsFunc(fams, func(x *family) bool { return x.kind != entry }) {
			return "what is in " + maps
		}
		return "whether there is an entry in " + maps
	}
	if source := f.Points[0].Source; len(reads) > fewReads && len(f.Points) == 1 && source != "" {
		return valueOf(reads) + ", in `" + cut(strings.TrimRight(source, " {")) + "`"
	}
	return list(reads)
}

// onlyMaps names the maps that are all that is read.
func onlyMaps(reads []string) (words string, ok bool) {
	var names []string
	for _, r := range reads {
		name, ok := strings.CutPrefix(r, "map ")
		if !ok {
			return "", false
		}
		names = append(names, name)
	}
	if len(names) == 1 {
		return "map " + names[0], true
	}
	return "maps " + list(names), true
}

// fewReads is how many fields are named.
const fewReads = 4

// where names a fold's places: net.h:170, 176, 178.
func (f *Fold) where() string {
	const few = 3
	var out []string
	file := ""
	for i, p := range f.Points {
		if i == few && len(f.Points) > few+1 {
			out = append(out, fmt.Sprintf("%d more", len(f.Points)-few))
			break
		}
		w := p.Where
		if p.File != "" && p.File == file {
			w = fmt.Sprint(p.Line)
		}
		file = p.File
		out = append(out, w)
	}
	return strings.Join(out, ", ")
}
