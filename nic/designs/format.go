package designs

import (
	"fmt"
	"strings"
	"text/tabwriter"
)

// Format writes the comparison as text: a table of designs, a column each, and
// the claims.
func (c *Comparison) Format() string {
	var b strings.Builder
	budget := fmt.Sprintf("%d entries", c.Entries)
	if c.Slots > 0 {
		budget = fmt.Sprintf("%d slots", c.Slots)
	}
	fmt.Fprintf(&b, "designs: %s on %s, %d packets; nic %s, host %s; %s of %s\n\n", c.Program, c.Capture, c.Packets, c.NIC, c.Host, c.Policy, budget)
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	row := func(name string, cell func(r *Result) string) {
		fmt.Fprintf(w, "%s\t", name)
		for _, r := range c.Results {
			fmt.Fprintf(w, "%s\t", cell(r))
		}
		fmt.Fprintln(w)
	}
	share := func(v float64) string { return fmt.Sprintf("%.2f %%", 100*v) }
	count := func(v uint64) string { return fmt.Sprint(v) }
	dynamic := func(f func(r *Result) string) func(r *Result) string {
		return func(r *Result) string {
			if !r.Cached {
				return "-"
			}
			return f(r)
		}
	}
	row("", func(r *Result) string { return r.Design })
	row("wholly on the NIC", func(r *Result) string { return share(r.HitRatio) })
	row("begun there", func(r *Result) string { return share(ratio(r.Part, r.Packets)) })
	row("decided wrongly", func(r *Result) string { return share(ratio(r.Wrong, r.Packets)) })
	row("work on the NIC", func(r *Result) string { return share(r.WorkShare) })
	row("host time saved", func(r *Result) string { return share(r.HostSaved) })
	row("host ns/packet", func(r *Result) string { return fmt.Sprintf("%.1f", r.HostNS) })
	row("device cycles", func(r *Result) string { return fmt.Sprintf("%.1f", r.Cycles) })
	row("latency ns", func(r *Result) string { return fmt.Sprintf("%.1f", r.Latency) })
	row("entries asked for", func(r *Result) string { return count(r.Entries) })
	row("entries used", func(r *Result) string { return count(r.Used) })
	for i, t := range Targets {
		row(fmt.Sprintf("entries for %g %%", 100*t), func(r *Result) string { return r.Need[i].String() })
	}
	row("slots", func(r *Result) string { return count(r.Slots) })
	row("masks", func(r *Result) string {
		if r.Masks == 0 {
			return "-"
		}
		return fmt.Sprint(r.Masks)
	})
	row("installs", dynamic(func(r *Result) string { return count(r.Installs) }))
	row("installs/s", dynamic(func(r *Result) string { return fmt.Sprintf("%.1f", r.InstallRate) }))
	row("evictions", dynamic(func(r *Result) string { return count(r.Evictions) }))
	row("invalidations", dynamic(func(r *Result) string { return count(r.Invalidations) }))
	w.Flush()
	b.WriteByte('\n')
	for _, r := range c.Results {
		fmt.Fprintf(&b, "%s: %s\n", r.Design, r.Is)
	}
	fmt.Fprintf(&b, "latency is %s\n", Latency)
	for _, m := range c.Best {
		fmt.Fprintf(&b, "best %s without a wrong decision: %s (%.4g %s)\n", m.Measure, m.Design, m.Value, m.Unit)
	}
	if c.Claim != nil {
		b.WriteByte('\n')
		b.WriteString(c.Claim.Format())
	}
	return b.String()
}

// String is the number, or a dash where none suffices.
func (n Need) String() string {
	if !n.Reached {
		return "-"
	}
	return fmt.Sprint(n.Entries)
}

// Format writes the claims as text.
func (c *Claim) Format() string {
	var b strings.Builder
	fmt.Fprintf(&b, "paths: %d; a cache without bound hits %.2f %% of %d packets\n", c.Paths, 100*c.Ceiling, c.Packets)
	line := func(what string, ns []Need) {
		fmt.Fprintf(&b, "%s for", what)
		for i, n := range ns {
			if i > 0 {
				b.WriteByte(',')
			}
			fmt.Fprintf(&b, " %g %%: %v", 100*n.Target, n)
		}
		b.WriteByte('\n')
	}
	line("entries, lru,", c.LRU)
	line("entries, optimal,", c.Optimal)
	line("paths that cover", c.Covers)
	for _, v := range c.Coverage {
		fmt.Fprintf(&b, "top %d: %.2f %%\n", v.Paths, 100*v.Share)
	}
	if t := c.Thrash; t != nil {
		fmt.Fprintf(&b, "thrashing, working set of %d paths: hit ratio with %d and %d entries\n", t.Entries, t.Entries-1, t.Entries)
		w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
		fmt.Fprintf(w, "\tin turn, %d rounds\t\tthe capture\t\t\n", t.Rounds)
		for _, r := range t.Rows {
			fmt.Fprintf(w, "%s\t%.2f %%\t%.2f %%\t%.2f %%\t%.2f %%\t\n", r.Policy, 100*r.CyclicBelow, 100*r.Cyclic, 100*r.CaptureBelow, 100*r.Capture)
		}
		w.Flush()
	}
	return b.String()
}

func ratio(a, b uint64) float64 {
	if b == 0 {
		return 0
	}
	return float64(a) / float64(b)
}
