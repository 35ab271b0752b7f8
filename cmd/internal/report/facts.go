package report

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
)

// Facts are lines of a name and its value; a value may have several columns.
type Facts []Fact

// A Fact is one of them.
type Fact struct {
	Name string
	Cols []string
}

// Add adds a line.
func (f *Facts) Add(name string, cols ...any) {
	s := make([]string, len(cols))
	for i, c := range cols {
		s[i] = fmt.Sprint(c)
	}
	*f = append(*f, Fact{name, s})
}

// Addf adds a line of one column.
func (f *Facts) Addf(name, format string, args ...any) { f.Add(name, fmt.Sprintf(format, args...)) }

// Write writes the facts alone.
func (f Facts) Write(w io.Writer) error { return f.text(w, 0) }

// Value is the columns in one.
func (f Fact) Value() string { return strings.Join(f.Cols, " ") }

// text aligns names and columns. Where a line would be longer than wrap characters
// its last column goes on below itself; 0: none does.
func (f Facts) text(w io.Writer, wrap int) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	widths := f.widths()
	for _, x := range f {
		cells := append([]string{x.Name}, x.Cols...)
		last := len(cells) - 1
		if wrap == 0 || last == 0 {
			fmt.Fprintf(t, "%s\t%s\n", x.Name, strings.Join(x.Cols, "\t"))
			continue
		}
		room := wrap
		for _, n := range widths[:last] {
			room -= n + 2
		}
		for _, l := range Wrap(cells[last], max(room, 30)) {
			fmt.Fprintf(t, "%s\t%s\n", strings.Join(cells[:last], "\t"), l)
			cells = make([]string, len(cells)) // below, the line is empty up to there
		}
	}
	return t.Flush()
}

// widths are those of the columns, names first, that another stands behind.
func (f Facts) widths() []int {
	var out []int
	for _, x := range f {
		for i, c := range append([]string{x.Name}, x.Cols...)[:max(len(x.Cols), 1)] {
			if i == len(out) {
				out = append(out, 0)
			}
			out[i] = max(out[i], len([]rune(c)))
		}
	}
	return out
}

// Wrap breaks a text into lines of at most width characters, if its words are no
// longer.
func Wrap(s string, width int) []string {
	var out []string
	line := ""
	for _, w := range strings.Fields(s) {
		if line != "" && len([]rune(line))+1+len([]rune(w)) > width {
			out = append(out, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += w
	}
	return append(out, line)
}

// Count writes a number with its thousands apart: 82 582.
func Count(n uint64) string {
	s := strconv.FormatUint(n, 10)
	var b strings.Builder
	for i, c := range s {
		if i > 0 && (len(s)-i)%3 == 0 {
			b.WriteByte(' ')
		}
		b.WriteRune(c)
	}
	return b.String()
}

// Share is n of all as a percentage with two decimals; "-" of nothing.
func Share(n, all uint64) string {
	if all == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f %%", 100*float64(n)/float64(all))
}
