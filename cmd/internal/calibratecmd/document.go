package calibratecmd

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"jitnic/cmd/internal/report"
	"jitnic/host/calibrate"
)

// document tells the calibration.
func (r *Report) document() *report.Document {
	d := &report.Document{Verb: "calibrate", Title: r.Machine.CPU + ", Linux " + r.Machine.Kernel, About: "what eBPF costs on this machine, beside the papers' figures",
		Footer: "Every number is also in figures.csv and calibrate.json.", Data: r, Records: []report.Records{r.records()}}
	if r.Partial {
		d.Partial = fmt.Sprintf("%d of %d steps are whole.", len(r.Steps), r.Planned)
	}
	d.Add(report.Section{ID: "machine", Title: "Machine and method", Blocks: []report.Block{{Facts: r.facts(),
		Note: "Other work only ever adds time, so the lower quartile of many rounds is nearer to an undisturbed machine than the median is, and steadier than the minimum. Median and interquartile range of the differences stand beside each figure."}}})
	d.Add(report.Section{ID: "charts", Title: "Charts", Blocks: []report.Block{{Charts: r.charts()}}})
	var tables []report.Block
	for _, t := range r.tables() {
		tables = append(tables, report.Block{Apart: true, Table: t})
	}
	d.Add(report.Section{ID: "tables", Title: "Tables", Blocks: tables})
	var checks []report.Check
	for _, c := range r.Checks {
		checks = append(checks, report.Check{Holds: c.Holds, What: c.What, Detail: c.Detail})
	}
	d.Add(report.Section{ID: "checks", Title: "Does the paper hold here?", Blocks: []report.Block{{Apart: true, Checks: checks}}})
	d.Add(report.Section{ID: "profile", Title: "Host profile", Blocks: []report.Block{{Only: report.OnPage, Pre: r.Profile,
		Note: "As in this.host, for --host of the device model. What can't be measured here keeps its source."}}})
	return d
}

// records are a row for each figure.
func (r *Report) records() report.Records {
	out := report.Records{Name: "figures.csv", Columns: report.Columns("group", "name", "map", "entries", "keys", "bytes", "value", "unit", "median", "q1", "q3", "rounds", "ops", "parts", "note")}
	for i := range r.Figures {
		out.Rows = append(out.Rows, &r.Figures[i])
	}
	return out
}

// facts are the machine and the method.
func (r *Report) facts() report.Facts {
	m := &r.Machine
	var out report.Facts
	line := out.Addf
	virtual := ""
	if m.Virtual {
		virtual = ", virtual"
	}
	line("machine", "%s, %d CPUs (%s)%s", m.CPU, m.CPUs, m.Arch, virtual)
	if f := r.Find("insn", "alu"); f != nil && f.Value > 0 {
		line("clock", "%.2f GHz by a chain of adds; /proc/cpuinfo says %.2f; governor %s", 1/f.Value, m.MHz/1000, m.Governor)
	}
	line("kernel", "Linux %s, BPF JIT %s, hardening %s", m.Kernel, m.JIT, m.Harden)
	if m.Mitigations != "" {
		line("mitigations", "%s", m.Mitigations)
	}
	partial := ""
	if r.Partial {
		partial = "  (partial: interrupted)"
	}
	line("measured", "%s, in %s, load before %s%s", m.Date, r.seconds(), m.Load, partial)
	alone := "beside what else ran"
	if r.Realtime {
		alone = "SCHED_FIFO"
	}
	line("method", "BPF_PROG_TEST_RUN, %d rounds of %g ms, with and without the operation in turn, on CPU %d, %s; figures are differences of lower quartiles", r.Rounds, r.RoundMS, m.Pinned, alone)
	return out
}

// ns writes a time with three significant digits or so.
func ns(x float64) string {
	switch a := max(x, -x); {
	case a >= 1000:
		return strconv.FormatFloat(x, 'f', 0, 64)
	case a >= 100:
		return strconv.FormatFloat(x, 'f', 1, 64)
	case a >= 1:
		return strconv.FormatFloat(x, 'f', 2, 64)
	}
	return strconv.FormatFloat(x, 'f', 3, 64)
}

// tables are those of the text and of the page.
func (r *Report) tables() []*report.Table {
	var out []*report.Table
	add := func(t *report.Table) {
		if len(t.Rows) > 0 {
			out = append(out, t)
		}
	}
	cmp := &report.Table{ID: "papers", Open: true, Title: "Beside the papers", Left: 1, Right: 2, Head: []string{"", "here", "paper", "here : paper", "source", "note"}}
	for _, c := range r.Comparisons {
		paper := ns(c.Lo)
		if c.Hi != c.Lo {
			paper = ns(c.Lo) + "–" + ns(c.Hi)
		}
		cmp.Add(c.What, ns(c.Here)+" "+c.Unit, paper, fmt.Sprintf("%.2f", c.Ratio()), short(c.Source), c.Note)
	}
	add(cmp)
	for _, g := range groups {
		t := &report.Table{ID: g.group, Title: g.title, Left: 1, Right: 1, Head: []string{"ns", "value", "median", "IQR", "note"}}
		for i := range r.Figures {
			f := &r.Figures[i]
			if f.Group != g.group || g.maps {
				continue
			}
			name := f.Name
			if f.Bytes > 0 {
				name += fmt.Sprintf(", %d B", f.Bytes)
			}
			value := ns(f.Value)
			if f.Parts > 0 {
				t.Head = []string{"ns", "value", "by its parts", "median", "IQR", "note"}
				t.Add(name, value, ns(f.Parts), ns(f.Median), ns(f.IQR()), f.Note)
				continue
			}
			t.Add(name, value, ns(f.Median), ns(f.IQR()), f.Note)
		}
		if g.maps {
			t = r.mapTable(g.group, g.title)
		}
		add(t)
	}
	return out
}

// groups are the tables of figures, in their order; maps are laid out by type.
var groups = []struct {
	group, title string
	maps         bool
}{
	{"floor", "Empty programs", false},
	{"live", "Live frames", false},
	{"insn", "Instructions", false},
	{"packet", "Packet sizes", false},
	{"call", "Calls", false},
	{"helper", "Helpers", false},
	{"atomic", "Atomics on a map's value", false},
	{"type", "Map operations by type, side by side (1 000 entries, uniform)", true},
	{"map", "Map operations by type, size and keys", true},
	{"change", "New keys", true},
	{"output", "Queues and ring buffers", true},
	{"user", "Maps through bpf(2)", true},
	{"program", "Sample programs whole, and what their parts add up to", false},
	{"compile", "jitnic's own compiler", false},
}

// mapTable has a row for each type, size and distribution of keys, and a column
// for each operation, in the order they were first measured.
func (r *Report) mapTable(group, title string) *report.Table {
	t := &report.Table{ID: group, Title: title + ", ns", Left: 1, Head: []string{"map"}}
	type key struct {
		kind    string
		entries int
		keys    string
	}
	var cols []string
	var rows []key
	cells := map[key]map[string]*calibrate.Figure{}
	for i := range r.Figures {
		f := &r.Figures[i]
		if f.Group != group {
			continue
		}
		if f.Map == "" {
			t.Note = fmt.Sprintf("%s, %s: %s ns. ", f.Name, f.Note, ns(f.Value))
			continue
		}
		k := key{f.Map, f.Entries, f.Keys}
		if cells[k] == nil {
			cells[k] = map[string]*calibrate.Figure{}
			rows = append(rows, k)
		}
		cells[k][f.Name] = f
		if !slices.Contains(cols, f.Name) {
			cols = append(cols, f.Name)
		}
	}
	for _, c := range cols {
		t.Head = append(t.Head, strings.ReplaceAll(c, "_", " "))
	}
	for _, k := range rows {
		name := k.kind
		if group == "map" || group == "change" {
			name += ", " + report.Count(uint64(k.entries))
		}
		if group == "map" {
			name += ", " + k.keys
		}
		row := []string{name}
		for _, c := range cols {
			cell := ""
			if f := cells[k][c]; f != nil {
				cell = ns(f.Value)
			}
			row = append(row, cell)
		}
		t.Add(row...)
	}
	t.Note += notes[group]
	return t
}

// notes explain the columns of the tables of maps.
var notes = map[string]string{
	"type":   "access: look-up, test for NULL, load of the value, each waiting for the one before; lookup: the same, none waiting; count: look-up and atomic add; update: of a key that is there.",
	"change": "miss: look-up of a key that isn't there; insert delete: both together; evict: insert into a full map.",
	"user":   "a call for one entry, by the system call itself; batches of 1 024 entries, an entry's share.",
}

// short leaves of a source the conference and the place.
func short(source string) string {
	if i := strings.LastIndex(source, "CoNEXT"); i >= 0 {
		return source[i:]
	}
	return source
}
