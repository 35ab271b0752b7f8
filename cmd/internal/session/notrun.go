package session

import (
	"jitnic/cmd/internal/report"
	"jitnic/nic/workload"
)

// mostCauses is how many causes a report in text names.
const mostCauses = 5

// Causes says why packets could not be run, a line each; none where all were.
func Causes(n *workload.NotRun) (f report.Facts) {
	if n == nil {
		return nil
	}
	for _, c := range n.Causes[:min(mostCauses, len(n.Causes))] {
		f.Add("  cause", report.Count(c.Packets), "", c.Cause)
	}
	if k := len(n.Causes) - mostCauses; k > 0 {
		f.Addf("  cause", "%d more", k)
	}
	return f
}

// NotRun says of how many of all packets the report is no result, and why; none
// where all were run.
func NotRun(n *workload.NotRun, all uint64) (f report.Facts) {
	if n == nil {
		return nil
	}
	f.Add("not run", report.Count(n.Packets), report.Share(n.Packets, all), "could not be run: this is no result for them")
	return append(f, Causes(n)...)
}
