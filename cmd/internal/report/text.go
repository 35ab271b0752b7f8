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
	p := printer{wrap: d.Wrap, window: d.Window}
	if d.Window > 0 {
		p.wrap = d.Window
		if d.Wrap > 0 {
			p.wrap = min(d.Wrap, d.Window)
		}
	}
	left := 0 // tables that the folder has
	tab := ""
	for i := range d.Sections {
		s := &d.Sections[i]
		if s.Tab != tab {
			if tab = s.Tab; tab != "" {
				p.tab(d.tab(tab))
			}
		}
		for k := range s.Blocks {
			switch b := &s.Blocks[k]; {
			case b.Only == OnPage:
			case b.Long && d.Brief:
				left++
			default:
				p.block(b)
			}
		}
	}
	if left > 0 {
		p.gap()
		p.line(fmt.Sprintf("%d more tables are in report.html", left))
	}
	if d.Run != nil {
		p.gap()
		d.Run.facts().text(&p.out, d.Window)
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
	out    bytes.Buffer
	wrap   int
	window int // 0: lines are as long as they are
}

func (p *printer) line(s string) {
	p.out.WriteString(s)
	p.out.WriteByte('\n')
}

// running is a text that is broken where the window ends.
func (p *printer) running(s string) {
	if p.window == 0 {
		p.line(s)
		return
	}
	for _, l := range Wrap(s, p.window) {
		p.line(l)
	}
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
			p.running(t.Title)
		}
		for _, part := range t.shown().fit(p.window) {
			p.line(part.render())
		}
		if n := strings.TrimSpace(t.Note + " " + t.TextNote); n != "" {
			p.running(n)
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
