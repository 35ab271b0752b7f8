package search

import (
	"math/rand/v2"
	"slices"
	"testing"

	"jitnic/host/ebpf"
	"jitnic/superopt/internal/ir"
	"jitnic/superopt/internal/proof"
	"jitnic/superopt/internal/rewrite"
	"jitnic/superopt/internal/rewrite/rewritetest"
	"jitnic/superopt/internal/superopttest"
)

// Of all pairs of instructions the enumeration asks about those that pass every test,
// in order, as trying each would: on windows of registers and of stores drawn at random.
func TestPairsAsEach(t *testing.T) {
	found, windows := 0, 0
	for seed := range uint64(60) {
		rng := rand.New(rand.NewPCG(seed, 5))
		o := drawn(t, rng)
		w := newWindow(o, 4, 8)
		if w == nil {
			continue
		}
		windows++
		passes := func(code []ir.Inst) bool {
			return !slices.ContainsFunc(w.tests, func(x *test) bool { return w.x.score(code, x, w, errPop) != 0 })
		}
		y := newSynthesis(o, w)
		var got, want [][2]ir.Inst
		y.taken = func() bool {
			rng.Shuffle(len(w.tests), func(i, j int) { w.tests[i], w.tests[j] = w.tests[j], w.tests[i] })
			if passes(y.code) {
				got = append(got, [2]ir.Inst(y.code[:2]))
			}
			return false
		}
		y.pairs()
		code := slices.Clone(y.code)
		for _, code[0] = range y.all {
			for _, code[1] = range y.all {
				if y.fast(code) < y.base && passes(code) {
					want = append(want, [2]ir.Inst(code[:2]))
				}
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("seed %d: %d pairs asked about, %d pass", seed, len(got), len(want))
		}
		found += len(want)
	}
	if windows < 30 || found < 100 {
		t.Errorf("%d windows, %d pairs: too few to show anything", windows, found)
	}
}

// drawn is a program with a window of four instructions from the fourth on, drawn at
// random, whose results are read.
func drawn(t *testing.T, rng *rand.Rand) *rewrite.Gate {
	insns := []ebpf.Insn{
		{Op: ebpf.ClassALU64 | ebpf.ALUMov, Dst: 0, Imm: 7},
		{Op: ebpf.ClassALU64 | ebpf.ALUMov | ebpf.SrcX, Dst: 2, Src: 1},
		{Op: ebpf.ClassALU64 | ebpf.ALUMov | ebpf.SrcX, Dst: 3, Src: 1},
		{Op: ebpf.ClassSTX | ebpf.ModeMEM | ir.SizeOp(8), Dst: 10, Src: 3, Off: -8},
	}
	for range 4 {
		switch d := uint8(rng.IntN(2)) * 2; rng.IntN(4) {
		case 0:
			insns = append(insns, ebpf.Insn{Op: ebpf.ClassSTX | ebpf.ModeMEM | ir.SizeOp(1<<rng.IntN(4)), Dst: 10, Src: d, Off: -8})
		case 1:
			insns = append(insns, ebpf.Insn{Op: ebpf.ClassALU64 | []uint8{ebpf.ALUAdd, ebpf.ALUOr, ebpf.ALUXor}[rng.IntN(3)] | ebpf.SrcX, Dst: d, Src: 3 - uint8(rng.IntN(2))})
		default:
			insns = append(insns, ebpf.Insn{Op: ebpf.ClassALU64 | []uint8{ebpf.ALUAdd, ebpf.ALULsh, ebpf.ALUMov}[rng.IntN(3)], Dst: d, Imm: int32(rng.IntN(3))})
		}
	}
	insns = append(insns,
		ebpf.Insn{Op: ebpf.ClassLDX | ebpf.ModeMEM | ir.SizeOp(8), Dst: 3, Src: 10, Off: -8},
		ebpf.Insn{Op: ebpf.ClassALU64 | ebpf.ALUXor | ebpf.SrcX, Dst: 0, Src: 3},
		ebpf.Insn{Op: ebpf.ClassALU64 | ebpf.ALUXor | ebpf.SrcX, Dst: 0, Src: 2},
		ebpf.Insn{Op: ebpf.OpExit})
	rows := make([][5]int, len(insns))
	for i, in := range insns {
		rows[i] = [5]int{int(in.Op), int(in.Src), int(in.Dst), int(in.Off), int(in.Imm)}
	}
	return rewritetest.Open(t, superopttest.Rows(t, ir.KindConst, rows...))
}

// What the search leaves out it would have found nothing in: of windows that enumeration
// went through, and of those whose tests want as many writes as they have.
func TestLeftOut(t *testing.T) {
	var exhausted, hopeless int
	for seed := range uint64(60) {
		o := drawn(t, rand.New(rand.NewPCG(seed, 6)))
		for s := 4; s < 8; s++ {
			for e := s + 2; e <= 8; e++ {
				w := newWindow(o, s, e)
				if w == nil {
					continue
				}
				h, x := w.hopeless(o), false
				if !h {
					y := newSynthesis(o, w)
					if y.run() {
						break // another program now
					}
					x = y.exhausted()
				}
				if !h && !x {
					continue
				}
				for k := range paramSets[:2] {
					if r := chain(o, newWindow(o, s, e), func() *proof.Prover { return o.Prover }, seed, &paramSets[k], 3000, nil); r.code != nil {
						t.Fatalf("seed %d: [%d,%d) was left out (hopeless: %v), and the search finds %v", seed, s, e, h, r.code)
					}
				}
				if h {
					hopeless++
				} else {
					exhausted++
				}
			}
		}
	}
	if exhausted < 20 || hopeless < 20 {
		t.Errorf("%d exhausted, %d hopeless: too few to show anything", exhausted, hopeless)
	}
}
