package rewrite

import (
	"math/rand/v2"
	"testing"

	"jitnic/host/ebpf"
	"jitnic/pathcond/bv"
	"jitnic/superopt/internal/dataflow"
	"jitnic/superopt/internal/ir"
	"jitnic/superopt/internal/proof"
	"jitnic/superopt/internal/superopttest"
)

// straight makes straight-line code over packet bytes and the stack, as traces are.
func straight(rng *rand.Rand, n int) []ir.Inst {
	code := []ir.Inst{
		{Insn: ebpf.Insn{Op: ebpf.ClassLDX | ebpf.ModeMEM | ebpf.SizeW, Dst: 6, Src: 1}},
		{Insn: ebpf.Insn{Op: ebpf.ClassALU64 | ebpf.ALUMov, Dst: 0, Imm: 2}},
		{Insn: ebpf.Insn{Op: ebpf.ClassALU64 | ebpf.ALUMov, Dst: 2, Imm: 7}},
		{Insn: ebpf.Insn{Op: ebpf.ClassLDX | ebpf.ModeMEM | ebpf.SizeB, Dst: 3, Src: 6, Off: 12}},
		{Insn: ebpf.Insn{Op: ebpf.ClassST | ebpf.ModeMEM | ebpf.SizeDW, Dst: 10, Off: -8, Imm: 1}},
	}
	for len(code) < n {
		d, s := uint8(rng.IntN(4)), uint8(rng.IntN(4))
		if d == 1 || s == 1 {
			continue
		}
		var in ebpf.Insn
		switch rng.IntN(6) {
		case 0:
			in = ebpf.Insn{Op: ebpf.ClassALU64 | []uint8{ebpf.ALUAdd, ebpf.ALUAnd, ebpf.ALUOr, ebpf.ALUXor, ebpf.ALUMov}[rng.IntN(5)] | ebpf.SrcX, Dst: d, Src: s}
		case 1:
			in = ebpf.Insn{Op: ebpf.ClassALU64 | []uint8{ebpf.ALUAdd, ebpf.ALUAnd, ebpf.ALUMov, ebpf.ALURsh}[rng.IntN(4)], Dst: d, Imm: int32(rng.IntN(9))}
		case 2:
			in = ebpf.Insn{Op: ebpf.ClassLDX | ebpf.ModeMEM | ebpf.SizeB, Dst: d, Src: 6, Off: int16(12 + rng.IntN(3))}
		case 3:
			in = ebpf.Insn{Op: ebpf.ClassSTX | ebpf.ModeMEM | ebpf.SizeB, Dst: 6, Src: s, Off: int16(rng.IntN(4))}
		case 4:
			in = ebpf.Insn{Op: ebpf.ClassSTX | ebpf.ModeMEM | ebpf.SizeDW, Dst: 10, Src: s, Off: -8}
		case 5:
			in = ebpf.Insn{Op: ebpf.ClassLDX | ebpf.ModeMEM | ebpf.SizeDW, Dst: d, Src: 10, Off: -8}
		}
		code = append(code, ir.Inst{Insn: in})
	}
	code = append(code, ir.Inst{Insn: ebpf.Insn{Op: ebpf.ClassALU64 | ebpf.ALUAnd, Dst: 0, Imm: 255}}, ir.Inst{Insn: ebpf.Insn{Op: ebpf.OpExit}})
	for i := range code {
		code[i].To, code[i].Slot = -1, int32(i)
	}
	return code
}

// ipv4 assumes the first bytes of an IPv4 header, and something that no
// rewrite depends on.
func ipv4(m *proof.Machine, st *proof.State) bv.Term {
	b := m.B
	byteAt := func(off uint64) bv.Term { return m.Initial(proof.PacketRegion, b.Const(off, 64), b.Const(0, 64)) }
	all := m.One
	for _, t := range []bv.Term{b.Bin(bv.OpEq, byteAt(12), b.Const(8, 8)), b.Bin(bv.OpEq, byteAt(13), b.Const(0, 8)),
		b.Bin(bv.OpULt, byteAt(14), b.Const(0x50, 8)), b.Bin(bv.OpULt, byteAt(40), byteAt(41))} {
		m.LearnBytes(st, t)
		all = b.AndB(all, t)
	}
	st.NoteKnown()
	return all
}

// On its trail a rewrite gets the verdict it gets when the whole trace is
// followed from the beginning under the whole condition: never proved where
// that refutes it.
func TestTrailAgreesWithWhole(t *testing.T) {
	superopttest.NeedZ3(t)
	rng := rand.New(rand.NewPCG(3, 3))
	proved, refuted := 0, 0
	for range 40 {
		p := &ir.Prog{Kind: ir.KindXDP, Entry: []int32{0}, Insts: straight(rng, 18)}
		o := open(t, p)
		o.Prog = p
		o.Assume = ipv4
		o.Known = dataflow.Analyse(p)
		o.Known.Liveness()
		o.Free = true
		for range 12 {
			q := p.Clone()
			i := 2 + rng.IntN(len(q.Insts)-4)
			if rng.IntN(2) == 0 {
				q.Insts[i] = ir.Empty()
			} else {
				q.Insts[i].Insn = straight(rng, 18)[5+rng.IntN(12)].Insn
			}
			tr := o.trailOf()
			if tr == nil {
				t.Fatal("a straight trace has no trail")
			}
			e := min(len(p.Insts), i+1+rng.IntN(6))
			v := o.Prover.Along(tr, &proof.Task{Old: p, New: q, S: i, E: e, Out: o.LiveAt, LoopFree: true}, o.Known.In, o.holds)
			w := o.Prover.Equivalent(&proof.Task{Old: p, New: q, S: 0, E: len(p.Insts), Pre: o.Known.In[0], Out: o.LiveAt, LoopFree: true, Assume: ipv4, NoSafety: true})
			_, vp := v.(proof.Proved)
			_, wp := w.(proof.Proved)
			if vp && !wp {
				t.Fatalf("insn %d: proved on the trail, but %+v of the whole\n%s->\n%s", i, w, p, q)
			}
			if vp {
				proved++
			} else {
				refuted++
			}
		}
	}
	if proved < 20 || refuted < 20 {
		t.Errorf("%d proved, %d not: too few of one", proved, refuted)
	}
	t.Logf("%d proved, %d not", proved, refuted)
}
