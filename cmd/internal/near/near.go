// Package near finds the name that was likely meant by one that isn't known.
package near

import (
	"regexp"
	"strings"
)

// asked is a name in quotes, or behind a flag, that an error says is none of those
// that it goes on to list.
var (
	asked  = regexp.MustCompile(`(?:"([^" ]+)"|--[a-z-]+ ([^" :]+)|--[a-z-]+: ([^" :]+)):`)
	quoted = regexp.MustCompile(`"([^" ]+)"[;:]`)
	listed = regexp.MustCompile(`(?:there (?:is|are):?|not one of|: want) ([^;]+)$`)
	verb   = regexp.MustCompile(`; Did you mean this\?; \s*([^;\s]+).*$`)
	item   = regexp.MustCompile(`^[\w./+-]+`)
)

// Suggest adds to an error that lists the names there are the one that was likely
// meant.
func Suggest(line string) string {
	if m := verb.FindStringSubmatchIndex(line); m != nil { // cobra's own, over several lines
		return line[:m[0]] + `; did you mean "` + line[m[2]:m[3]] + `"?`
	}
	list := listed.FindStringSubmatchIndex(line)
	if list == nil {
		return line
	}
	before, names := line[:list[0]+1], line[list[2]:list[3]]
	got := ""
	for _, re := range []*regexp.Regexp{quoted, asked} {
		if m := re.FindAllStringSubmatch(before, -1); m != nil {
			for _, g := range m[len(m)-1][1:] {
				if g != "" {
					got = g
				}
			}
			break
		}
	}
	if got == "" {
		return line
	}
	var all []string
	for _, n := range strings.Split(names, ",") {
		all = append(all, item.FindString(strings.TrimSpace(n)))
	}
	if best := Name(got, all); best != "" {
		return line + `; did you mean "` + best + `"?`
	}
	return line
}

// Name is the name that got was likely meant to be; "" where none is near.
func Name(got string, names []string) string {
	best, least := "", 1+len(got)/3
	for _, n := range names {
		if d := distance(strings.ToLower(got), strings.ToLower(n)); n != "" && d <= least && d < max(len(got), len(n)) && (best == "" || d < least) {
			best, least = n, d
		}
	}
	return best
}

// distance is how many letters have to be put in, taken out, changed or exchanged
// with their neighbour to make a of b (optimal string alignment).
func distance(a, b string) int {
	d := make([][]int, len(a)+1)
	for i := range d {
		d[i] = make([]int, len(b)+1)
		d[i][0] = i
	}
	for j := range d[0] {
		d[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			d[i][j] = min(d[i-1][j]+1, d[i][j-1]+1, d[i-1][j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d[i][j] = min(d[i][j], d[i-2][j-2]+1)
			}
		}
	}
	return d[len(a)][len(b)]
}
