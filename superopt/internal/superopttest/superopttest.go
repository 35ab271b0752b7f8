package superopttest

import (
	"math/rand/v2"
	"testing"

	"jitnic/host/ebpf"
	"jitnic/host/maps"
	"jitnic/host/vm"
	"jitnic/superopt/internal/ir"
	"jitnic/superopt/internal/sample"
	"jitnic/superopt/z3"

	cebpf "github.com/cilium/ebpf"
)

// Rows makes a program of (op, src, dst, off, imm) rows.
func Rows(t testing.TB, kind ir.Kind, rows ...[5]int) *ir.Prog { return RowsOn(t, kind, nil, rows...) }

// RowsOn makes a program over maps of (op, src, dst, off, imm) rows.
func RowsOn(t testing.TB, kind ir.Kind, specs []*maps.Spec, rows ...[5]int) *ir.Prog {
	t.Helper()
	var in []ebpf.Insn
	for _, r := range rows {
		in = append(in, ebpf.Insn{Op: uint8(r[0]), Src: uint8(r[1]), Dst: uint8(r[2]), Off: int16(r[3]), Imm: int32(r[4])})
	}
	p, err := ir.FromSlots(t.Name(), kind, in, specs)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// NeedZ3 skips a test where there is no solver.
func NeedZ3(t testing.TB) {
	t.Helper()
	z, err := z3.NewContext(&z3.Config{})
	if err != nil {
		t.Skipf("skipped: %v", err)
	}
	z.Close()
}

// Operand draws a register's value: often one at which meanings change.
func Operand(rng *rand.Rand) uint64 {
	switch rng.IntN(3) {
	case 0:
		return sample.Boundary(uint64(rng.IntN(sample.Boundaries)))
	case 1:
		return rng.Uint64() >> rng.IntN(64)
	}
	return rng.Uint64()
}

// Drawn is one instruction with the values its registers r1 and r2 have.
type Drawn struct {
	ir.Inst
	Regs [11]uint64
	K    int // how many came before of the same opcode
}

// ALUSteps draws n instructions of every ALU opcode.
func ALUSteps(seed uint64, n int, use func(s Drawn)) {
	rng := rand.New(rand.NewPCG(seed, 1))
	for op := 0; op < 256; op++ {
		in := ir.Inst{Insn: ebpf.Insn{Op: uint8(op), Dst: 1, Src: 2}, To: -1}
		if c := in.Class(); c != ebpf.ClassALU && c != ebpf.ClassALU64 {
			continue
		}
		for k := 0; k < n; k++ {
			in.Imm, in.Off = int32(Operand(rng)), 0
			switch in.ALUOp() {
			case ebpf.ALUEnd:
				in.Imm = []int32{16, 32, 64}[k%3]
			case ebpf.ALUMov:
				if in.Op&ebpf.SrcX != 0 && k%2 == 1 {
					in.Off = []int16{8, 16, 32}[k%3]
					if in.Class() == ebpf.ClassALU && in.Off == 32 {
						in.Off = 16
					}
				}
			case ebpf.ALUDiv, ebpf.ALUMod:
				in.Off = int16(k % 2)
			}
			unused(&in)
			if in.Encoding(nil, false) != "" || !vm.Valid(in.Insn) {
				continue
			}
			s := Drawn{Inst: in, K: k}
			s.Regs[1], s.Regs[2] = Operand(rng), Operand(rng)
			use(s)
		}
	}
}

// unused empties the operand field that the instruction doesn't use.
func unused(in *ir.Inst) {
	switch alu := in.Class() == ebpf.ClassALU || in.Class() == ebpf.ClassALU64; {
	case alu && (in.ALUOp() == ebpf.ALUEnd || in.ALUOp() == ebpf.ALUNeg):
		in.Src = 0
		if in.ALUOp() == ebpf.ALUNeg {
			in.Imm = 0
		}
	case in.Op&ebpf.SrcX != 0:
		in.Imm = 0
	default:
		in.Src = 0
	}
}

// JumpSteps draws n instructions of every conditional jump.
func JumpSteps(seed uint64, n int, use func(s Drawn)) {
	rng := rand.New(rand.NewPCG(seed, 1))
	for op := 0; op < 256; op++ {
		in := ir.Inst{Insn: ebpf.Insn{Op: uint8(op), Dst: 1, Src: 2}, To: 5}
		if !in.IsCondJump() || in.JmpOp() == ebpf.JmpCOND {
			continue
		}
		for k := 0; k < n; k++ {
			in.Imm = int32(Operand(rng))
			s := Drawn{K: k}
			s.Regs[1], s.Regs[2] = Operand(rng), Operand(rng)
			if k%4 == 0 {
				s.Regs[2] = s.Regs[1]
				in.Imm = int32(s.Regs[1])
			}
			s.Inst = in
			unused(&s.Inst)
			if s.Encoding(nil, true) == "" {
				use(s)
			}
		}
	}
}

// BytesIntoWord is a straight window on the stack that only the search's moves
// are asked about.
func BytesIntoWord(t testing.TB) *ir.Prog {
	return Rows(t, ir.KindConst,
		[5]int{0x7b, 1, 10, -8, 0}, [5]int{0x71, 10, 3, -8, 0}, [5]int{0x71, 10, 4, -7, 0}, [5]int{0x67, 0, 4, 0, 8}, [5]int{0x4f, 3, 4, 0, 0},
		[5]int{0xbf, 4, 0, 0, 0}, [5]int{0x57, 0, 0, 0, 65535}, [5]int{0x95, 0, 0, 0, 0})
}

// Values is one hash map of 8-byte values.
func Values() []*maps.Spec {
	return []*maps.Spec{{Name: "m", Type: cebpf.Hash, KeySize: 4, ValueSize: 8, Max: 4}}
}
