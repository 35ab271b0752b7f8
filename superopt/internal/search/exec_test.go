package search

import (
	"testing"

	"jitnic/host/ebpf"
	"jitnic/host/vm"
	"jitnic/pathcond/bv"
	"jitnic/superopt/internal/ir"
	"jitnic/superopt/internal/proof"
	"jitnic/superopt/internal/superopttest"
)

// A select means the same to the search's executor and to the proofs.
func TestSelectExecutor(t *testing.T) {
	m := proof.NewMachine(&ir.Prog{}, proof.AllAccel())
	for cond := range uint64(3) {
		for _, in := range []ebpf.Insn{ebpf.Select(1, 2, 3), ebpf.Select(1, 3, 3), ebpf.Select(3, 2, 3), ebpf.Select(2, 2, 3)} {
			regs := [11]uint64{1: 11, 2: 22, 3: cond << 40}
			var ex executor
			if !ex.run([]ir.Inst{{Insn: in, To: -1}}, &test{in: regs}) {
				t.Fatalf("%v does not run", in)
			}
			term := func(r uint8) bv.Term { return m.B.Const(regs[r], 64) }
			want, _ := m.B.IsConst(m.Select(term(in.Dst), term(in.Src), term(in.Cond())))
			if ex.r[in.Dst] != want {
				t.Errorf("%v where the condition is %#x: executor says %d, the proof %d", in, regs[3], ex.r[in.Dst], want)
			}
		}
	}
}

// Every ALU instruction means the same to the search's executor and to the
// interpreter.
func TestALUExecutor(t *testing.T) {
	ran := 0
	superopttest.ALUSteps(1, 200, func(s superopttest.Drawn) {
		in, regs := s.Inst, s.Regs
		want := vm.ALU(in.Insn, regs[1], vm.Operand(in.Insn, regs[2]))
		var ex executor
		if !ex.run([]ir.Inst{in}, &test{in: regs}) {
			return
		}
		if ran++; ex.r[1] != want {
			t.Fatalf("%s (%#02x) on %#x, %#x: executor says %#x, interpreter %#x", in.String(), in.Op, regs[1], regs[2], ex.r[1], want)
		}
	})
	if ran < 5000 {
		t.Errorf("only %d instructions ran", ran)
	}
}
