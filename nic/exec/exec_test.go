package exec

import (
	"math/rand/v2"
	"strings"
	"testing"

	"jitnic/host/ebpf"
	"jitnic/host/hosttest/must"
	"jitnic/host/loader"
	"jitnic/host/vm"
	"jitnic/trace"
)

// machines is a state for the executor and an interpreter on a twin.
func machines(t *testing.T, code []ebpf.Insn) (*vm.State, *vm.Interp) {
	t.Helper()
	p := &loader.Program{Name: "t", Insns: code}
	obj := &loader.Object{File: "t", Programs: []*loader.Program{p}}
	a := must.Get(vm.NewState(obj, vm.Options{}))(t)
	b := must.Get(vm.NewState(obj, vm.Options{}))(t)
	t.Cleanup(func() { a.Close(); b.Close() })
	it := must.Get(vm.NewInterp(b, obj, p))(t)
	return a, it
}

// Random straight-line code of every arithmetic operation, moves before
// constants (which are fused) among it, gives the interpreter's verdict.
func TestArithmetic(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	ops := []uint8{ebpf.ALUAdd, ebpf.ALUSub, ebpf.ALUMul, ebpf.ALUDiv, ebpf.ALUOr, ebpf.ALUAnd, ebpf.ALULsh, ebpf.ALURsh,
		ebpf.ALUMod, ebpf.ALUXor, ebpf.ALUMov, ebpf.ALUArsh}
	for round := range 300 {
		var code []ebpf.Insn
		for r := uint8(0); r < 6; r++ {
			code = append(code, ebpf.Insn{Op: ebpf.OpLDDW, Dst: r, Imm: int32(rng.Uint32())}, ebpf.Insn{Imm: int32(rng.Uint32())})
		}
		for range 40 {
			in := ebpf.Insn{Op: ops[rng.IntN(len(ops))] | []uint8{ebpf.ClassALU, ebpf.ClassALU64}[rng.IntN(2)], Dst: uint8(rng.IntN(6))}
			shift := in.ALUOp() == ebpf.ALULsh || in.ALUOp() == ebpf.ALURsh || in.ALUOp() == ebpf.ALUArsh
			switch {
			case rng.IntN(2) == 0:
				in.Op |= ebpf.SrcX
				in.Src = uint8(rng.IntN(6))
			case shift:
				in.Imm = rng.Int32N(32)
			default:
				in.Imm = int32(rng.Uint32()) | 1
			}
			if rng.IntN(3) == 0 && in.Op&ebpf.SrcX == 0 { // the shape that is fused
				code = append(code, ebpf.Insn{Op: ebpf.ClassALU64 | ebpf.ALUMov | ebpf.SrcX, Dst: in.Dst, Src: uint8(rng.IntN(6))})
			}
			code = append(code, in)
		}
		code = append(code, ebpf.Insn{Op: ebpf.ClassALU | ebpf.ALUEnd | ebpf.SrcX, Dst: uint8(rng.IntN(6)), Imm: []int32{16, 32, 64}[rng.IntN(3)]})
		for r := uint8(1); r < 6; r++ {
			code = append(code, ebpf.Insn{Op: ebpf.ClassALU64 | ebpf.ALUXor | ebpf.SrcX, Src: r})
		}
		code = append(code, ebpf.Insn{Op: ebpf.OpExit})
		s, it := machines(t, code)
		x := must.Get(New(s).Bind(0, &trace.Trace{Code: code}))(t)
		in := vm.Input{Data: make([]byte, 64)}
		must.OK(t, s.Begin(&in))
		got := must.Get(x.Run())(t)
		var out vm.Output
		it.Run(&in, &out)
		if uint32(got) != out.Verdict {
			t.Fatalf("round %d: executor %#x, interpreter %#x\n%s", round, uint32(got), out.Verdict, ebpf.Printer{}.Code(code))
		}
	}
}

// What is no straight-line code is refused, with the place and the cause.
func TestBindRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"r0 = 1":                           "does not end in exit",
		"if r1 == 0 goto +0\nr0 = 1\nexit": "insn 0: opcode 0x15: a jump in a trace",
		"call helper#9999\nexit":           "insn 0: helper 9999",
		"r0 = *(u64 *)(r1 +0)\nexit":       "insn 0: no field of 8 bytes at 0",
		"r0 = map[#7]\nexit":               "",
	} {
		code, err := ebpf.Parser{}.Code(text)
		must.OK(t, err)
		s, _ := machines(t, code)
		_, err = New(s).Bind(0, &trace.Trace{Code: code})
		if want == "" {
			if err != nil {
				t.Errorf("%q: %v", text, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}
