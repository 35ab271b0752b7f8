package report

import (
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// A Table is one of a Document's. Left and Right say how many columns from the
// left and from the right are words; those between are numbers and stand to the
// right.
type Table struct {
	ID, Title   string
	Head        []string // nil: it has none
	Rows        [][]string
	Left, Right int
	Note        string
	PageNote    string // what only the page says below it
	TextNote    string // what only the text says below it

	// Of the page.
	Open   bool   // it is unfolded at first
	Wrap   bool   // words are broken into lines, and on a phone a row's cells stand below each other
	Anchor string // rows are places: each has the id Anchor-its first cell

	// What the text shows of it; nil: all.
	TextCols, TextRows []int
}

// Words says whether column i is words, which stand to the left.
func (t *Table) Words(i int) bool { return i < t.Left || i >= t.cols()-t.Right }

// Label is what a cell of column i says before its value where rows are taken apart.
func (t *Table) Label(i int) string {
	if !t.Wrap || i == 0 || i >= len(t.Head) {
		return ""
	}
	return t.Head[i]
}

func (t *Table) cols() int {
	n := len(t.Head)
	for _, r := range t.Rows {
		n = max(n, len(r))
	}
	return n
}

// Add adds a row.
func (t *Table) Add(cells ...string) { t.Rows = append(t.Rows, cells) }

// First is the table of which the text shows the first rows only.
func (t *Table) First(rows int) *Table {
	t.TextRows = make([]int, min(rows, len(t.Rows)))
	for i := range t.TextRows {
		t.TextRows[i] = i
	}
	return t
}

// shown is the part that the text shows.
func (t *Table) shown() *Table {
	if t.TextCols == nil && t.TextRows == nil {
		return t
	}
	out := *t
	out.TextCols, out.TextRows = nil, nil
	if t.TextRows != nil {
		out.Rows = nil
		for _, i := range t.TextRows {
			out.Rows = append(out.Rows, t.Rows[i])
		}
	}
	if t.TextCols != nil {
		out = *out.pick(t.TextCols)
	}
	return &out
}

// pick is the table of some of the columns.
func (t *Table) pick(cols []int) *Table {
	out := *t
	out.Left, out.Right = 0, 0
	inner := false
	for _, c := range cols {
		switch {
		case !t.Words(c):
			inner = true
		case inner:
			out.Right++
		default:
			out.Left++
		}
	}
	row := func(in []string) []string {
		var cells []string
		for _, c := range cols {
			if c < len(in) {
				cells = append(cells, in[c])
			}
		}
		return cells
	}
	if t.Head != nil {
		out.Head = row(t.Head)
	}
	out.Rows = make([][]string, len(t.Rows))
	for i, r := range t.Rows {
		out.Rows[i] = row(r)
	}
	return &out
}

// Text is what the text shows of head and rows, aligned; without the title and
// the notes.
func (t *Table) Text() string { return t.shown().render() }

// fit is the table in parts of at most so many characters a line, below each other:
// each has the words on the left again. 0: it is one. A part has one column at
// least, however long that is.
func (t *Table) fit(window int) []*Table {
	if window <= 0 || t.wide() <= window {
		return []*Table{t}
	}
	first := max(1, t.Left)
	if n := t.cols(); first >= n { // nothing but words: the first tells rows apart
		first = 1
	}
	var head []int
	for i := range first {
		head = append(head, i)
	}
	var out []*Table
	part := slices.Clone(head)
	for c := first; c < t.cols(); c++ {
		next := append(slices.Clone(part), c)
		if len(part) > len(head) && t.pick(next).wide() > window {
			out = append(out, t.pick(part))
			next = append(slices.Clone(head), c)
		}
		part = next
	}
	return append(out, t.pick(part))
}

// wide is how many characters the longest line has.
func (t *Table) wide() int {
	most := 0
	for l := range strings.SplitSeq(t.render(), "\n") {
		most = max(most, text.StringWidthWithoutEscSequences(l))
	}
	return most
}

func (t *Table) render() string {
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
	if t.Head != nil {
		w.AppendHeader(row(t.Head))
	}
	for _, r := range t.Rows {
		w.AppendRow(row(r))
	}
	var cols []table.ColumnConfig
	for i := range t.cols() {
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
