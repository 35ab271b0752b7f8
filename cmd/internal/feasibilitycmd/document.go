package feasibilitycmd

import (
	"fmt"
	"strings"

	"jitnic/cmd/internal/report"
	"jitnic/nic/feasibility"
	"jitnic/nic/match"
	"jitnic/nic/profile"
)

// textWidth is how long lines of running text get.
const textWidth = 110

// document tells the studies, the verdict first. The text has of each section what
// says most.
func (r *Report) document() *report.Document {
	d := &report.Document{Verb: "feasibility", Title: r.title(), About: "whether offloading the program to a NIC pays, each number with its source",
		Footer: "Every number is also in rows.csv and study.json. A name like pcie.read leads to the parameter, its value and its source.",
		Data:   r, Records: []report.Records{r.records()}, Wrap: textWidth}
	overview := report.Block{Apart: true, Table: r.overview()}
	if len(r.Studies) < 2 {
		overview.Only = report.OnPage
	}
	blocks := []report.Block{{Facts: r.facts()}, overview, {Charts: r.compared()}}
	if r.Partial {
		d.Partial = "What stands here is whole; sections are missing."
		blocks = append([]report.Block{partial()}, blocks...)
	}
	d.Add(report.Section{ID: "verdict", Title: "Does it pay?", Blocks: blocks})
	slugs := r.slugs()
	for i, s := range r.Studies {
		d.Tabs = append(d.Tabs, tab(s, slugs[i]))
		study(d, s, slugs[i])
	}
	if len(r.Studies) > 0 {
		s := r.Studies[0]
		d.Terms = d.Tabs[0].Terms
		d.Add(report.Section{ID: "host", Title: "Parameters of the host", Blocks: []report.Block{{Only: report.OnPage, Table: paramTable(hostID, s.Host.Name+": "+s.Host.Title, s.Host.Params)}}})
	}
	return d
}

func partial() report.Block {
	return report.Block{Only: report.InText, Pre: "partial: interrupted; the sections printed are whole"}
}

// tab is a study's, with the verdict.
func tab(s *feasibility.Study, slug string) report.Tab {
	t := report.Tab{ID: slug, Name: s.NIC.Name, Title: s.NIC.Title, Answer: answer(s), Class: "open", Partial: s.Partial, Terms: terms(s, slug)}
	switch s.Verdict.Answer {
	case feasibility.Pays:
		t.Class = "good"
	case feasibility.Doesnt, feasibility.Neither:
		t.Class = "bad"
	}
	if judged(s) || s.Verdict.Answer == feasibility.None {
		t.Lead = s.Verdict.Sentence
	}
	return t
}

// study adds a study's sections.
func study(d *report.Document, s *feasibility.Study, slug string) {
	add := func(id, title string, blocks ...report.Block) {
		d.Add(report.Section{ID: slug + "-" + id, Title: title, Tab: slug, Blocks: blocks})
	}
	both := func(t *report.Table) report.Block { return report.Block{Table: t} }
	apart := func(t *report.Table) report.Block { t.Open = true; return report.Block{Apart: true, Table: t} }
	page := func(t *report.Table, open, wrap bool) report.Block {
		t.Open, t.Wrap = open, wrap
		return report.Block{Only: report.OnPage, Table: t}
	}
	text := func(t *report.Table) report.Block { return report.Block{Only: report.InText, Table: t} }
	lines := func(f report.Facts) report.Block { return report.Block{Only: report.InText, Facts: f} }
	told := func(f report.Facts) report.Block { return report.Block{Only: report.OnPage, Facts: f} }

	if judged(s) {
		add("verdict", "Why", lines(verdictFacts(s, false)), told(verdictFacts(s, true)), page(evenTable(s), true, false))
	}
	if f := s.Fit; f != nil {
		fits := lines(append(fitFacts(f), coverFacts(f)...))
		fits.Apart = true
		steps := stepTable(f).First(3)
		steps.Open, steps.Wrap = true, true
		add("fit", "What fits", fits, text(blockerTable(f, 2).First(5)), told(fitFacts(f)), page(blockerTable(f, 4), true, true), both(steps),
			page(coverTable(f), true, false), page(needTable(f), true, false), page(sizeTable(f), true, false), page(mapTable(f), false, false))
	}
	var matchers report.Facts
	if m := s.Matchers; m != nil {
		add("match", "Matching", report.Block{Only: report.InText, Apart: true, Table: textMatchers(m)}, report.Block{Only: report.InText, Apart: true, Table: textTernary(m)}, page(matcherTable(m), true, false), page(ternaryTable(m), true, false), page(predicateTable(m), false, true), page(classTable(m), false, false), page(refusalTable(m), false, false))
		behind(m, func(blocks ...report.Block) { add("match-behind", "Matching behind the first table", blocks...) })
	}
	if e := &s.Executors; e.Best.Cycles > 0 {
		matchers = append(append(matchers, execFacts(s)...), execLines(s)...)
	}
	blocks := []report.Block{{Only: report.InText, Apart: true, Facts: matchers}}
	if s.Executors.Best.Cycles > 0 || s.Executors.Schedule != "" {
		blocks = append(blocks, told(execFacts(s)), page(execTable(s), true, false))
	}
	add("exec", "Executing", blocks...)
	schedules(s, add)
	if len(s.Point) > 0 || len(s.Curves) > 0 || len(s.Throughput) > 0 {
		loading(d, s, slug)
	}
	if len(s.Memory) > 0 {
		add("memory", "Memory models", apart(memoryTable(s)))
	}
	if len(s.Swings) > 0 {
		swung := text(textSwings(s, 6))
		swung.Apart = true
		add("sensitivity", "What the assumed figures change", swung, swingBlock(s, slug), page(swingTable(s), false, false))
	}
	if s.Designs != nil {
		rivals(d, s, slug)
	}
	add("params", "Parameters of the device",
		report.Block{Apart: true, Only: report.InText, Facts: report.Facts{{Name: "parameters", Cols: []string{fmt.Sprintf("%s: %s; %s: %s", s.NIC.Name, paramCount(s.NIC.Params), s.Host.Name, paramCount(s.Host.Params))}}}},
		told(report.Facts{{Name: "parameters", Cols: []string{paramCount(s.NIC.Params)}}}),
		report.Block{Facts: yoursFacts(s)},
		report.Block{Only: report.OnPage, Table: paramTable(slug, s.NIC.Name+": "+s.NIC.Title, s.NIC.Params)})
}

// yoursFacts are the figures that are the user's own.
func yoursFacts(s *feasibility.Study) (out report.Facts) {
	if y := append(yours(s.NIC.Params, ""), yours(s.Host.Params, "host.")...); len(y) > 0 {
		out.Add("yours", strings.Join(y, ", "))
	}
	return out
}

// schedules adds the schedules, bundle by bundle, each in a section of its own
// that the page links to.
func schedules(s *feasibility.Study, add func(id, title string, blocks ...report.Block)) {
	e := &s.Executors
	if e.Schedule != "" {
		add("schedule", "Schedule of a trace", report.Block{Only: report.OnPage, Title: fmt.Sprintf("Schedule of the most taken path, path %d", e.SchedulePath), Pre: e.Schedule})
	}
	if e.Program.Schedule != "" {
		add("program", "Schedule of the program", report.Block{Only: report.OnPage, Title: "Schedule of the whole program, as the device would interpret it", Pre: e.Program.Schedule})
	}
}

// behind adds the matchers of the tables behind the first, where there are any.
func behind(m *match.Report, add func(blocks ...report.Block)) {
	var blocks []report.Block
	for i, b := range m.Behind {
		name := fmt.Sprintf(", table %d: %d segments, of %s packets", i+2, b.Conditions, report.Count(b.PathPackets))
		text, page, why := textMatchers(b), matcherTable(b), refusalTable(b)
		for _, t := range []*report.Table{text, page, why} {
			t.Title += name
			t.ID = fmt.Sprintf("%s-%d", t.ID, i+2)
		}
		page.Open = true
		blocks = append(blocks, report.Block{Only: report.InText, Apart: true, Table: text}, report.Block{Only: report.OnPage, Table: page}, report.Block{Only: report.OnPage, Table: why})
	}
	if blocks != nil {
		add(blocks...)
	}
}

// loading adds what the runs under load gave.
func loading(d *report.Document, s *feasibility.Study, slug string) {
	var beside report.Facts
	if o := orderText(s); o != "" {
		beside.Add("order", o)
	}
	if b := busiest(s); b != "" {
		beside.Add("busiest", b)
	}
	rates := rateTable(s)
	rates.Open, rates.Wrap = true, true
	blocks := []report.Block{{Charts: loadCharts(s, slug)}}
	if len(s.Point) > 0 {
		blocks = append(blocks, report.Block{Only: report.InText, Apart: true, Table: textPoint(s)}, report.Block{Facts: beside})
	}
	blocks = append(blocks, report.Block{Apart: true, Table: rates})
	for _, t := range []*report.Table{pointTable(s), stationTable(s), outcomeTable(s), causeTable(s), curveTable(s)} {
		t.Open = t.ID != "curves"
		blocks = append(blocks, report.Block{Only: report.OnPage, Table: t})
	}
	d.Add(report.Section{ID: slug + "-load", Title: "Load", Tab: slug, Blocks: blocks})
}

// rivals adds the designs side by side.
func rivals(d *report.Document, s *feasibility.Study, slug string) {
	blocks := []report.Block{{Only: report.InText, Apart: true, Table: textDesigns(s)}}
	if b := designBars(s, slug); b != nil {
		b.Heading = "%"
		blocks = append(blocks, report.Block{Title: "Packets wholly on the NIC, host time saved, and loss under load", Bars: []*report.Bars{b}})
	}
	page := func(t *report.Table) {
		t.Open = true
		blocks = append(blocks, report.Block{Only: report.OnPage, Table: t})
	}
	page(designTable(s))
	blocks = append(blocks, report.Block{Only: report.OnPage, Facts: designFacts(s)})
	var refused report.Facts
	for _, x := range s.Designs.Refused {
		refused.Add(x.Design, "not compared: "+x.Why)
	}
	if refused != nil {
		blocks = append(blocks, report.Block{Facts: refused})
	}
	if c := s.Designs.Claim; c != nil {
		blocks = append(blocks, report.Block{Only: report.InText, Facts: report.Facts{{Name: "claims", Cols: []string{claimLine(c)}}}})
		page(claimTable(c))
		page(topTable(c))
		if c.Thrash != nil {
			page(thrashTable(c))
		}
	}
	d.Add(report.Section{ID: slug + "-designs", Title: "Designs", Tab: slug, Blocks: blocks})
}

// swingBlock is the tornado: what each assumed figure does to latency and cores.
func swingBlock(s *feasibility.Study, slug string) report.Block {
	all := swings(s)
	mean, cores := tornado(s, slug, true), tornado(s, slug, false)
	if mean == nil {
		return report.Block{Only: report.OnPage, Facts: report.Facts{{Name: "assumed figures", Cols: []string{fmt.Sprintf("none of %d changes anything", len(s.Swings))}}}}
	}
	turn := 0
	for _, w := range all {
		if w.Turns {
			turn++
		}
	}
	turns := "none alone turns the answer"
	if turn > 0 {
		turns = fmt.Sprintf("%d alone turn the answer (marked)", turn)
	}
	return report.Block{Bars: []*report.Bars{mean, cores}, Title: fmt.Sprintf("%d of %d assumed figures matter, %s", len(all), len(s.Swings), turns),
		Note: "Each parameter alone, put to the ends of its range; in parentheses the answer where it is another. Bars go by factors, on a logarithmic scale. Touch or hover for the values."}
}

// hostID is the host's beside the devices', none of which has a dot in it.
const hostID = "host."

// terms are the parameters: a name leads to its line. Those of the host have
// "host." before them where the device has one of the name.
func terms(s *feasibility.Study, slug string) report.Terms {
	t := report.Terms{}
	add := func(words []string, word, id string, p *profile.Param) {
		if p.Key == "name" || p.Key == "title" {
			return
		}
		for _, w := range words {
			if _, ok := t[w]; !ok {
				t[w] = report.Term{Anchor: "p-" + id + "-" + p.Key, Word: word, Tip: p.Value + " (" + source(p) + ")"}
			}
		}
	}
	for i := range s.NIC.Params {
		p := &s.NIC.Params[i]
		add([]string{p.Key}, p.Key, slug, p)
	}
	for i := range s.Host.Params {
		p := &s.Host.Params[i]
		add([]string{"host." + p.Key, p.Key}, "host."+p.Key, hostID, p)
	}
	return t
}
