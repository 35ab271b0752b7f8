package session

import (
	"fmt"

	"jitnic/cmd/internal/report"
	"jitnic/host/run/replay"
)

// ModesSection sets modes side by side, and says which suits the program.
func ModesSection(modes []replay.Side) report.Section {
	s := report.Section{ID: "remedies", Title: "Ways to make traces, side by side"}
	if len(modes) == 0 {
		return s
	}
	t := &report.Table{ID: "remedies", Left: 24, Open: true, Head: []string{"mode", "paths", "cold"}}
	for _, p := range modes[0].Sizes {
		t.Head = append(t.Head, fmt.Sprintf("hits %% at %d", p.Entries))
	}
	t.Head = append(t.Head, fmt.Sprintf("at %d slots", modes[0].Equal.Slots), "slots", "insns/packet", "predicates", "installs/s")
	for _, m := range modes {
		row := []string{m.Mode, report.Count(uint64(m.Paths)), report.Count(m.Cold)}
		for _, p := range append(m.Sizes, m.Equal) {
			row = append(row, fmt.Sprintf("%.2f", 100*p.HitRatio))
		}
		t.Add(append(row, fmt.Sprintf("%.1f", m.Slots), fmt.Sprintf("%.1f", m.Executed), fmt.Sprintf("%.1f", m.Condition), fmt.Sprintf("%.1f", m.Installs))...)
	}
	var f report.Facts
	f.Add("which", replay.Which(modes))
	s.Blocks = []report.Block{{Apart: true, Title: "Ways to make traces", Table: t}, {Apart: true, Facts: f}}
	return s
}
