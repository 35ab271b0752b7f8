package feasibilitycmd

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"jitnic/cmd/internal/report"
	"jitnic/nic/feasibility"
)

// swings are the assumed figures that change anything, those that turn the
// answer first, then those of the largest spread.
func swings(s *feasibility.Study) []*feasibility.Swing {
	var out []*feasibility.Swing
	for i := range s.Swings {
		if w := &s.Swings[i]; w.Turns || w.Spread > 0 {
			out = append(out, w)
		}
	}
	slices.SortStableFunc(out, func(a, b *feasibility.Swing) int {
		if a.Turns != b.Turns {
			if a.Turns {
				return -1
			}
			return 1
		}
		return cmp.Compare(b.Spread, a.Spread)
	})
	return out
}

// swingBase is what the ends of ranges are compared with.
func swingBase(s *feasibility.Study) feasibility.SwingEnd {
	if s.SwingBase == nil {
		return feasibility.SwingEnd{}
	}
	return *s.SwingBase
}

// swingTable has a row for each end of each range.
func swingTable(s *feasibility.Study) *report.Table {
	t := &report.Table{ID: "sensitivity", Title: "Each assumed figure at the ends of its range, one at a time", Left: 4,
		Head:     []string{"parameter", "value", "put to", "answer", "spread", "host cores", "", "mean latency", "", "loss", "hit ratio"},
		PageNote: sweptText(s) + " Spread: the largest relative change of host cores or mean latency. × is against the value assumed. ! turns the answer, by more than chance.",
	}
	base := swingBase(s)
	for _, w := range swings(s) {
		key, value := w.Key, w.Value
		if w.Turns {
			key += " !"
		}
		spread := percent(w.Spread)
		for _, e := range w.Ends {
			t.Add(key, value, e.Value, string(e.Answer), spread, digits(e.Cores), change(e.Cores, base.Cores), latency(e.Mean), change(e.Mean, base.Mean), percent(e.Loss), percent(e.Hits))
			key, value, spread = "", "", ""
		}
	}
	if base.Loss > 0.001 {
		t.PageNote += fmt.Sprintf(" Packets are lost at this rate (%s): which ones is touched by anything, so small changes say little.", percent(base.Loss))
	}
	if n := len(s.Swings) - len(swings(s)); n > 0 {
		t.PageNote += fmt.Sprintf(" %s of %d assumed figures change nothing at all: %s.", report.Count(uint64(n)), len(s.Swings), strings.Join(still(s), ", "))
	}
	return t
}

// sweptText says of what packets the runs are, and whether they are the verdict's.
func sweptText(s *feasibility.Study) string {
	text := "Runs of " + report.Count(s.Swept) + " packets"
	if len(s.Point) > 0 && s.Point[0].Packets == s.Swept {
		return text + ", those of the verdict."
	}
	return text + ", fewer than the verdict's: what they are compared with is a run as long."
}

// still are the assumed figures that change nothing.
func still(s *feasibility.Study) []string {
	var out []string
	for i := range s.Swings {
		if w := &s.Swings[i]; !w.Turns && w.Spread == 0 {
			out = append(out, w.Key)
		}
	}
	return out
}

// swingLine is a swing in a row of its own, for a terminal.
func swingLine(w *feasibility.Swing, base feasibility.SwingEnd) []string {
	var ends, cores, mean, answers []string
	for _, e := range w.Ends {
		ends = append(ends, e.Value)
		cores = append(cores, digits(e.Cores))
		mean = append(mean, latency(e.Mean))
		if w.Turns && e.Answer != base.Answer {
			answers = append(answers, fmt.Sprintf("%s: %s", e.Value, e.Answer))
		}
	}
	turns := none
	if w.Turns {
		turns = strings.Join(answers, "; ")
	}
	return []string{w.Key, clip(w.Value, 24), clip(strings.Join(ends, " | "), 40), clip(turns, 40), strings.Join(cores, " | "), strings.Join(mean, " | ")}
}

// factor is how many times as much as the base a value is, by powers of two; NaN
// where that is no number.
func factor(x, base float64) float64 {
	if x <= 0 || base <= 0 {
		return math.NaN()
	}
	return math.Log2(x / base)
}

// textSwings are those that turn the answer and those of the largest spread.
func textSwings(s *feasibility.Study, most int) *report.Table {
	all := swings(s)
	base := swingBase(s)
	t := &report.Table{Left: 4, Head: []string{"parameter", "assumed", "put to", "turns the answer", "host cores", "mean latency"}}
	t.Title = fmt.Sprintf("Assumed figures: %d of %d matter (now %s host cores, %s; runs of %s packets)", len(all), len(s.Swings), digits(base.Cores), nanos(base.Mean), report.Count(s.Swept))
	for _, w := range all[:min(most, len(all))] {
		t.Rows = append(t.Rows, swingLine(w, base))
	}
	return t
}

// mostBars is how many assumed figures a plot shows.
const mostBars = 16

// tornado is what the assumed figures do to the mean latency or to the host
// cores, by factors.
func tornado(s *feasibility.Study, slug string, mean bool) *report.Bars {
	base := swingBase(s)
	b := &report.Bars{ID: "sensitivity-cores-" + slug, Heading: "host cores " + digits(base.Cores), Title: "Host cores, assumed figures at the ends of their ranges", X: "host cores needed, against those assumed", Factors: true, Most: mostBars,
		Text: func(v float64) string { return digits(math.Pow(2, v) * base.Cores) }}
	of := func(e feasibility.SwingEnd) float64 { return factor(e.Cores, base.Cores) }
	if mean {
		b.ID, b.Heading = "sensitivity-latency-"+slug, "mean latency "+nanos(base.Mean)
		b.Text = func(v float64) string { return nanos(math.Pow(2, v) * base.Mean) }
		b.Title, b.X = "Mean latency, assumed figures at the ends of their ranges", "mean latency, against that assumed"
		of = func(e feasibility.SwingEnd) float64 { return factor(e.Mean, base.Mean) }
	}
	b.Title += ": " + s.Program + " on " + s.NIC.Name
	lo, hi := report.BarGroup{Name: "low end"}, report.BarGroup{Name: "high end"}
	for _, w := range swings(s) {
		if len(w.Ends) == 0 {
			continue
		}
		first, last := of(w.Ends[0]), of(w.Ends[len(w.Ends)-1])
		for _, e := range w.Ends[1:max(len(w.Ends)-1, 1)] { // of several, the farthest
			if math.Abs(of(e)) > math.Abs(last) {
				last = of(e)
			}
		}
		var ends []string
		for _, e := range w.Ends {
			end := e.Value
			if e.Answer != base.Answer {
				end += " (" + string(e.Answer) + ")"
			}
			ends = append(ends, end)
		}
		b.Names, b.About, b.Marked = append(b.Names, w.Key), append(b.About, w.Value+" → "+strings.Join(ends, " | ")), append(b.Marked, w.Turns)
		lo.Values, hi.Values = append(lo.Values, first), append(hi.Values, last)
	}
	if len(b.Names) == 0 {
		return nil
	}
	b.Groups = []report.BarGroup{lo, hi}
	return b
}
