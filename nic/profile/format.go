package profile

import "strings"

// format prints a profile file: every parameter with its source. Parsing it
// gives the same profile, and printing that the same bytes.
func (r record) format() string {
	type row struct{ left, right string }
	rows := make([]row, len(r.s.fields))
	wide, widest := 0, 0
	for i := range r.s.fields {
		wide = max(wide, len(r.s.fields[i].key))
	}
	for i := range r.s.fields {
		f := &r.s.fields[i]
		o := r.from[f.key]
		left := f.key + strings.Repeat(" ", wide-len(f.key)) + " = " + r.value(f)
		if o.Assumed {
			left += " assumed"
		}
		if o.Range != "" {
			left += " " + o.Range
		}
		source := o.Source
		if source == "" && !o.Assumed && f.kind != kindText {
			source = SetByUser // built by a program that gave no source
		}
		rows[i] = row{left, source}
		if n := width(left); source != "" && n <= 60 {
			widest = max(widest, n)
		}
	}
	var b strings.Builder
	section := ""
	for i := range r.s.fields {
		f := &r.s.fields[i]
		if s := f.section(); s != section {
			if i > 0 && f.key != "title" {
				b.WriteByte('\n')
			}
			section = s
		}
		for _, c := range r.from[f.key].Above {
			b.WriteString(c + "\n")
		}
		b.WriteString(rows[i].left)
		if rows[i].right != "" {
			b.WriteString(strings.Repeat(" ", max(0, widest-width(rows[i].left))) + " # " + rows[i].right)
		}
		b.WriteByte('\n')
	}
	if end := r.from[""].Above; len(end) > 0 {
		b.WriteByte('\n')
		for _, c := range end {
			b.WriteString(c + "\n")
		}
	}
	return b.String()
}

func width(s string) int { return len([]rune(s)) }
