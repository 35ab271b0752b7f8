package replaycmd

import (
	"context"
	"fmt"

	"jitnic/cmd/internal/report"
	"jitnic/host/run/jit"
	"jitnic/host/run/replay"
)

// Mode is one of the two ways to make traces, side by side with the other.
type Mode struct {
	Mode        string  `json:"mode"`
	Hits        uint64  `json:"hits"`
	HitRatio    float64 `json:"hit_ratio"`
	Paths       int     `json:"paths"`
	Installed   uint64  `json:"installed"`
	Evicted     uint64  `json:"evicted"`
	Invalidated uint64  `json:"invalidated"`
	Length      float64 `json:"length"`    // mean instructions of a trace, by path
	Condition   float64 `json:"condition"` // mean predicates
	Executed    float64 `json:"executed"`  // mean instructions a hit ran, by packet
}

func modeOf(r *Report, s *replay.Session) Mode {
	m := Mode{Mode: r.Mode, Hits: r.Hits, HitRatio: r.HitRatio, Paths: r.Paths, Installed: r.Traces.Installed,
		Evicted: r.Traces.Evicted, Invalidated: r.Traces.Invalidated, Length: r.Traces.Length.Optimised, Condition: r.Traces.Length.Condition}
	var n, sum float64
	for i, p := range s.Runtime.Paths() {
		if i >= len(s.Runtime.NIC.Hits) {
			break
		}
		h := float64(s.Runtime.NIC.Hits[i])
		n += h
		sum += h * float64(p.Trace.Len())
	}
	if n > 0 {
		m.Executed = sum / n
	}
	return m
}

// otherMode replays once more with the other kind of traces.
func otherMode(ctx context.Context, in replay.Input, ca replay.Cache, change func(o *jit.Options)) (Mode, error) {
	ca.Specialise = !ca.Specialise
	s, err := replay.Open(ctx, in, ca, change)
	if err != nil {
		return Mode{}, err
	}
	defer s.Close()
	if err := s.Run(ctx, nil); err != nil {
		return Mode{}, err
	}
	return modeOf(Summarise(s, &ca), s), nil
}

// modesTable is the modes side by side.
func modesTable(modes []Mode) *report.Table {
	t := &report.Table{ID: "modes", Left: 9, Open: true, Head: []string{"mode", "hit ratio", "paths", "installed", "evicted", "invalidated", "mean trace", "mean condition", "insns per hit"}}
	for _, m := range modes {
		t.Add(m.Mode, fmt.Sprintf("%.4f", m.HitRatio), report.Count(uint64(m.Paths)), report.Count(m.Installed), report.Count(m.Evicted), report.Count(m.Invalidated),
			fmt.Sprintf("%.1f", m.Length), fmt.Sprintf("%.1f", m.Condition), fmt.Sprintf("%.1f", m.Executed))
	}
	return t
}
