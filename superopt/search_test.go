package superopt

import (
	"context"
	"math/rand/v2"
	"testing"

	"jitnic/host/ebpf"
)

// k2prog makes a program of (op, src, dst, off, imm) rows.
func rows(t testing.TB, kind Kind, rows ...[5]int) *Prog {
	t.Helper()
	var in []ebpf.Insn
	for _, r := range rows {
		in = append(in, ebpf.Insn{Op: uint8(r[0]), Src: uint8(r[1]), Dst: uint8(r[2]), Off: int16(r[3]), Imm: int32(r[4])})
	}
	p, err := FromSlots(t.Name(), kind, in, nil)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// bytesIntoWord is a straight window on the stack that only the search's moves
// are asked about.
func bytesIntoWord(t testing.TB) *Prog {
	return rows(t, KindConst,
		[5]int{0x7b, 1, 10, -8, 0}, [5]int{0x71, 10, 3, -8, 0}, [5]int{0x71, 10, 4, -7, 0}, [5]int{0x67, 0, 4, 0, 8}, [5]int{0x4f, 3, 4, 0, 0},
		[5]int{0xbf, 4, 0, 0, 0}, [5]int{0x57, 0, 0, 0, 65535}, [5]int{0x95, 0, 0, 0, 0})
}

func testOptimizer(t testing.TB, p *Prog) *optimizer {
	o := &optimizer{ctx: context.Background(), p: p.Clone(), cost: CountCost, opt: &Options{}, banned: map[string]bool{}, bad: map[string]bool{}, stats: &Stats{}}
	o.pr = NewProver(1)
	t.Cleanup(o.pr.Close)
	o.refresh()
	o.learnCost()
	return o
}

// Every move, undone, leaves the code as it was.
func TestMovesUndo(t *testing.T) {
	o := testOptimizer(t, bytesIntoWord(t))
	w := o.newWindow(0, 7)
	if w == nil {
		t.Fatal("no window")
	}
	for _, m := range moves {
		rng := rand.New(rand.NewPCG(1, 2))
		c := &candidate{code: append([]Inst(nil), w.code...), w: w}
		changed := 0
		for i := 0; i < 10000; i++ {
			before := append([]Inst(nil), c.code...)
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
		}
		if changed == 0 {
			t.Errorf("%s never changed anything", m.name)
		}
	}
}

func TestSearchFinds(t *testing.T) {
	needZ3(t)
	p := bytesIntoWord(t)
	r, err := Optimize(context.Background(), p, &Options{Layers: "s", Seed: 3, Proposals: 40000, Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	if r.After >= r.Before {
		t.Fatalf("%d -> %d\n%s", r.Before, r.After, r.Prog)
	}
	// the same with more workers
	s, err := Optimize(context.Background(), p, &Options{Layers: "s", Seed: 3, Proposals: 40000, Workers: 3})
	if err != nil {
		t.Fatal(err)
	}
	if r.Prog.String() != s.Prog.String() || r.Proposals != s.Proposals {
		t.Fatalf("one worker:\n%sthree:\n%s%d and %d proposals", r.Prog, s.Prog, r.Proposals, s.Proposals)
	}
}

func TestSearchAllocatesNothing(t *testing.T) {
	o := testOptimizer(t, bytesIntoWord(t))
	w := o.newWindow(0, 7)
	c := &candidate{code: append([]Inst(nil), w.code...), w: w}
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

func needZ3(t testing.TB) {
	t.Helper()
	p := NewProver(0)
	defer p.Close()
	if p.err != nil {
		t.Skipf("skipped: %v", p.err)
	}
}

// BenchmarkProposals: proposals on one core where the tests decide.
func BenchmarkProposals(b *testing.B) {
	o := testOptimizer(b, bytesIntoWord(b))
	w := o.newWindow(0, 7)
	pr := NewProver(1)
	defer pr.Close()
	b.ResetTimer()
	o.chain(w, func() *Prover { return pr }, 1, &ParamSets[0], b.N, nil)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "proposals/s")
}

// The best results: distinct, sorted, each proved by itself, the first the one
// that is found without asking for more.
func TestTop(t *testing.T) {
	needZ3(t)
	p := orByHand(t)
	one, err := Optimize(context.Background(), p, &Options{Seed: 5, Proposals: 4000})
	if err != nil {
		t.Fatal(err)
	}
	if one.Top != nil {
		t.Error("more than one without being asked")
	}
	var before string
	for _, workers := range []int{1, 3} {
		r, err := Optimize(context.Background(), p, &Options{Seed: 5, Proposals: 4000, Top: 3, Workers: workers})
		if err != nil {
			t.Fatal(err)
		}
		if len(r.Top) != 3 || r.Top[0].Prog.String() != one.Prog.String() || r.Prog.String() != one.Prog.String() {
			t.Fatalf("%d results, the first\n%swithout --top\n%s", len(r.Top), r.Top[0].Prog, one.Prog)
		}
		text := ""
		seen := map[string]bool{}
		for i, a := range r.Top {
			s := a.Prog.String()
			if seen[s] || a.Cost > r.CostBefore || a.Whole != "proved" || i > 1 && (a.Cost < r.Top[i-1].Cost || a.Cost == r.Top[i-1].Cost && s < r.Top[i-1].Prog.String()) {
				t.Errorf("result %d, cost %g, %s:\n%s", i, a.Cost, a.Whole, s)
			}
			seen[s] = true
			if v, why := verdict(t, p.Clone(), a.Prog.Clone()); why != "" || !IsProved(v) {
				t.Errorf("result %d: %+v %s", i, v, why)
			}
			text += s + "\n"
		}
		if before != "" && text != before {
			t.Errorf("1 worker:\n%s3 workers:\n%s", before, text)
		}
		before = text
	}
	t.Logf("\n%s", before)
}

// What follows a join goes into the constants that reach it, where nothing
// else reads them.
func TestJoin(t *testing.T) {
	for _, c := range []struct {
		name string
		rows [][5]int
		want int
	}{
		{"shift and move", [][5]int{{0x61, 1, 1, 0, 0}, {0xb7, 0, 4, 0, 1}, {0x25, 0, 1, 1, 65535}, {0xb7, 0, 4, 0, 0}, {0x67, 0, 4, 0, 4}, {0xbf, 4, 0, 0, 0}, {0x95, 0, 0, 0, 0}}, 5},
		{"read before", [][5]int{{0x61, 1, 1, 0, 0}, {0xb7, 0, 4, 0, 1}, {0x2d, 4, 1, 1, 0}, {0xb7, 0, 4, 0, 7}, {0x27, 0, 4, 0, 3}, {0x63, 4, 10, -4, 0}, {0xbf, 4, 0, 0, 0}, {0x95, 0, 0, 0, 0}}, 6},
		{"too wide", [][5]int{{0x61, 1, 1, 0, 0}, {0xb7, 0, 0, 0, -1}, {0x25, 0, 1, 1, 65535}, {0xb7, 0, 0, 0, 5}, {0x67, 0, 0, 0, 40}, {0x95, 0, 0, 0, 0}}, 6},
	} {
		p := rows(t, KindTracing, c.rows...)
		r, err := Optimize(context.Background(), p, &Options{Layers: "p"})
		if err != nil {
			t.Fatal(err)
		}
		if r.After > c.want || r.Whole != "proved" || c.name == "too wide" && r.After != c.want {
			t.Errorf("%s: %d -> %d, want %d, %s\n%s", c.name, r.Before, r.After, c.want, r.Whole, r.Prog)
		}
	}
}

// depth is the length of the longest chain of instructions that need one
// another's registers: a cost that is no sum over instructions. More
// instructions cost a little.
func depth(p *Prog) float64 {
	var at [11]float64
	var most float64
	for i := range p.Insts {
		in := &p.Insts[i]
		var t float64
		for r := range at {
			if reads(in)>>r&1 != 0 {
				t = max(t, at[r])
			}
		}
		if in.Op == Nop {
			continue
		}
		for r := range at {
			if defs(in)>>r&1 != 0 {
				at[r] = t + 1
			}
		}
		most = max(most, t+1)
	}
	return most + float64(p.Slots())/1024
}

// A chain of sums becomes a tree: as many instructions, fewer one after
// another. The result is the same with any number of workers.
func TestCostNoSum(t *testing.T) {
	needZ3(t)
	p := rows(t, KindTracing, [5]int{0x79, 1, 2, 0, 0}, [5]int{0x79, 1, 3, 8, 0}, [5]int{0x79, 1, 4, 16, 0}, [5]int{0x79, 1, 0, 24, 0},
		[5]int{0x0f, 2, 0, 0, 0}, [5]int{0x0f, 3, 0, 0, 0}, [5]int{0x0f, 4, 0, 0, 0}, [5]int{0x95, 0, 0, 0, 0})
	var first string
	for _, workers := range []int{1, 3} {
		r, err := Optimize(context.Background(), p, &Options{CostFunc: depth, Seed: 2, Proposals: 60000, Workers: workers})
		if err != nil {
			t.Fatal(err)
		}
		if int(r.CostBefore) != 5 || int(r.CostAfter) != 4 || r.After != r.Before || r.Whole != "proved" {
			t.Errorf("depth %g -> %g, %d -> %d instructions, %s\n%s", r.CostBefore, r.CostAfter, r.Before, r.After, r.Whole, r.Prog)
		}
		if first == "" {
			first = r.Prog.String()
		} else if r.Prog.String() != first {
			t.Errorf("1 worker:\n%s3 workers:\n%s", first, r.Prog)
		}
	}
}

// The rate is of the time in which tests decide: it and the questions' time
// together are no more than what passed on one worker.
func TestRate(t *testing.T) {
	needZ3(t)
	r, err := Optimize(context.Background(), packetSum(t), &Options{Workers: 1, Layers: "s"})
	if err != nil {
		t.Fatal(err)
	}
	if r.SearchSeconds <= 0 || r.AskingSeconds <= 0 || r.SearchSeconds+r.AskingSeconds > r.Seconds {
		t.Errorf("%g s of search, %g s of questions, %g s in all", r.SearchSeconds, r.AskingSeconds, r.Seconds)
	}
	if n := r.PerSecond * r.SearchSeconds; n < 1 || n > float64(r.Proposals)+1 {
		t.Errorf("%g proposals by rate and time, %d in all", n, r.Proposals)
	}
}
