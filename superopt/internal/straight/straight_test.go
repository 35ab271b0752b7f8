package straight

import (
	"context"
	"math/rand/v2"
	"strings"
	"testing"

	"jitnic/host/ebpf"
	"jitnic/host/hosttest/must"
	"jitnic/superopt/internal/dataflow"
	"jitnic/superopt/internal/ir"
	"jitnic/superopt/internal/proof"
	"jitnic/superopt/internal/rewrite"
	"jitnic/superopt/internal/superopttest"
)

// improve runs the walks over a trace and gives the gate with what they took.
func improve(t *testing.T, p *ir.Prog) *rewrite.Gate {
	t.Helper()
	p.Trace = true
	o := must.Get(rewrite.New(context.Background(), p, &rewrite.Options{Seed: 1, Tier: 1, RLimit: 20_000}, nil))(t)
	t.Cleanup(o.Prover.Close)
	Run(o)
	return o
}

// TestRewrites has an example for each kind of rewrite, and for each a twin in
// which it would be wrong.
func TestRewrites(t *testing.T) {
	for _, c := range []struct{ name, code, want string }{
		{"a constant goes into its store", "r2 = 5; *(u32 *)(r10 -8) = r2; r0 = *(u32 *)(r10 -8); exit", "r0 = 5; exit"},
		{"what nobody reads goes", "r2 = *(u32 *)(r1 +0); r3 = 7; r3 += r2; r0 = 2; exit", "r0 = 2; exit"},
		{"a mask over what is masked", "r6 = *(u32 *)(r1 +0); r0 = *(u8 *)(r6 +3); r0 &= 255; exit", "r6 = *(u32 *)(r1 +0); r0 = *(u8 *)(r6 +3); exit"},
		{"a mask that cuts", "r6 = *(u32 *)(r1 +0); r0 = *(u8 *)(r6 +3); r0 &= 15; exit", ""},
		{"bits that a verdict doesn't have", "r6 = *(u32 *)(r1 +0); r0 = *(u64 *)(r6 +0); w0 = w0; exit", "r6 = *(u32 *)(r1 +0); r0 = *(u64 *)(r6 +0); exit"},
		{"an address through an older register", "r6 = *(u32 *)(r1 +0); r7 = r6; r7 += 14; r0 = *(u8 *)(r7 +1); exit", "r6 = *(u32 *)(r1 +0); r0 = *(u8 *)(r6 +15); exit"},
		{"the older register is gone", "r6 = *(u32 *)(r1 +0); r7 = r6; r7 += 14; r6 = *(u8 *)(r6 +2); r0 = *(u8 *)(r7 +1); r0 += r6; exit", ""},
		{"two additions", "r6 = *(u32 *)(r1 +0); r6 += 4; r6 += 10; r0 = *(u8 *)(r6 +0); exit", "r6 = *(u32 *)(r1 +0); r6 += 14; r0 = *(u8 *)(r6 +0); exit"},
		{"what a store leaves in memory", "*(u64 *)(r10 -8) = 0; r6 = *(u32 *)(r1 +0); r2 = *(u16 *)(r6 +0); *(u16 *)(r10 -8) = r2; r0 = *(u64 *)(r10 -8); exit",
			"r6 = *(u32 *)(r1 +0); r0 = *(u16 *)(r6 +0); exit"},
		{"a store covers another", "*(u64 *)(r10 -8) = 0; r6 = *(u32 *)(r1 +0); r2 = *(u16 *)(r6 +0); *(u16 *)(r10 -8) = r2; r3 = *(u32 *)(r6 +4); r2 = r10; r2 -= r3; r0 = *(u64 *)(r2 -8); exit",
			"r6 = *(u32 *)(r1 +0); r2 = *(u16 *)(r6 +0); *(u64 *)(r10 -8) = r2; r3 = *(u32 *)(r6 +4); r2 = r10; r2 -= r3; r0 = *(u64 *)(r2 -8); exit"},
		{"bytes that differ stay", "*(u64 *)(r10 -8) = -1; r6 = *(u32 *)(r1 +0); r2 = *(u16 *)(r6 +0); *(u16 *)(r10 -8) = r2; r3 = *(u32 *)(r6 +4); r2 = r10; r2 -= r3; r0 = *(u64 *)(r2 -8); exit", ""},
		{"a value written again", "r6 = *(u32 *)(r1 +0); *(u8 *)(r6 +0) = 1; *(u8 *)(r6 +0) = 2; r0 = 2; exit", "r6 = *(u32 *)(r1 +0); *(u8 *)(r6 +0) = 2; r0 = 2; exit"},
		{"a value read before", "r6 = *(u32 *)(r1 +0); *(u8 *)(r6 +0) = 1; r2 = *(u32 *)(r6 +4); r6 += r2; r0 = *(u8 *)(r6 +0); r2 = *(u32 *)(r1 +0); *(u8 *)(r2 +0) = 2; exit", ""},
		{"a select of what is there already", "r6 = *(u32 *)(r1 +0); r2 = *(u8 *)(r6 +0); r0 = *(u8 *)(r6 +1); r3 = r0; r0 = r3 if r2; exit", "r6 = *(u32 *)(r1 +0); r0 = *(u8 *)(r6 +1); exit"},
		{"a select of something else", "r6 = *(u32 *)(r1 +0); r2 = *(u8 *)(r6 +0); r0 = *(u8 *)(r6 +1); r3 = *(u8 *)(r6 +2); r0 = r3 if r2; exit", ""},
		{"a select whose condition is known", "r6 = *(u32 *)(r1 +0); r2 = 5; r0 = *(u8 *)(r6 +1); r3 = *(u8 *)(r6 +2); r0 = r3 if r2; exit", "r6 = *(u32 *)(r1 +0); r0 = *(u8 *)(r6 +2); exit"},
		{"one whose condition is 0", "r6 = *(u32 *)(r1 +0); r2 = 0; r0 = *(u8 *)(r6 +1); r3 = *(u8 *)(r6 +2); r0 = r3 if r2; exit", "r6 = *(u32 *)(r1 +0); r0 = *(u8 *)(r6 +1); exit"},
		{"a truth made a number", "r6 = *(u32 *)(r1 +0); r2 = *(u8 *)(r6 +0); r2 -= 4; r2 >>= 63; r0 = 0; r3 = 1; r0 = r3 if r2; exit",
			"r6 = *(u32 *)(r1 +0); r0 = *(u8 *)(r6 +0); r0 -= 4; r0 >>= 63; exit"},
		{"a number that is no truth", "r6 = *(u32 *)(r1 +0); r2 = *(u8 *)(r6 +0); r0 = 0; r3 = 1; r0 = r3 if r2; exit", ""},
		{"the condition by an older name", "r6 = *(u32 *)(r1 +0); r2 = *(u8 *)(r6 +0); r4 = r2; r0 = *(u8 *)(r6 +1); r3 = *(u8 *)(r6 +2); r0 = r3 if r4; exit",
			"r6 = *(u32 *)(r1 +0); r2 = *(u8 *)(r6 +0); r0 = *(u8 *)(r6 +1); r3 = *(u8 *)(r6 +2); r0 = r3 if r2; exit"},
		{"a store at a selected address stays", "r6 = *(u32 *)(r1 +0); r2 = *(u8 *)(r6 +0); r3 = r10; r3 += 512; r3 = r6 if r2; *(u8 *)(r3 +0) = 7; r0 = 2; exit", ""},
		{"and isn't passed by one to the same place", "r6 = *(u32 *)(r1 +0); r2 = *(u8 *)(r6 +1); *(u8 *)(r6 +0) = 1; r3 = r10; r3 += 512; r3 = r6 if r2; *(u8 *)(r3 +0) = 7; r0 = *(u8 *)(r6 +0); exit", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			code := must.Get(ebpf.Parser{}.Code(strings.ReplaceAll(c.code, "; ", "\n")))(t)
			p := must.Get(ir.FromTrace(code, nil))(t)
			was := text(p)
			o := improve(t, p)
			got := text(o.Prog)
			if c.want == "" {
				c.want = was
			}
			if got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			if r := o.Stats.Pass("straight"); r.Proposed != r.Accepted {
				t.Errorf("%d of %d proved", r.Accepted, r.Proposed)
			}
		})
	}
}

// random makes straight-line code over packet bytes and the stack, selects in it.
func random(rng *rand.Rand, n int) []ebpf.Insn {
	code := []ebpf.Insn{
		{Op: ebpf.ClassLDX | ebpf.ModeMEM | ebpf.SizeW, Dst: 6, Src: 1},
		{Op: ebpf.ClassALU64 | ebpf.ALUMov, Dst: 0, Imm: 2},
		{Op: ebpf.ClassALU64 | ebpf.ALUMov, Dst: 2, Imm: 7},
		{Op: ebpf.ClassLDX | ebpf.ModeMEM | ebpf.SizeB, Dst: 3, Src: 6, Off: 12},
		{Op: ebpf.ClassST | ebpf.ModeMEM | ebpf.SizeDW, Dst: 10, Off: -8, Imm: 1},
		{Op: ebpf.ClassST | ebpf.ModeMEM | ebpf.SizeDW, Dst: 10, Off: -16},
	}
	reg := func() uint8 { return []uint8{0, 2, 3, 4, 5}[rng.IntN(3)] }
	alus := []uint8{ebpf.ALUAdd, ebpf.ALUAnd, ebpf.ALUOr, ebpf.ALUXor, ebpf.ALUMov, ebpf.ALUSub, ebpf.ALUMul}
	sizes := []uint8{ebpf.SizeB, ebpf.SizeH, ebpf.SizeW, ebpf.SizeDW}
	for len(code) < n {
		k := rng.IntN(4)
		at := int16(-8*(1+rng.IntN(2)) + rng.IntN(8)>>k<<k)
		class := []uint8{ebpf.ClassALU, ebpf.ClassALU64}[rng.IntN(2)]
		in := ebpf.Insn{Dst: reg(), Src: reg()}
		switch rng.IntN(9) {
		case 8:
			if in = ebpf.Select(in.Dst, in.Src, reg()); in.Dst == in.Src {
				continue
			}
		case 0, 1:
			in.Op = class | alus[rng.IntN(len(alus))] | ebpf.SrcX
		case 2:
			in.Op, in.Src, in.Imm = class|alus[rng.IntN(len(alus))], 0, []int32{0, 1, 7, 255, 0xffff, -1, 4}[rng.IntN(7)]
		case 3:
			in.Op, in.Src, in.Imm = class|[]uint8{ebpf.ALULsh, ebpf.ALURsh, ebpf.ALUArsh}[rng.IntN(3)], 0, int32(rng.IntN(32))
		case 4:
			in.Op, in.Src, in.Off = ebpf.ClassLDX|ebpf.ModeMEM|sizes[rng.IntN(4)], 6, int16(12+rng.IntN(3))
		case 5:
			in.Op, in.Dst, in.Off = ebpf.ClassSTX|ebpf.ModeMEM|ebpf.SizeB, 6, int16(rng.IntN(4))
		case 6:
			in.Op, in.Dst, in.Off = ebpf.ClassSTX|ebpf.ModeMEM|sizes[k], 10, at
			if rng.IntN(2) == 0 {
				in.Op, in.Src, in.Imm = ebpf.ClassST|ebpf.ModeMEM|sizes[k], 0, int32(rng.IntN(3))
			}
		case 7:
			in.Op, in.Src, in.Off = ebpf.ClassLDX|ebpf.ModeMEM|sizes[k], 10, at
		}
		code = append(code, in)
	}
	return append(code, ebpf.Insn{Op: ebpf.OpExit})
}

// TestRandom asks of random code, by a proof of its own that knows nothing of
// lines, whether the result does the same; and that the walks' own proof is
// seldom against them.
func TestRandom(t *testing.T) {
	superopttest.NeedZ3(t)
	rng := rand.New(rand.NewPCG(5, 9))
	n, shorter, against := 300, 0, 0
	for range n {
		p := must.Get(ir.FromTrace(random(rng, 14+rng.IntN(16)), nil))(t)
		o := improve(t, p)
		if o.Prog.Slots() < p.Slots() {
			shorter++
		}
		against += o.Stats.Pass("straight").Proposed - o.Stats.Pass("straight").Accepted
		old, new := p.Clone(), o.Prog.Clone()
		for len(new.Insts) < len(old.Insts) {
			new.Insts = append(new.Insts, ir.Empty())
		}
		f := dataflow.EntryFacts(old, 0)
		prover := proof.NewProver(3)
		v := prover.Equivalent(&proof.Task{Old: old, New: new, E: len(old.Insts), Pre: &f, LoopFree: true, Out: func(int) *dataflow.Live { return &dataflow.Live{Regs: 1} }})
		prover.Close()
		if r, ok := v.(proof.Refuted); ok {
			t.Fatalf("%+v\n%s->\n%s", r, p, o.Prog)
		}
	}
	t.Logf("%d of %d shorter, %d proofs against a walk", shorter, n, against)
	if shorter < n/2 || against > n/20 {
		t.Errorf("%d of %d shorter, %d proofs against a walk", shorter, n, against)
	}
}

func text(p *ir.Prog) string {
	var out []string
	for i := range p.Insts {
		out = append(out, p.Insts[i].String())
	}
	return strings.Join(out, "; ")
}
