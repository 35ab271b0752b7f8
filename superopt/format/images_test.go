package format

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"jitnic/host/hosttest/must"
	"jitnic/superopt"
)

// TestImages optimises the .insns images of a folder, named by the environment
// variable K2_IMAGES: K2's own benchmarks where somebody has them.
func TestImages(t *testing.T) {
	fs, _ := filepath.Glob(filepath.Join(os.Getenv("K2_IMAGES"), "*.insns"))
	if os.Getenv("K2_IMAGES") == "" || len(fs) == 0 {
		t.Skip("skipped: K2_IMAGES names no folder of .insns images")
	}
	for _, p := range fs {
		if o := os.Getenv("ONLY"); o != "" && filepath.Base(p) != o+".insns" {
			continue
		}
		f := must.Get(Read(p))(t)
		g := must.Get(f.Prog())(t)
		opt := &superopt.Options{}
		if os.Getenv("V") != "" {
			opt.Log = t.Logf
		}
		r := must.Get(superopt.Optimize(context.Background(), g, opt))(t)
		t.Logf("%-20s %d -> %d  %.2fs whole=%s proved %d refuted %d unknown %d terms %d tests %d z3 %d", f.Name, r.Before, r.After, r.Seconds, r.Whole, r.Proved, r.Refuted, r.Unknown, r.ByTerms, r.ByTests, r.ByZ3)
		if os.Getenv("V") != "" {
			t.Log("\n" + r.Prog.String())
		}
	}
}
