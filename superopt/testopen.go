package superopt

import (
	"context"
	"testing"
)

// Open begins on a program with the default options, as Optimize does.
func Open(t testing.TB, p *Prog) *optimizer {
	t.Helper()
	o, err := newOptimizer(context.Background(), p, &Options{Seed: 1}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(o.pr.Close)
	return o
}
