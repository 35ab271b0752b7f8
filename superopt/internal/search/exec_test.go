package search

import (
	"testing"

	"jitnic/host/vm"
	"jitnic/superopt/internal/ir"
	"jitnic/superopt/internal/superopttest"
)

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
