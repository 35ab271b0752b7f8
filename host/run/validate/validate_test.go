package validate

import (
	"testing"

	"jitnic/host/hosttest/must"
)

// The model is held to every figure: within the tolerance, or a cited fact says
// why not.
func TestPublished(t *testing.T) {
	tables := must.Get(Run(t.Context()))(t)
	rates, rows := 0, 0
	for _, tb := range tables {
		t.Logf("%s: %d of %d parameters assumed, mean error %.1f %%", tb.Profile, tb.Assumed, tb.Params, 100*tb.Mean)
		for _, r := range tb.Rows {
			left := ""
			if r.LeftOut != nil {
				left = " left out"
			}
			t.Logf("%-10s %-16s %-24s %5.1f %s: %6.2f %+5.1f %%%s %s", r.Profile, r.Program, r.Variant, r.Value, r.Kind, r.Model, 100*r.Error, left, r.Verdict)
			if r.LeftOut != nil {
				t.Logf("   left out %+5.1f %%", 100**r.LeftOut)
			}
			if r.Verdict == Beyond {
				t.Errorf("%s: %s: %v %s published, the model gives %.2f", r.Profile, r.Program, r.Value, r.Kind, r.Model)
			}
			if tb.Profile == "hxdp" && r.Verdict == Within {
				if r.Kind == "Mpps" {
					rates++
				} else {
					rows++
				}
			}
		}
	}
	if rates < 5 || rows < 10 {
		t.Errorf("%d rates and %d rows of hxdp are within the tolerance: 5 and 10 were", rates, rows)
	}
}
