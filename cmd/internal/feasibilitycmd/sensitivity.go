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
func swingTable(s *feasibility.Study) report.Table {
	t := report.Table{ID: "sensitivity", Title: "Each assumed figure at the ends of its range, one at a time", Left: 4,
		Head: []string{"parameter", "value", "put to", "answer", "spread", "host cores", "", "mean latency", "", "loss", "hit ratio"},
		Note: "Spread: the largest relative change of host cores or mean latency. × is against the value assumed. ! turns the answer.",
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
		t.Note += fmt.Sprintf(" Packets are lost at this rate (%s): which ones is touched by anything, so small changes say little.", percent(base.Loss))
	}
	if n := len(s.Swings) - len(swings(s)); n > 0 {
		t.Note += fmt.Sprintf(" %s of %d assumed figures change nothing at all: %s.", report.Count(uint64(n)), len(s.Swings), strings.Join(still(s), ", "))
	}
	return t
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
		if e.Answer != base.Answer {
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
