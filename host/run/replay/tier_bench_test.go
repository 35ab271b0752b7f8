package replay

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"testing"

	"jitnic/host/hosttest"
	"jitnic/host/programs"
	"jitnic/host/run/jit"
	"jitnic/pathcond"
	"jitnic/trace"

	"golang.org/x/sys/unix"
)

// tiered is what tier 1 did to the traces of a run.
type tiered struct {
	took          []float64 // milliseconds, of each trace
	before, after int       // slots of all
	*Optimised
}

// add puts that of another run beside it.
func (t *tiered) add(o tiered) {
	if t.took = append(t.took, o.took...); t.Optimised == nil {
		t.Optimised = &Optimised{}
	}
	t.before, t.after = t.before+o.before, t.after+o.after
	t.Proved, t.Refuted, t.Unknown = t.Proved+o.Proved, t.Refuted+o.Refuted, t.Unknown+o.Unknown
}

// unknown is the share of the questions that were not decided, in percent.
func (t *tiered) unknown() float64 {
	return 100 * float64(t.Unknown) / float64(max(1, t.Proved+t.Refuted+t.Unknown))
}

// quantile of the times, the least q % of them.
func (t *tiered) quantile(q int) float64 {
	if len(t.took) == 0 {
		return 0
	}
	slices.Sort(t.took)
	return t.took[(len(t.took)-1)*q/100]
}

// busy is how long this thread was on a core, in milliseconds: others that have the
// machine don't count.
func busy() float64 {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
		panic(err) // unreachable: Linux has this clock
	}
	return float64(t.Nano()) / 1e6
}

// waysToFold are how paths become traces: JITNIC_REMEDIES names one of them.
var waysToFold = map[string]Remedies{
	"":           {},
	"merged":     {Merge: true},
	"predicated": {Merge: true, Predicate: 32},
	"segmented":  {Segments: 4},
	"all":        {Merge: true, Predicate: 32, Segments: 4},
}

// tierOf runs a sample over a capture with its traces optimised.
func tierOf(tb testing.TB, sample, capture string, op *Optimiser) (out tiered) {
	fold, ok := waysToFold[os.Getenv("JITNIC_REMEDIES")]
	if !ok {
		tb.Fatal("JITNIC_REMEDIES is none of merged, predicated, segmented and all")
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	in := Input{Program: "sample:" + sample, Captures: []string{capture}, Seed: 1}
	run, err := Open(tb.Context(), in, Cache{Policy: "infinite", Entries: 1, Remedies: fold}, func(o *jit.Options) {
		out.Optimised = op.Install(context.Background(), o, 1)
		f := o.Optimise
		o.Optimise = func(p *pathcond.Path, c *pathcond.Compiler) (*trace.Trace, error) {
			began := busy()
			t, err := f(p, c)
			out.took = append(out.took, busy()-began)
			if err == nil {
				out.before, out.after = out.before+p.Trace.Len(), out.after+t.Len()
			}
			return t, err
		}
	})
	if err != nil {
		tb.Logf("%s: %v", capture, err)
		return out
	}
	defer run.Close()
	if err := run.Follow(tb.Context(), func(Several) error { return nil }); err != nil {
		tb.Logf("%s: %v", capture, err) // of a kind that isn't read
	}
	return out
}

// BenchmarkTier1 optimises every trace of the samples on recorded traffic, the
// corpus's where it is at hand: milliseconds a trace (median, 99th percentile),
// slots before and after of all traces together, and the share of questions that
// terms and solver left open. With JITNIC_FULL=1 also which share of the slots
// that all layers save tier 1 saves: minutes. JITNIC_REMEDIES=predicated and others
// fold paths (waysToFold).
func BenchmarkTier1(b *testing.B) {
	var all tiered
	for _, s := range programs.All() {
		b.Run(s.Name, func(b *testing.B) {
			for b.Loop() {
				var sum tiered
				for _, c := range append(hosttest.Shared(b), "sample:lab") { // the zoo is one of the corpus
					sum.add(tierOf(b, s.Name, c, &Optimiser{On: true, Tier: Tier1}))
				}
				if os.Getenv("JITNIC_FULL") != "" {
					lab := tierOf(b, s.Name, "sample:lab", &Optimiser{On: true, Tier: Tier1})
					full := tierOf(b, s.Name, "sample:lab", &Optimiser{On: true, Tier: TierAll, Layers: "pr"})
					b.ReportMetric(100*float64(lab.before-lab.after)/float64(max(1, full.before-full.after)), "%/of-full")
				}
				report(b, &sum)
				all.add(sum)
			}
		})
	}
	if len(all.took) > 0 {
		fmt.Printf("all: %d traces, %d slots to %d, median %.2f ms, p99 %.1f ms, most %.1f ms, %d questions, %.2f %% unknown\n", len(all.took), all.before, all.after,
			all.quantile(50), all.quantile(99), all.quantile(100), all.Proved+all.Refuted+all.Unknown, all.unknown())
	}
}

func report(b *testing.B, t *tiered) {
	b.ReportMetric(float64(len(t.took)), "traces")
	b.ReportMetric(t.quantile(50), "ms/median")
	b.ReportMetric(t.quantile(99), "ms/p99")
	b.ReportMetric(float64(t.before), "slots/before")
	b.ReportMetric(float64(t.after), "slots/after")
	b.ReportMetric(t.unknown(), "%/unknown")
	b.ReportMetric(0, "ns/op")
}
