package session

import (
	"fmt"

	"jitnic/cmd/internal/report"
	"jitnic/host/run/replay"
)

// Superopt are the lines that say what the optimiser did to the traces of a run,
// and what it failed at; none of nil.
func Superopt(o *replay.Optimised) (f report.Facts) {
	if o == nil {
		return nil
	}
	f.Addf("superopt", "%d traces, %d made shorter: %d instructions before, %d after", o.Traces, o.Shorter, o.Before, o.After)
	if text := o.Faulty(); text != "" {
		f.Add("  failed", text)
	}
	if o.Segments > 0 {
		f.Addf("  segments", "%d of the traces are segments of paths, proved with all that they leave in stack memory", o.Segments)
	}
	if o.WithSelects > 0 {
		f.Addf("  selects", "%d of the traces had some", o.WithSelects)
	}
	f.Addf("  proofs", "%d proved, %d refuted, %d unknown, %s proposals", o.Proved, o.Refuted, o.Unknown, report.Count(uint64(o.Proposals)))
	if o.NIC != "" {
		f.Addf("  cycles", "%d before, %d after, on %s", o.CyclesBefore, o.CyclesAfter, o.NIC)
	}
	f.Addf("  rules", "%d hits, %d found", o.RuleHits, o.Found)
	if o.Units > 0 {
		f.Addf("  tier 1", "%s units of counted work, before the installs", report.Count(uint64(o.Units)))
	}
	if h := o.Hot; h != nil {
		f.Addf("  tier 2", "%d traces hot after %d hits: %d instructions before, %d after; %s units", h.Traces, h.After, h.Before, h.Left, report.Count(uint64(h.Units)))
		if h.Swapped > 0 {
			f.Addf("    swapped", "%d, %d packets after they were hot in the mean", h.Swapped, h.Waited/uint64(h.Swapped))
		}
		if h.Resized > 0 {
			f.Addf("    resized", "%d entries take other slots since", h.Resized)
		}
	}
	for _, p := range o.Paid {
		if p.Traces > 0 {
			f.Addf(fmt.Sprintf("  tier %d pays", p.Tier), "after %s hits of a path in the median; %d of the %d traces it made shorter had so many: %s instructions saved, for work worth %s",
				report.Count(p.Hits), p.Paid, p.Traces, report.Count(p.Saved), report.Count(p.Worth))
		}
	}
	return f
}

// SuperoptFaults is the line of what it failed at, for reports that have no room for
// the others; none where that is nothing.
func SuperoptFaults(o *replay.Optimised) (f report.Facts) {
	if text := o.Faulty(); text != "" {
		f.Add("superopt failed", text)
	}
	return f
}
