package replay

import (
	"context"
	"slices"
	"testing"
	"time"

	"jitnic/host/programs"
	"jitnic/host/run/jit"
	"jitnic/pathcond"
	"jitnic/trace"
)

// BenchmarkTier1 optimises every trace of a sample on the recorded lab traffic:
// milliseconds a trace (median, 99th percentile), and slots before and after, of
// all traces together.
func BenchmarkTier1(b *testing.B) {
	for _, s := range programs.All() {
		b.Run(s.Name, func(b *testing.B) {
			for b.Loop() {
				var took []float64
				before, after := 0, 0
				op := &Optimiser{On: true, Tier: Tier1}
				in := Input{Program: "sample:" + s.Name, Captures: []string{"sample:lab"}, Seed: 1}
				run, err := Open(b.Context(), in, Cache{Entries: 4096}, func(o *jit.Options) {
					op.Install(context.Background(), o, 1)
					f := o.Optimise
					o.Optimise = func(p *pathcond.Path, c *pathcond.Compiler) (*trace.Trace, error) {
						began := time.Now()
						t, err := f(p, c)
						took = append(took, float64(time.Since(began).Microseconds())/1000)
						if err == nil {
							before, after = before+p.Trace.Len(), after+t.Len()
						}
						return t, err
					}
				})
				if err != nil {
					b.Fatal(err)
				}
				if err := run.Follow(b.Context(), func(Several) error { return nil }); err != nil {
					b.Fatal(err)
				}
				run.Close()
				slices.Sort(took)
				b.ReportMetric(took[len(took)/2], "ms/median")
				b.ReportMetric(took[len(took)*99/100], "ms/p99")
				b.ReportMetric(float64(before), "slots/before")
				b.ReportMetric(float64(after), "slots/after")
			}
		})
	}
}
