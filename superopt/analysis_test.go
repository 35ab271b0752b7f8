package superopt

import (
	"math/rand/v2"
	"strings"
	"testing"

	"jitnic/host/ebpf"
	"jitnic/host/progen"
	"jitnic/host/vm"
)

// 5. LD_ABS clobbers r1 to r5.
func TestDefectLoadAbsClobbers(t *testing.T) {
	p := RowsOn(t, KindSKB, nil, [5]int{0xbf, 1, 6, 0, 0}, [5]int{0xb7, 0, 2, 0, 7}, [5]int{0x28, 0, 0, 0, 12}, [5]int{0xbf, 2, 0, 0, 0}, [5]int{0x95, 0, 0, 0, 0})
	a := analyse(p)
	if len(a.problems) == 0 || !strings.Contains(a.problems[0], "r2 is not readable") {
		t.Fatalf("problems %q: reading r2 after LD_ABS must be one", a.problems)
	}
	q := RowsOn(t, KindSKB, nil, [5]int{0xbf, 1, 6, 0, 0}, [5]int{0xb7, 0, 7, 0, 7}, [5]int{0x28, 0, 0, 0, 12}, [5]int{0xbf, 7, 0, 0, 0}, [5]int{0x95, 0, 0, 0, 0})
	if a := analyse(q); len(a.problems) != 0 {
		t.Fatalf("r7 outlives LD_ABS: %q", a.problems)
	}
}

// A register that may hold a pointer takes no bitwise operator, even one whose
// result is 0 whatever it holds.
func TestNoBitsOfWhatMayBeAPointer(t *testing.T) {
	a := analyse(RowsOn(t, KindXDP, nil, [5]int{0x61, 1, 2, 0, 0}, [5]int{0x57, 0, 2, 0, 0}, [5]int{0xbf, 2, 0, 0, 0}, [5]int{0x95, 0, 0, 0, 0}))
	if len(a.problems) != 1 {
		t.Errorf("problems %q", a.problems)
	}
	p := RowsOn(t, KindXDP, nil, [5]int{0x79, 1, 2, 0, 0}, [5]int{0x57, 0, 2, 0, 0}, [5]int{0xb7, 0, 0, 0, 0}, [5]int{0x95, 0, 0, 0, 0})
	p.Sub = true // r1 is anything
	if a := analyse(p); len(a.problems) != 1 {
		t.Errorf("problems %q", a.problems)
	}
}

// A function that is only called knows what its callers hand it.
func TestCalleeFacts(t *testing.T) {
	p := RowsOn(t, KindXDP, nil,
		[5]int{0x85, 1, 0, 0, 1}, // call +1
		[5]int{0x95, 0, 0, 0, 0}, // exit
		[5]int{0x61, 1, 2, 0, 0}, // r2 = data
		[5]int{0xb7, 0, 0, 0, 1}, // r0 = 1
		[5]int{0x95, 0, 0, 0, 0}) // exit
	if len(p.Entry) != 2 {
		t.Fatalf("entries %v", p.Entry)
	}
	a := analyse(p)
	if k := a.in[2].r[1].kind; k != kCtx {
		t.Errorf("r1 of the callee is %s", kindNames[k])
	}
	if k := a.in[3].r[2].kind; k != kPkt {
		t.Errorf("r2 of the callee is %s", kindNames[k])
	}
}

// What is known of an ALU instruction's result holds of what the interpreter
// makes of it.
func TestALUFacts(t *testing.T) {
	ALUSteps(1, 200, func(s Drawn) {
		in, regs := s.Inst, s.Regs
		want := vm.ALU(in.Insn, regs[1], vm.Operand(in.Insn, regs[2]))
		p := &Prog{Insts: []Inst{in}, Entry: []int32{0}}
		f := facts{ok: true}
		f.r[1], f.r[2] = top(), top()
		if s.K%3 == 0 {
			f.r[1] = constant(regs[1])
		}
		if s.K%3 == 1 {
			f.r[2] = constant(regs[2])
		}
		p.step(0, &f, nil)
		if v := f.r[1]; v.kind != kScalar || want&^v.unknown != v.known || want < v.min || want > v.max {
			t.Fatalf("%s on %#x, %#x gives %#x, analysis says %+v", in.String(), regs[1], regs[2], want, v)
		}
	})
}

// What is known behind a conditional jump holds of the values that went there.
func TestJumpFacts(t *testing.T) {
	JumpSteps(2, 300, func(s Drawn) {
		in, regs := s.Inst, s.Regs
		want := vm.Taken(in.Insn, regs[1], vm.Operand(in.Insn, regs[2]))
		f := facts{ok: true}
		f.r[1], f.r[2] = top(), top()
		if s.K%2 == 0 {
			f.r[2] = constant(regs[2])
		}
		if s.K%5 == 0 {
			f.r[1] = constant(regs[1])
		}
		branch(&in, &f, want)
		for r := 1; r <= 2; r++ {
			v := f.r[r]
			if !f.ok || regs[r]&^v.unknown != v.known || regs[r] < v.min || regs[r] > v.max {
				t.Fatalf("%s (%#02x) taken %t on %#x, %#x: analysis says ok %t %+v", in.String(), in.Op, want, regs[1], regs[2], f.ok, v)
			}
		}
	})
}

// Joined and folded facts hold for every value they came from.
func TestFactsSound(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 1))
	ops := []uint8{ebpf.ALUAdd, ebpf.ALUSub, ebpf.ALUMul, ebpf.ALUAnd, ebpf.ALUOr, ebpf.ALUXor, ebpf.ALULsh, ebpf.ALURsh, ebpf.ALUArsh, ebpf.ALUMov, ebpf.ALUDiv, ebpf.ALUMod}
	holds := func(v val, x uint64) bool {
		return v.kind == kScalar && x&^v.unknown == v.known && x >= v.min && x <= v.max
	}
	for k := 0; k < 200000; k++ {
		var xs [3]uint64
		v := val{}
		for i := range xs {
			xs[i] = Operand(rng)
			if k%3 == 0 {
				xs[i] &= 0xff
			}
			if i == 0 {
				v = constant(xs[i])
			} else {
				v = join(v, constant(xs[i]))
			}
		}
		y := Operand(rng)
		w := 64
		if k&1 == 1 {
			w = 32
		}
		mask := ^uint64(0) >> (64 - w)
		op := ops[rng.IntN(len(ops))]
		res := bin(op, v, constant(y), w)
		for _, x := range xs {
			if !holds(v, x) {
				t.Fatalf("join of %#x lost %#x: %+v", xs, x, v)
			}
			want, ok := foldALU(op, x&mask, y&mask, w)
			if ok && !holds(res, want) {
				t.Fatalf("op %#02x width %d: %#x, %#x gives %#x, facts %+v of %+v", op, w, x, y, want, res, v)
			}
		}
	}
}

// What the recheck of a rewritten run finds is what the analysis of the whole
// program finds.
func TestRecheckAgreesWithAnalysis(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	quick, safe, unsafe := 0, 0, 0
	for seed := uint64(1); seed <= 40; seed++ {
		c := progen.Generate(seed, progen.Options{V4: seed%2 == 0, NoLoops: seed%3 != 0})
		p, err := FromSlots("random", KindXDP, c.Entry.Insns, c.Object.Maps)
		if err != nil {
			t.Fatal(err)
		}
		p.Compact()
		a := analyse(p)
		a.liveness()
		bad := map[string]bool{}
		for _, x := range a.problems {
			bad[problemText(x)] = true
		}
		fresh := func(list []string) (n int) {
			for _, x := range list {
				if !bad[problemText(x)] {
					n++
				}
			}
			return n
		}
		for range 60 {
			q := p.Clone()
			i := rng.IntN(len(q.Insts))
			if q.Insts[i].jumps() || q.Insts[i].ends() {
				continue
			}
			switch rng.IntN(3) {
			case 0:
				q.Insts[i] = emptyInst()
			case 1:
				q.Insts[i].Dst = uint8(rng.IntN(10))
			case 2:
				q.Insts[i].Src = uint8(rng.IntN(11))
			}
			got, ok := a.problemsOf(q)
			if !ok {
				continue
			}
			quick++
			want := analyse(q).problems
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
