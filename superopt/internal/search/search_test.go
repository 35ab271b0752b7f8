package search

import (
	"math/rand/v2"
	"slices"
	"testing"

	"jitnic/superopt/internal/ir"
	"jitnic/superopt/internal/proof"
	"jitnic/superopt/internal/rewrite/rewritetest"
	"jitnic/superopt/internal/superopttest"
)

// Every move, undone, leaves the code as it was.
func TestMovesUndo(t *testing.T) {
	o := rewritetest.Open(t, superopttest.BytesIntoWord(t))
	w := newWindow(o, 0, 7)
	if w == nil {
		t.Fatal("no window")
	}
	for _, m := range moves {
		rng := rand.New(rand.NewPCG(1, 2))
		c := &candidate{w: w}
		c.load(w.code)
		changed := 0
		for i := 0; i < 10000; i++ {
			before := append([]ir.Inst(nil), c.code...)
			ch := m.apply(c, rng)
			if ch.n > 0 {
				changed++
			}
			c.undo(&ch)
			for k := range before {
				if before[k] != c.code[k] {
					t.Fatalf("%s: step %d: place %d not restored", m.name, i, k)
				}
			}
			if i%3 == 0 { // walk on
				m.apply(c, rng)
			}
			anew := &candidate{}
			if anew.load(c.code); anew.hash != c.hash {
				t.Fatalf("%s: step %d: the hash kept is not that of the code", m.name, i)
			}
		}
		if changed == 0 {
			t.Errorf("%s never changed anything", m.name)
		}
	}
}

// A greater budget of Budgets begins with the stages of each smaller one.
func TestStages(t *testing.T) {
	var last []int
	for _, b := range append(Budgets[:], 1<<21) {
		parts, sum := stages(b), 0
		for _, x := range parts {
			sum += x
		}
		if sum != b || len(parts) != len(last)+1 || !slices.Equal(parts[:len(last)], last) {
			t.Errorf("%d: stages %v, behind %v", b, parts, last)
		}
		last = parts
	}
	if !slices.Equal(stages(5000), []int{2000, 3000}) || DefaultBudget != Budgets[2] {
		t.Errorf("stages of 5000: %v; default %d", stages(5000), DefaultBudget)
	}
}

func TestSearchAllocatesNothing(t *testing.T) {
	o := rewritetest.Open(t, superopttest.BytesIntoWord(t))
	w := newWindow(o, 0, 7)
	c := &candidate{w: w}
	c.load(w.code)
	rng := rand.New(rand.NewPCG(1, 2))
	if n := testing.AllocsPerRun(1000, func() {
		for _, m := range moves {
			ch := m.apply(c, rng)
			w.x.score(c.code, w.tests[0], w, errPop)
			c.undo(&ch)
		}
	}); n != 0 {
		t.Fatalf("%v allocations for a proposal", n)
	}
}

// BenchmarkProposals: proposals on one core where the tests decide.
func BenchmarkProposals(b *testing.B) {
	o := rewritetest.Open(b, superopttest.BytesIntoWord(b))
	w := newWindow(o, 0, 7)
	pr := proof.NewProver(1)
	defer pr.Close()
	b.ResetTimer()
	chain(o, w, func() *proof.Prover { return pr }, 1, &paramSets[0], b.N, nil)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "proposals/s")
}
