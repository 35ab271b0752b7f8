package feasibilitycmd

import (
	"fmt"

	"jitnic/cmd/internal/report"
	"jitnic/nic/feasibility"
)

// execFacts name the core.
func execFacts(s *feasibility.Study) (out report.Facts) {
	e := &s.Executors
	core := fmt.Sprintf("%s at %s MHz (exec.kind, clock)", e.Kind, digits(e.Clock))
	if e.Lanes > 1 {
		core = fmt.Sprintf("%s, %d lanes, at %s MHz (exec.kind, exec.lanes, clock)", e.Kind, e.Lanes, digits(e.Clock))
	}
	out.Add("executor", core)
	if g := s.Segments; g != nil {
		out.Addf("segments", "%d in %d tables, %s a packet in the mean: a unit runs them one after the other, waits %s for the tables behind the first (matcher.next, matcher.step, matcher.lookup) and takes %s to hold back %s bytes (exec.held), %d at most (limit.held)",
			g.Segments, g.Tables, digits(g.Each), nanos(g.Lookups), nanos(g.HeldNS), digits(g.Held), g.HeldMost)
	}
	return out
}

// execTable is what traces and the whole program take.
func execTable(s *feasibility.Study) *report.Table {
	e := &s.Executors
	t := &report.Table{ID: "executors", Title: "Executors", Left: 1,
		Head:     []string{"", "instructions", "cycles", "IPC", "one insn a cycle", "a packet: instructions", "cycles", "time", "longest, cycles"},
		PageNote: "Traces: means over paths, then over packets, without dispatch (exec.dispatch) and matching. IPC is static: instructions over cycles of the schedule; hXDP publishes 1.7 to 2.8 for whole programs on 4 lanes (OSDI'20).",
	}
	if p := e.Program; p.Bundles > 0 {
		t.Add("whole program", report.Count(uint64(p.Insns)), report.Count(uint64(p.Bundles)), digits(p.IPC), none, none, none, none, none)
	}
	row := func(name string, c *feasibility.TraceCost) {
		if c.Cycles == 0 {
			return
		}
		t.Add(name, digits(c.Insns), digits(c.Cycles), digits(c.IPC), digits(c.Scalar), digits(c.PacketInsns), digits(c.PacketCycles), nanos(c.PacketCycles*1000/max(e.Clock, 1e-9)), fmt.Sprint(c.LongestCycles))
	}
	row("traces, as recorded", &e.Raw)
	if s.Optimised {
		row("traces, superoptimized", &e.Best)
	}
	return t
}

// execLines are the executors without a table.
func execLines(s *feasibility.Study) (out report.Facts) {
	e := &s.Executors
	if p := e.Program; p.Bundles > 0 {
		out.Addf("whole program", "%d instructions in %d cycles, IPC %s", p.Insns, p.Bundles, digits(p.IPC))
	}
	line := func(name string, c *feasibility.TraceCost) {
		out.Addf(name, "%s instructions in %s cycles, IPC %s; a packet takes %s cycles", digits(c.Insns), digits(c.Cycles), digits(c.IPC), digits(c.PacketCycles))
	}
	line("traces", &e.Raw)
	if s.Optimised {
		line("superoptimized", &e.Best)
	}
	return out
}
