package feasibilitycmd

import (
	"fmt"
	"io"
	"strings"

	"jitnic/cmd/internal/report"
	"jitnic/nic/device"
	"jitnic/nic/feasibility"
)

// Text prints the report for a person: the verdict first, and of each section
// what says most. All of it is in report.html.
func (r *Report) Text(w io.Writer) error {
	p := &printer{w: w}
	if r.Partial {
		p.line("partial: interrupted; the sections printed are whole")
	}
	p.fields(r.facts())
	if len(r.Studies) > 1 {
		p.line("")
		p.table(r.overview())
	}
	for _, s := range r.Studies {
		p.study(s)
	}
	return p.err
}

// textWidth is how long lines of running text get.
const textWidth = 110

// printer keeps the first error.
type printer struct {
	w   io.Writer
	err error
}

func (p *printer) line(s string) {
	if p.err == nil {
		_, p.err = fmt.Fprintln(p.w, s)
	}
}

// fields prints names and values; long values go on below themselves.
func (p *printer) fields(fs [][2]string) {
	wide := 0
	for _, f := range fs {
		wide = max(wide, len(f[0]))
	}
	for _, f := range fs {
		name := f[0]
		for _, l := range wrap(f[1], max(textWidth-wide-2, 40)) {
			p.line(strings.TrimRight(fmt.Sprintf("%-*s  %s", wide, name, l), " "))
			name = ""
		}
	}
}

// table prints a table with its title, unless it is empty.
func (p *printer) table(t report.Table) {
	if len(t.Rows) == 0 {
		return
	}
	p.line(t.Title)
	p.line(t.Text())
}

func (p *printer) study(s *feasibility.Study) {
	p.line("")
	p.line(fmt.Sprintf("== %s: %s ==", s.NIC.Name, s.NIC.Title))
	if s.Partial {
		p.line("partial: interrupted; the sections printed are whole")
	}
	if judged(s) {
		for _, l := range wrap(s.Verdict.Sentence, textWidth) {
			p.line(l)
		}
	}
	p.fields(verdictFacts(s, false))

	if s.Fit != nil {
		p.line("")
		p.fields(append(fitFacts(s.Fit), coverFacts(s)...))
		p.table(blockerTable(s.Fit, 2).First(5))
		p.table(stepTable(s.Fit).First(3))
	}
	var fs [][2]string
	if s.Matchers != nil {
		fs = append(fs, [2]string{"matchers", matcherLine(s.Matchers)})
	}
	if e := &s.Executors; e.Best.Cycles > 0 {
		fs = append(fs, execFacts(s)...)
		fs = append(fs, execLines(s)...)
	}
	if len(fs) > 0 {
		p.line("")
		p.fields(fs)
	}
	if len(s.Point) > 0 {
		p.line("")
		p.table(textPoint(s))
		fs := [][2]string{}
		if o := orderText(s); o != "" {
			fs = append(fs, [2]string{"order", o})
		}
		if b := busiest(s); b != "" {
			fs = append(fs, [2]string{"busiest", b})
		}
		p.fields(fs)
	}
	if len(s.Throughput) > 0 {
		p.line("")
		p.table(rateTable(s))
	}
	if len(s.Memory) > 0 {
		p.line("")
		p.table(textMemory(s))
	}
	if len(s.Swings) > 0 {
		p.line("")
		p.table(textSwings(s, 6))
	}
	if s.Designs != nil {
		p.line("")
		p.table(textDesigns(s))
		if c := s.Designs.Claim; c != nil {
			p.fields([][2]string{{"claims", claimLine(c)}})
		}
	}
	p.line("")
	p.fields([][2]string{{"parameters", fmt.Sprintf("%s: %s; %s: %s", s.NIC.Name, paramCount(s.NIC.Params), s.Host.Name, paramCount(s.Host.Params))}})
}

// coverFacts are the coverage in a line.
func coverFacts(s *feasibility.Study) [][2]string {
	var parts []string
	for _, c := range s.Fit.Coverage {
		x := fmt.Sprintf("%.4g %%: ", 100*c.Target)
		if c.Reached {
			x += fmt.Sprintf("%s, %s slots", plural(c.Paths, "path", "paths"), report.Count(c.Slots))
		} else {
			x += "out of reach"
		}
		parts = append(parts, x)
	}
	q := &s.Fit.Trace.Paths
	d := &s.Fit.Cond.Paths
	return [][2]string{
		{"to cover packets", strings.Join(parts, "; ")},
		{"sizes", fmt.Sprintf("traces of %d to %d instructions (median %d), conditions of %d to %d predicates (median %d)", q.Min, q.Max, q.P50, d.Min, d.Max, d.P50)},
	}
}

// execLines are the executors without a table.
func execLines(s *feasibility.Study) [][2]string {
	e := &s.Executors
	var out [][2]string
	if p := e.Program; p.Bundles > 0 {
		out = append(out, [2]string{"whole program", fmt.Sprintf("%d instructions in %d cycles, IPC %s", p.Insns, p.Bundles, digits(p.IPC))})
	}
	line := func(name string, c *feasibility.TraceCost) {
		out = append(out, [2]string{name, fmt.Sprintf("%s instructions in %s cycles, IPC %s; a packet takes %s cycles", digits(c.Insns), digits(c.Cycles), digits(c.IPC), digits(c.PacketCycles))})
	}
	line("traces", &e.Raw)
	if s.Optimised {
		line("superoptimized", &e.Best)
	}
	return out
}

// textPoint is the runs at the study's rate, a row each.
func textPoint(s *feasibility.Study) report.Table {
	t := report.Table{Title: "At " + pps(float64(s.Rate)), Left: 1, Head: []string{"", "throughput", "loss", "hits", "mean", "p50", "p99", "p999", "host cores", "PCIe B", "installs/s", "reordered"}}
	for _, r := range runs(s, true) {
		t.Add(r.name, pps(r.Throughput), percent(r.Loss), hits(r.Figures), latency(r.Mean), latency(r.P50), latency(r.P99), latency(r.P999),
			digits(r.CoresNeeded), digits(r.PCIeUp+r.PCIeDown), digits(r.Installs), report.Count(r.Reordered))
	}
	return t
}

// busiest names the stations of the run with NIC and host that are busiest.
func busiest(s *feasibility.Study) string {
	both := at(s, device.Both)
	if both == nil {
		return ""
	}
	var parts []string
	for _, st := range both.Stations {
		if st.Utilisation >= 0.5 || st.MaxQueue > 0 {
			parts = append(parts, fmt.Sprintf("%s %s, queue up to %s", st.Name, percent(min(st.Utilisation, 1)), report.Count(uint64(st.MaxQueue))))
		}
	}
	return strings.Join(parts, "; ")
}

func textMemory(s *feasibility.Study) report.Table {
	t := memoryTable(s)
	keep := []int{0, 5, 6, 7, 8, 9, 10, 11, 12, 13}
	out := report.Table{Title: t.Title, Left: 1}
	pick := func(row []string) (cells []string) {
		for _, k := range keep {
			cells = append(cells, row[k])
		}
		return cells
	}
	out.Head = pick(t.Head)
	for _, r := range t.Rows {
		out.Rows = append(out.Rows, pick(r))
	}
	return out
}

// textSwings are those that turn the answer and those of the largest spread.
func textSwings(s *feasibility.Study, most int) report.Table {
	all := swings(s)
	base := swingBase(s)
	t := report.Table{Left: 4, Head: []string{"parameter", "assumed", "put to", "turns the answer", "host cores", "mean latency"}}
	t.Title = fmt.Sprintf("Assumed figures: %d of %d matter (now %s host cores, %s)", len(all), len(s.Swings), digits(base.Cores), nanos(base.Mean))
	for _, w := range all[:min(most, len(all))] {
		t.Rows = append(t.Rows, swingLine(w, base))
	}
	return t
}

// textDesigns are the designs, a row each.
func textDesigns(s *feasibility.Study) report.Table {
	t := report.Table{Title: "Designs on the same capture and budget", Left: 1, Head: []string{"design", "on the NIC", "wrong", "host time saved", "entries used", "for 99 %", "idle latency", "loaded: loss", "mean", "host cores"}}
	for i, r := range s.Designs.Results {
		need := none
		if len(r.Need) > 1 {
			need = r.Need[1].String()
		}
		row := []string{r.Design, percent(r.HitRatio), share(r.Wrong, r.Packets), percent(r.HostSaved), report.Count(r.Used), need, nanos(r.Latency), none, none, none}
		if i < len(s.Loaded) {
			f := s.Loaded[i]
			row[7], row[8], row[9] = percent(f.Loss), latency(f.Mean), digits(f.CoresNeeded)
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}
