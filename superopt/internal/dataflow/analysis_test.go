package dataflow

import (
	"math/rand/v2"
	"strings"
	"testing"

	"jitnic/host/hosttest/must"
	"jitnic/host/hosttest/progen"
	"jitnic/host/points"
	"jitnic/host/vm"
	"jitnic/superopt/internal/ir"
	"jitnic/superopt/internal/superopttest"
)

// 5. LD_ABS clobbers r1 to r5.
func TestDefectLoadAbsClobbers(t *testing.T) {
	p := superopttest.RowsOn(t, ir.KindSKB, nil, [5]int{0xbf, 1, 6, 0, 0}, [5]int{0xb7, 0, 2, 0, 7}, [5]int{0x28, 0, 0, 0, 12}, [5]int{0xbf, 2, 0, 0, 0}, [5]int{0x95, 0, 0, 0, 0})
	a := Analyse(p)
	if len(a.Problems) == 0 || !strings.Contains(a.Problems[0].What, "r2 is not readable") {
		t.Fatalf("problems %q: reading r2 after LD_ABS must be one", a.Problems)
	}
	q := superopttest.RowsOn(t, ir.KindSKB, nil, [5]int{0xbf, 1, 6, 0, 0}, [5]int{0xb7, 0, 7, 0, 7}, [5]int{0x28, 0, 0, 0, 12}, [5]int{0xbf, 7, 0, 0, 0}, [5]int{0x95, 0, 0, 0, 0})
	if a := Analyse(q); len(a.Problems) != 0 {
		t.Fatalf("r7 outlives LD_ABS: %q", a.Problems)
	}
}

// A register that may hold a pointer takes no bitwise operator, even one whose
// result is 0 whatever it holds.
func TestNoBitsOfWhatMayBeAPointer(t *testing.T) {
	a := Analyse(superopttest.RowsOn(t, ir.KindXDP, nil, [5]int{0x61, 1, 2, 0, 0}, [5]int{0x57, 0, 2, 0, 0}, [5]int{0xbf, 2, 0, 0, 0}, [5]int{0x95, 0, 0, 0, 0}))
	if len(a.Problems) != 1 {
		t.Errorf("problems %q", a.Problems)
	}
	p := superopttest.RowsOn(t, ir.KindXDP, nil, [5]int{0x79, 1, 2, 0, 0}, [5]int{0x57, 0, 2, 0, 0}, [5]int{0xb7, 0, 0, 0, 0}, [5]int{0x95, 0, 0, 0, 0})
	p.Sub = true // r1 is anything
	if a := Analyse(p); len(a.Problems) != 1 {
		t.Errorf("problems %q", a.Problems)
	}
}

// A function that is only called knows what its callers hand it.
func TestCalleeFacts(t *testing.T) {
	p := superopttest.RowsOn(t, ir.KindXDP, nil,
		[5]int{0x85, 1, 0, 0, 1}, // call +1
		[5]int{0x95, 0, 0, 0, 0}, // exit
		[5]int{0x61, 1, 2, 0, 0}, // r2 = data
		[5]int{0xb7, 0, 0, 0, 1}, // r0 = 1
		[5]int{0x95, 0, 0, 0, 0}) // exit
	if len(p.Entry) != 2 {
		t.Fatalf("entries %v", p.Entry)
	}
	a := Analyse(p)
	if k := a.In[2].R[1].Kind; k != points.Ctx {
		t.Errorf("r1 of the callee is %s", k)
	}
	if k := a.In[3].R[2].Kind; k != points.Packet {
		t.Errorf("r2 of the callee is %s", k)
	}
}

// What is known of an ALU instruction's result holds of what the interpreter
// makes of it.
func TestALUFacts(t *testing.T) {
	superopttest.ALUSteps(1, 200, func(s superopttest.Drawn) {
		in, regs := s.Inst, s.Regs
		want := vm.ALU(in.Insn, regs[1], vm.Operand(in.Insn, regs[2]))
		p := &ir.Prog{Insts: []ir.Inst{in}, Entry: []int32{0}}
		f := points.Facts{Reached: true}
		f.R[1], f.R[2] = points.Top(), points.Top()
		if s.K%3 == 0 {
			f.R[1] = points.Constant(regs[1])
		}
		if s.K%3 == 1 {
			f.R[2] = points.Constant(regs[2])
		}
		Step(p, 0, &f, nil)
		if v := f.R[1]; v.Kind != points.Scalar || want&^v.Unknown != v.Known || want < v.Min || want > v.Max {
			t.Fatalf("%s on %#x, %#x gives %#x, analysis says %+v", in.String(), regs[1], regs[2], want, v)
		}
	})
}

// What is known behind a conditional jump holds of the values that went there.
func TestJumpFacts(t *testing.T) {
	superopttest.JumpSteps(2, 300, func(s superopttest.Drawn) {
		in, regs := s.Inst, s.Regs
		want := vm.Taken(in.Insn, regs[1], vm.Operand(in.Insn, regs[2]))
		f := points.Facts{Reached: true}
		f.R[1], f.R[2] = points.Top(), points.Top()
		if s.K%2 == 0 {
			f.R[2] = points.Constant(regs[2])
		}
		if s.K%5 == 0 {
			f.R[1] = points.Constant(regs[1])
		}
		points.Branch(in.Insn, &f, want)
		for r := 1; r <= 2; r++ {
			v := f.R[r]
			if !f.Reached || regs[r]&^v.Unknown != v.Known || regs[r] < v.Min || regs[r] > v.Max {
				t.Fatalf("%s (%#02x) taken %t on %#x, %#x: analysis says ok %t %+v", in.String(), in.Op, want, regs[1], regs[2], f.Reached, v)
			}
		}
	})
}

// What the recheck of a rewritten run finds is what the analysis of the whole
// program finds.
func TestRecheckAgreesWithAnalysis(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	quick, safe, unsafe := 0, 0, 0
	for seed := uint64(1); seed <= 40; seed++ {
		c := progen.Generate(seed, progen.Options{V4: seed%2 == 0, NoLoops: seed%3 != 0})
		p := must.Get(ir.FromSlots("random", ir.KindXDP, c.Entry.Insns, c.Object.Maps))(t)
		p.Compact()
		a := Analyse(p)
		a.Liveness()
		bad := map[string]bool{}
		for _, x := range a.Problems {
			bad[x.What] = true
		}
		fresh := func(list []Problem) (n int) {
			for _, x := range list {
				if !bad[x.What] {
					n++
				}
			}
			return n
		}
		for range 60 {
			q := p.Clone()
			i := rng.IntN(len(q.Insts))
			if q.Insts[i].Jumps() || q.Insts[i].Ends() {
				continue
			}
			switch rng.IntN(3) {
			case 0:
				q.Insts[i] = ir.Empty()
			case 1:
				q.Insts[i].Dst = uint8(rng.IntN(10))
			case 2:
				q.Insts[i].Src = uint8(rng.IntN(11))
			}
			got, ok := a.ProblemsOf(q, 0, len(q.Insts))
			if !ok {
				continue
			}
			quick++
			want := Analyse(q).Problems
			if (fresh(got) > 0) != (fresh(want) > 0) {
				t.Fatalf("seed %d insn %d: recheck %q, analysis %q\n%s->\n%s", seed, i, got, want, p, q)
			}
			if fresh(want) > 0 {
				unsafe++
			} else {
				safe++
			}
		}
	}
	if quick < 200 || safe < 50 || unsafe < 50 {
		t.Errorf("%d rechecked, %d safe, %d not", quick, safe, unsafe)
	}
	t.Logf("%d rechecked, %d safe, %d not", quick, safe, unsafe)
}
