package rewritetest

import (
	"context"
	"testing"

	"jitnic/superopt/internal/ir"
	"jitnic/superopt/internal/rewrite"
)

// Open begins on a program with the default options, as Optimize does.
func Open(t testing.TB, p *ir.Prog) *rewrite.Gate {
	t.Helper()
	o, err := rewrite.New(context.Background(), p, &rewrite.Options{Seed: 1}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(o.Prover.Close)
	return o
}
