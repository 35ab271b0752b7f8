package proof

import (
	"testing"

	"jitnic/host/ebpf"
	"jitnic/host/hosttest/must"
	"jitnic/host/vm"
	"jitnic/pathcond/bv"
	"jitnic/superopt/internal/ir"
	"jitnic/superopt/internal/superopttest"
)

type regsEnv [11]uint64

func (e *regsEnv) Input(id uint64) uint64 {
	if id >= inReg && id < inReg+11 {
		return e[id-inReg]
	}
	return 0
}
func (e *regsEnv) Apply(uint64, []uint64) uint64 { return 0 }

// Every ALU instruction means the same to the proof and to the interpreter.
func TestALUTerms(t *testing.T) {
	superopttest.ALUSteps(1, 200, func(s superopttest.Drawn) {
		in, env := s.Inst, regsEnv(s.Regs)
		want := vm.ALU(in.Insn, env[1], vm.Operand(in.Insn, env[2]))
		m := NewMachine(&ir.Prog{}, AllAccel())
		x, y := m.B.Input(inReg+1, 64, bv.Fact{}), m.B.Input(inReg+2, 64, bv.Fact{})
		if in.Op&ebpf.SrcX == 0 {
			y = m.B.Const(uint64(int64(in.Imm)), 64)
		}
		term, err := m.ALUTerm(&in, x, y)
		if err != nil {
			t.Fatalf("%s: %v", in.String(), err)
		}
		if got := bv.NewEvaluator(m.B, &env).Eval(term); got != want {
			t.Fatalf("%s (%#02x off %d imm %d) on %#x, %#x: proof says %#x, interpreter %#x", in.String(), in.Op, in.Off, in.Imm, env[1], env[2], got, want)
		}
	})
}

// Every conditional jump likewise.
func TestJumpTerms(t *testing.T) {
	superopttest.JumpSteps(2, 300, func(s superopttest.Drawn) {
		in, env := s.Inst, regsEnv(s.Regs)
		want := vm.Taken(in.Insn, env[1], vm.Operand(in.Insn, env[2]))
		m := NewMachine(&ir.Prog{}, AllAccel())
		st := &State{}
		st.R[1], st.R[2] = m.B.Input(inReg+1, 64, bv.Fact{}), m.B.Input(inReg+2, 64, bv.Fact{})
		c := must.Get(m.cond(&in, st))(t)
		if got := bv.NewEvaluator(m.B, &env).Eval(c) == 1; got != want {
			t.Fatalf("%s (%#02x) on %#x, %#x: proof says %t, interpreter %t", in.String(), in.Op, env[1], env[2], got, want)
		}
	})
}

// Half of a word that was stored whole is what a narrow copy of it would be, term
// for term: of bytes that lay side by side, and of anything else.
func TestLowOfWord(t *testing.T) {
	m := NewMachine(&ir.Prog{}, AllAccel())
	b := m.B
	bytes := func(n int) bv.Term { return m.packet(18, n) }
	x := b.Input(inReg+1, 64, bv.Fact{})
	for n := 1; n <= 8; n *= 2 {
		if got := m.low(bytes(8), n); got != bytes(n) {
			t.Errorf("%d bytes of 8: %s, want %s", n, b.String(got), b.String(bytes(n)))
		}
		if got, want := m.low(x, n), b.Extract(x, 0, 8*n); got != want {
			t.Errorf("%d bytes of a register: %s, want %s", n, b.String(got), b.String(want))
		}
	}
}
