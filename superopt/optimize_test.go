package superopt

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"jitnic/host/ebpf"
	"jitnic/host/hosttest/must"
	"jitnic/superopt/internal/ir"
	"jitnic/superopt/internal/rewrite"
	"jitnic/superopt/internal/rules"
	"jitnic/superopt/internal/superopttest"
)

func TestSearchFinds(t *testing.T) {
	superopttest.NeedZ3(t)
	p := superopttest.BytesIntoWord(t)
	r := must.Get(Optimize(context.Background(), p, &rewrite.Options{Layers: "s", Seed: 3, Proposals: 40000, Workers: 1}))(t)
	if r.After >= r.Before {
		t.Fatalf("%d -> %d\n%s", r.Before, r.After, r.Prog)
	}
	// the same with more workers
	s := must.Get(Optimize(context.Background(), p, &rewrite.Options{Layers: "s", Seed: 3, Proposals: 40000, Workers: 3}))(t)
	if r.Prog.String() != s.Prog.String() || r.Proposals != s.Proposals {
		t.Fatalf("one worker:\n%sthree:\n%s%d and %d proposals", r.Prog, s.Prog, r.Proposals, s.Proposals)
	}
}

// The best results: distinct, sorted, each proved by itself, the first the one
// that is found without asking for more.
func TestTop(t *testing.T) {
	superopttest.NeedZ3(t)
	p := orByHand(t)
	one := must.Get(Optimize(context.Background(), p, &rewrite.Options{Seed: 5, Proposals: 4000}))(t)
	if one.Top != nil {
		t.Error("more than one without being asked")
	}
	var before string
	for _, workers := range []int{1, 3} {
		r := must.Get(Optimize(context.Background(), p, &rewrite.Options{Seed: 5, Proposals: 4000, Top: 3, Workers: workers}))(t)
		if len(r.Top) != 3 || r.Top[0].Prog.String() != one.Prog.String() || r.Prog.String() != one.Prog.String() {
			t.Fatalf("%d results, the first\n%swithout --top\n%s", len(r.Top), r.Top[0].Prog, one.Prog)
		}
		text := ""
		seen := map[string]bool{}
		for i, a := range r.Top {
			s := a.Prog.String()
			if seen[s] || a.Cost > r.CostBefore || !a.Whole.Proved() || i > 1 && (a.Cost < r.Top[i-1].Cost || a.Cost == r.Top[i-1].Cost && s < r.Top[i-1].Prog.String()) {
				t.Errorf("result %d, cost %g, %s:\n%s", i, a.Cost, a.Whole, s)
			}
			seen[s] = true
			if v, why, err := rewrite.Judge(t.Context(), p.Clone(), a.Prog.Clone(), nil); err != nil || why != "" || !rules.IsProved(v) {
				t.Errorf("result %d: %+v %s %v", i, v, why, err)
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
		p := superopttest.Rows(t, ir.KindTracing, c.rows...)
		r := must.Get(Optimize(context.Background(), p, &rewrite.Options{Layers: "p"}))(t)
		if r.After > c.want || !r.Whole.Proved() || c.name == "too wide" && r.After != c.want {
			t.Errorf("%s: %d -> %d, want %d, %s\n%s", c.name, r.Before, r.After, c.want, r.Whole, r.Prog)
		}
	}
}

// depth is the length of the longest chain of instructions that need one
// another's registers: a cost that is no sum over instructions. More
// instructions cost a little.
func depth(p *ir.Prog) float64 {
	var at [11]float64
	var most float64
	for i := range p.Insts {
		in := &p.Insts[i]
		var t float64
		for r := range at {
			if in.Reads()>>r&1 != 0 {
				t = max(t, at[r])
			}
		}
		if in.Op == ir.Nop {
			continue
		}
		for r := range at {
			if in.Writes()>>r&1 != 0 {
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
	superopttest.NeedZ3(t)
	p := superopttest.Rows(t, ir.KindTracing, [5]int{0x79, 1, 2, 0, 0}, [5]int{0x79, 1, 3, 8, 0}, [5]int{0x79, 1, 4, 16, 0}, [5]int{0x79, 1, 0, 24, 0},
		[5]int{0x0f, 2, 0, 0, 0}, [5]int{0x0f, 3, 0, 0, 0}, [5]int{0x0f, 4, 0, 0, 0}, [5]int{0x95, 0, 0, 0, 0})
	var first string
	for _, workers := range []int{1, 3} {
		r := must.Get(Optimize(context.Background(), p, &rewrite.Options{CostFunc: depth, Seed: 2, Proposals: 60000, Workers: workers}))(t)
		if int(r.CostBefore) != 5 || int(r.CostAfter) != 4 || r.After != r.Before || !r.Whole.Proved() {
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
	superopttest.NeedZ3(t)
	r := must.Get(Optimize(context.Background(), packetSum(t), &rewrite.Options{Workers: 1, Layers: "s"}))(t)
	if r.SearchSeconds <= 0 || r.AskingSeconds <= 0 || r.SearchSeconds+r.AskingSeconds > r.Seconds {
		t.Errorf("%g s of search, %g s of questions, %g s in all", r.SearchSeconds, r.AskingSeconds, r.Seconds)
	}
	if n := r.PerSecond * r.SearchSeconds; n < 1 || n > float64(r.Proposals)+1 {
		t.Errorf("%g proposals by rate and time, %d in all", n, r.Proposals)
	}
}

// orByHand is x|y as (x&y)+(x^y): nothing that ships knows it.
func orByHand(t *testing.T) *ir.Prog {
	return superopttest.Rows(t, ir.KindTracing, [5]int{0x79, 1, 2, 0, 0}, [5]int{0x79, 1, 1, 8, 0}, [5]int{0xbf, 1, 0, 0, 0}, [5]int{0xaf, 2, 0, 0, 0}, [5]int{0x5f, 2, 1, 0, 0},
		[5]int{0x0f, 1, 0, 0, 0}, [5]int{0x95, 0, 0, 0, 0})
}

// A second run has from the store what the first one searched for: the same
// result with fewer proposals. The file is the same for any number of workers.
func TestStoreSecondRun(t *testing.T) {
	superopttest.NeedZ3(t)
	var files []string
	for _, workers := range []int{1, 3} {
		path := filepath.Join(t.TempDir(), "store.txt")
		var res [2]*rewrite.Result
		for i := range res {
			st := must.Get(rules.OpenStore(path))(t)
			res[i] = must.Get(Optimize(context.Background(), orByHand(t), &rewrite.Options{Seed: 5, Store: st, Workers: workers, Proposals: 4000}))(t)
			must.OK(t, st.Save())
			st.Close()
		}
		a, b := res[0], res[1]
		if len(a.RulesFound) == 0 || len(b.RulesFound) != 0 || len(b.RuleHits) == 0 {
			t.Fatalf("first run: found %q; second: found %q, hits %v", a.RulesFound, b.RulesFound, b.RuleHits)
		}
		if a.After >= a.Before || b.Prog.String() != a.Prog.String() || 2*b.Proposals > a.Proposals {
			t.Errorf("%d -> %d with %d proposals, then %d with %d:\n%s%s", a.Before, a.After, a.Proposals, b.After, b.Proposals, a.Prog, b.Prog)
		}
		t.Logf("proposals: %d, then %d", a.Proposals, b.Proposals)
		text := must.Get(os.ReadFile(path))(t)
		files = append(files, string(text))
	}
	if files[0] != files[1] {
		t.Errorf("1 worker:\n%s3 workers:\n%s", files[0], files[1])
	}
}

// A value of one map or another may be read where packets are written, and
// copies of it merge; where a map is written in between they do not.
func TestSomeMap(t *testing.T) {
	superopttest.NeedZ3(t)
	two := append(superopttest.Values(), superopttest.Values()...)
	head := [][5]int{
		{0x61, 1, 7, 0, 0}, {0x61, 1, 3, 4, 0}, {0xbf, 7, 2, 0, 0}, {0x07, 0, 2, 0, 14}, {0x2d, 3, 2, 23, 0}, // bounds
		{0x62, 0, 10, -4, 0}, {0xbf, 10, 2, 0, 0}, {0x07, 0, 2, 0, -4},
		{0x18, 1, 1, 0, 0}, {0, 0, 0, 0, 0}, {0x85, 0, 0, 0, 1}, {0x55, 0, 0, 6, 0},
		{0xbf, 10, 2, 0, 0}, {0x07, 0, 2, 0, -4}, {0x18, 1, 1, 0, 1}, {0, 0, 0, 0, 0}, {0x85, 0, 0, 0, 1}, {0x15, 0, 0, 10, 0},
	}
	body := func(between ...[5]int) *ir.Prog {
		c := append(append([][5]int(nil), head...), [5]int{0x69, 0, 1, 0, 0}, [5]int{0x6b, 1, 7, 0, 0})
		if len(between) > 0 {
			c = append(c, between...)
		} else {
			c = append(c, [5]int{0xb7, 0, 4, 0, 0}, [5]int{0xbf, 4, 5, 0, 0}) // as long, and dead
		}
		c = append(c, [5]int{0x69, 0, 1, 2, 0}, [5]int{0x6b, 1, 7, 2, 0})
		for len(c) < 28 {
			c = append(c, [5]int{0xbf, 1, 4, 0, 0})
		}
		return superopttest.RowsOn(t, ir.KindXDP, two, append(c, [5]int{0xb7, 0, 0, 0, 2}, [5]int{0x95, 0, 0, 0, 0})...)
	}
	count := func(p *ir.Prog) (words int) {
		r := must.Get(Optimize(t.Context(), p, &rewrite.Options{Layers: "p"}))(t)
		for _, in := range r.Prog.Insts {
			if in.Class() == ebpf.ClassLDX && in.Size() == 4 && in.Src == 0 {
				words++
			}
		}
		t.Logf("%s\n%s", r.Whole, r.Prog)
		return words
	}
	if n := count(body()); n != 1 {
		t.Errorf("%d loads of a word, want the two halves merged", n)
	}
	if n := count(body([5]int{0x7a, 0, 0, 0, 5}, [5]int{0xbf, 1, 5, 0, 0})); n != 0 { // the value itself is written
		t.Errorf("%d loads of a word over a store to the value", n)
	}
}

// LD_ABS may leave the program, so it stays.
func TestDefectLoadAbsStays(t *testing.T) {
	q := superopttest.RowsOn(t, ir.KindSKB, nil, [5]int{0xbf, 1, 6, 0, 0}, [5]int{0xb7, 0, 7, 0, 7}, [5]int{0x28, 0, 0, 0, 12}, [5]int{0xbf, 7, 0, 0, 0}, [5]int{0x95, 0, 0, 0, 0})
	r := must.Get(Optimize(context.Background(), q, &rewrite.Options{Layers: "p"}))(t)
	if n := strings.Count(r.Prog.String(), "skb[12]"); n != 1 {
		t.Fatalf("the load is gone:\n%s", r.Prog)
	}
}

// What costs the same either way stays as it was written, unless another
// rewrite needs the change.
func TestEqualCostStays(t *testing.T) {
	superopttest.NeedZ3(t)
	p := superopttest.Rows(t, ir.KindTracing,
		[5]int{0xb4, 0, 6, 0, 1}, // w6 = 1
		[5]int{0x61, 1, 2, 8, 0}, // r2 = *(u32 *)(r1 +8)
		[5]int{0x15, 0, 2, 1, 7}, // if r2 == 7 goto +1
		[5]int{0xb4, 0, 6, 0, 2}, // w6 = 2
		[5]int{0xbc, 6, 0, 0, 0}, // w0 = w6
		[5]int{0x67, 0, 0, 0, 0}, // r0 <<= 0: this one goes
		[5]int{0x95, 0, 0, 0, 0})
	r := must.Get(Optimize(context.Background(), p, &rewrite.Options{Layers: "pr", Seed: 1}))(t)
	if r.After >= r.Before || !r.Whole.Proved() {
		t.Fatalf("%d -> %d, %s", r.Before, r.After, r.Whole)
	}
	was := map[int32]ebpf.Insn{}
	for _, in := range p.Insts {
		was[in.Slot] = in.Insn
	}
	for _, in := range r.Prog.Insts {
		if in.Op == 0xb7 && was[in.Slot].Op == 0xb4 && was[in.Slot].Imm == in.Imm {
			t.Errorf("slot %d became 64 bits wide for nothing:\n%s", in.Slot, r.Prog)
		}
	}
}

// The balanced cost takes no program that the table prices above the original,
// where the count takes one for a slot.
func TestBalanced(t *testing.T) {
	superopttest.NeedZ3(t)
	p := superopttest.RowsOn(t, ir.KindXDP, superopttest.Values(),
		[5]int{0x62, 0, 10, -4, 0},                                                                                                      // *(u32 *)(r10 -4) = 0
		[5]int{0xbf, 10, 2, 0, 0}, [5]int{0x07, 0, 2, 0, -4}, [5]int{0x18, 1, 1, 0, 0}, [5]int{0, 0, 0, 0, 0}, [5]int{0x85, 0, 0, 0, 1}, // lookup
		[5]int{0x15, 0, 0, 3, 0}, // if r0 == 0 goto exit
		[5]int{0x79, 0, 1, 0, 0}, // r1 = *(u64 *)(r0 +0)
		[5]int{0x07, 0, 1, 0, 1}, // r1 += 1
		[5]int{0x7b, 1, 0, 0, 0}, // *(u64 *)(r0 +0) = r1
		[5]int{0xb7, 0, 0, 0, 2}, // r0 = 2
		[5]int{0x95, 0, 0, 0, 0})
	by := map[string]*rewrite.Result{}
	for _, cost := range []string{"count", "balanced"} {
		r := must.Get(Optimize(context.Background(), p, &rewrite.Options{Layers: "pr", Seed: 1, Cost: cost}))(t)
		by[cost] = r
	}
	if c := by["count"]; c.After >= c.Before || c.LatAfter <= c.LatBefore {
		t.Errorf("count: %d -> %d slots, %.1f -> %.1f ns: want fewer and slower", c.Before, c.After, c.LatBefore, c.LatAfter)
	}
	if b := by["balanced"]; b.LatAfter > b.LatBefore || b.After < by["count"].After || b.CostAfter != float64(b.After) {
		t.Errorf("balanced: %d -> %d slots, %.1f -> %.1f ns, cost %g", b.Before, b.After, b.LatBefore, b.LatAfter, b.CostAfter)
	}
}

// A buffer that a failing call leaves as it was: what stood there is dead where
// nobody reads it on that path, and alive where somebody does.
func TestBufferKeptOnFailure(t *testing.T) {
	superopttest.NeedZ3(t)
	for _, reads := range []bool{false, true} {
		fail := [5]int{0xb7, 0, 0, 0, 1} // r0 = 1
		if reads {
			fail = [5]int{0x79, 10, 0, -8, 0} // r0 = *(u64 *)(r10 -8)
		}
		p := superopttest.Rows(t, ir.KindXDP,
			[5]int{0x7a, 0, 10, -8, 5}, // *(u64 *)(r10 -8) = 5
			[5]int{0xb7, 0, 2, 0, 0}, [5]int{0xbf, 10, 3, 0, 0}, [5]int{0x07, 0, 3, 0, -8}, [5]int{0xb7, 0, 4, 0, 8}, [5]int{0x85, 0, 0, 0, 189},
			[5]int{0xbf, 0, 1, 0, 0},   // r1 = r0
			[5]int{0x55, 0, 1, 3, 0},   // if r1 != 0 goto fail
			[5]int{0x79, 10, 0, -8, 0}, // r0 = *(u64 *)(r10 -8)
			[5]int{0x57, 0, 0, 0, 1},   // r0 &= 1
			[5]int{0x95, 0, 0, 0, 0},
			fail, // fail:
			[5]int{0x95, 0, 0, 0, 0})
		r := must.Get(Optimize(context.Background(), p, &rewrite.Options{Layers: "pr", Seed: 1}))(t)
		stores := 0
		for _, in := range r.Prog.Insts {
			if in.IsStore() {
				stores++
			}
		}
		if (stores == 1) != reads || !r.Whole.Proved() || r.Undone > 0 {
			t.Errorf("failing path reads it: %v; %d stores left, %v, %d undone\n%s", reads, stores, r.Whole, r.Undone, r.Prog)
		}
	}
}

// A change of equal cost that no other rewrite needs is not in the result. The
// passes do make some, as others might need them: w5 = w0 of a number of 32 bits is
// r5 = r0 as well, which saves nothing here, whether or not something else is saved.
func TestEqualCostIsPutBack(t *testing.T) {
	rows := [][5]int{
		{0x61, 1, 0, 12, 0}, // r0 = ingress_ifindex
		{0xbc, 0, 5, 0, 0},  // w5 = w0
		{0x74, 0, 5, 0, 28}, // w5 >>= 28
		{0x64, 0, 0, 0, 4},  // w0 <<= 4
		{0x4c, 5, 0, 0, 0},  // w0 |= w5
		{0x95, 0, 0, 0, 0}}
	equalCost(t, superopttest.Rows(t, ir.KindXDP, rows...), "")
	equalCost(t, superopttest.Rows(t, ir.KindXDP, append([][5]int{{0xb7, 0, 7, 0, 1}}, rows...)...), "r7 = 1")
}

// equalCost optimises p, which makes a change of equal cost, and wants all but the
// instruction gone as it was.
func equalCost(t *testing.T, p *ir.Prog, gone string) {
	t.Helper()
	made := false
	r, err := Optimize(t.Context(), p, &rewrite.Options{Layers: "pr", Log: func(f string, args ...any) {
		made = made || strings.Contains(fmt.Sprintf(f, args...), "value-number [0,2) accepted")
	}})
	q := p.Clone()
	if gone != "" {
		q.Insts[0] = ir.Empty()
		q.Compact()
	}
	must.OK(t, err)
	if !made {
		t.Fatal("no change of equal cost was made: the test shows nothing")
	}
	if r.Prog.String() != q.String() {
		t.Errorf("nothing but %q is gained, but\n%sis now\n%s", gone, p, r.Prog)
	}
}
