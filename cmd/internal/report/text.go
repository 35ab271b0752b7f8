package report

import (
	"bytes"
	"fmt"
	"io"
	"strings"
)

// Text writes the document for a person at a terminal: facts, tables, checks and
// lines, as much of each as its maker wants seen there.
func (d *Document) Text(w io.Writer) error {
	p := printer{wrap: d.Wrap}
	tab := ""
	for i := range d.Sections {
		s := &d.Sections[i]
		if s.Tab != tab {
			if tab = s.Tab; tab != "" {
				p.tab(d.tab(tab))
			}
		}
		for k := range s.Blocks {
			if b := &s.Blocks[k]; b.Only != OnPage {
				p.block(b)
			}
		}
	}
	if d.Run != nil {
		p.gap()
		d.Run.facts().text(&p.out, 0)
	}
	_, err := w.Write(p.out.Bytes())
	return err
}

// tab is the tab of an ID.
func (d *Document) tab(id string) *Tab {
	for i := range d.Tabs {
		if d.Tabs[i].ID == id {
			return &d.Tabs[i]
		}
	}
	panic("report: no tab " + id)
}

// printer collects the text.
type printer struct {
	out  bytes.Buffer
	wrap int
}

func (p *printer) line(s string) {
	p.out.WriteString(s)
	p.out.WriteByte('\n')
}

// gap is a blank line between two things.
func (p *printer) gap() {
	if p.out.Len() > 0 {
		p.out.WriteByte('\n')
	}
}

func (p *printer) tab(t *Tab) {
	p.gap()
	p.line(fmt.Sprintf("== %s: %s ==", t.Name, t.Title))
	if t.Partial {
		p.line("partial: interrupted; the sections printed are whole")
	}
	if t.Lead == "" {
		return
	}
	for _, l := range Wrap(t.Lead, max(p.wrap, 40)) {
		p.line(l)
	}
}

func (p *printer) block(b *Block) {
	lines := len(b.Facts) > 0 || b.Table != nil || len(b.Checks) > 0 || b.Pre != ""
	if b.Apart && lines {
		p.gap()
	}
	b.Facts.text(&p.out, p.wrap) // a buffer takes all
	if t := b.Table; t != nil {
		if t.Title != "" {
			p.line(t.Title)
		}
		p.line(t.Text())
		if n := strings.TrimSpace(t.Note + " " + t.TextNote); n != "" {
			p.line(n)
		}
	}
	for _, c := range b.Checks {
		holds := "NOT"
		if c.Holds {
			holds = "holds"
		}
		p.line(fmt.Sprintf("%-5s %s (%s)", holds, c.What, c.Detail))
	}
	if b.Pre != "" {
		p.line(strings.TrimRight(b.Pre, "\n"))
	}
}
