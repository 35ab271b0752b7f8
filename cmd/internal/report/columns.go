package report

import (
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// A Table is one of a report's tables, as text and in a page. Left and Right say
// how many columns from the left and from the right are words; those between are
// numbers and stand to the right.
type Table struct {
	ID, Title, Note string
	Head            []string
	Rows            [][]string
	Left, Right     int
}

// Words says whether column i is words, which stand to the left.
func (t *Table) Words(i int) bool { return i < t.Left || i >= len(t.Head)-t.Right }

// Add adds a row.
func (t *Table) Add(cells ...string) { t.Rows = append(t.Rows, cells) }

// Text is head and rows, aligned; without the title and the note.
func (t *Table) Text() string {
	w := table.NewWriter()
	s := table.StyleDefault
	s.Options = table.OptionsNoBordersAndSeparators
	s.Box.PaddingLeft, s.Box.PaddingRight = "", "  "
	s.Format.Header = text.FormatDefault
	w.SetStyle(s)
	row := func(cells []string) table.Row {
		out := make(table.Row, len(cells))
		for i, c := range cells {
			out[i] = c
		}
		return out
	}
	w.AppendHeader(row(t.Head))
	for _, r := range t.Rows {
		w.AppendRow(row(r))
	}
	var cols []table.ColumnConfig
	for i := range t.Head {
		a := text.AlignRight
		if t.Words(i) {
			a = text.AlignLeft
		}
		cols = append(cols, table.ColumnConfig{Number: i + 1, Align: a, AlignHeader: a})
	}
	w.SetColumnConfigs(cols)
	lines := strings.Split(w.Render(), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n")
}

// First is the table with its first rows only.
func (t Table) First(rows int) Table {
	t.Rows = t.Rows[:min(rows, len(t.Rows))]
	return t
}
