package report

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
)

// Fields writes aligned "name  value" lines.
type Fields struct{ w *tabwriter.Writer }

// NewFields starts a list of fields on w.
func NewFields(w io.Writer) *Fields {
	return &Fields{tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)}
}

// Line adds one field; the value may have several columns.
func (f *Fields) Line(name string, cols ...any) {
	s := make([]string, len(cols))
	for i, c := range cols {
		s[i] = fmt.Sprint(c)
	}
	fmt.Fprintf(f.w, "%s\t%s\n", name, strings.Join(s, "\t"))
}

// Flush writes what was added.
func (f *Fields) Flush() error { return f.w.Flush() }

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
