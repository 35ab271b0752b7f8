package format

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"jitnic/superopt"
)

func TestTmpBench(t *testing.T) {
	fs, _ := filepath.Glob("/tmp/k2b/*.insns")
	for _, p := range fs {
		if o := os.Getenv("ONLY"); o != "" && filepath.Base(p) != o+".insns" {
			continue
		}
		f, err := Read(p)
		if err != nil {
			t.Fatal(err)
		}
		g, err := f.Prog()
		if err != nil {
			t.Fatal(err)
		}
		opt := &superopt.Options{}
		if os.Getenv("V") != "" {
			opt.Log = t.Logf
		}
		r, err := superopt.Optimize(context.Background(), g, opt)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%-20s %d -> %d  %.2fs whole=%s proved %d refuted %d unknown %d terms %d tests %d z3 %d", f.Name, r.Before, r.After, r.Seconds, r.Whole, r.Proved, r.Refuted, r.Unknown, r.ByTerms, r.ByTests, r.ByZ3)
		if os.Getenv("V") != "" {
			t.Log("\n" + r.Prog.String())
		}
	}
}
