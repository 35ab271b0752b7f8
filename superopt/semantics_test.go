package superopt

import (
	"math/rand/v2"
	"testing"

	"jitnic/host/ebpf"
	"jitnic/host/vm"
	"jitnic/pathcond/bv"
)

type regsEnv [11]uint64

func (e *regsEnv) Input(id uint64) uint64 {
	if id >= inReg && id < inReg+11 {
		return e[id-inReg]
	}
	return 0
}
func (e *regsEnv) Apply(uint64, []uint64) uint64 { return 0 }

func operandValue(rng *rand.Rand) uint64 {
	switch rng.IntN(3) {
	case 0:
		return boundary[rng.IntN(len(boundary))]
	case 1:
		return rng.Uint64() >> rng.IntN(64)
	}
	return rng.Uint64()
}

// Every ALU instruction means the same to the proof, to the search's executor
// and to the interpreter.
func TestALUMeaning(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for op := 0; op < 256; op++ {
		in := Inst{Insn: ebpf.Insn{Op: uint8(op), Dst: 1, Src: 2}, To: -1}
		if c := in.Class(); c != ebpf.ClassALU && c != ebpf.ClassALU64 {
			continue
		}
		for k := 0; k < 200; k++ {
			in.Imm, in.Off = int32(operandValue(rng)), 0
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
			if checkInsn(in.Insn) != nil || !vm.Valid(in.Insn) {
				continue
			}
			env := &regsEnv{}
			env[1], env[2] = operandValue(rng), operandValue(rng)
			want := vm.ALU(in.Insn, env[1], vm.Operand(in.Insn, env[2]))
			m := newMachine(&Prog{}, AllAccel)
			x, y := m.b.Input(inReg+1, 64, bv.Fact{}), m.b.Input(inReg+2, 64, bv.Fact{})
			if in.Op&ebpf.SrcX == 0 {
				y = m.b.Const(uint64(int64(in.Imm)), 64)
			}
			term, err := m.aluTerm(&in, x, y)
			if err != nil {
				t.Fatalf("%s: %v", in.String(), err)
			}
			if got := bv.NewEvaluator(m.b, env).Eval(term); got != want {
				t.Fatalf("%s (%#02x off %d imm %d) on %#x, %#x: proof says %#x, interpreter %#x", in.String(), in.Op, in.Off, in.Imm, env[1], env[2], got, want)
			}
			var ex executor
			tst := &test{in: *env}
			if ex.run([]Inst{in}, tst) && ex.r[1] != want {
				t.Fatalf("%s (%#02x) on %#x, %#x: executor says %#x, interpreter %#x", in.String(), in.Op, env[1], env[2], ex.r[1], want)
			}
			// what the analysis knows must be so
			p := &Prog{Insts: []Inst{in}, Entry: []int32{0}}
			f := facts{ok: true}
			f.r[1], f.r[2] = top(), top()
			if k%3 == 0 {
				f.r[1] = constant(env[1])
			}
			if k%3 == 1 {
				f.r[2] = constant(env[2])
			}
			p.step(0, &f, nil)
			if v := f.r[1]; v.kind != kScalar || want&^v.unknown != v.known || want < v.min || want > v.max {
				t.Fatalf("%s on %#x, %#x gives %#x, analysis says %+v", in.String(), env[1], env[2], want, v)
			}
		}
	}
}

// Every conditional jump likewise, and both refinements keep the value.
func TestJumpMeaning(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 1))
	for op := 0; op < 256; op++ {
		in := Inst{Insn: ebpf.Insn{Op: uint8(op), Dst: 1, Src: 2}, To: 5}
		if !in.IsCondJump() || in.JmpOp() == ebpf.JmpCOND || checkInsn(in.Insn) != nil {
			continue
		}
		for k := 0; k < 300; k++ {
			in.Imm = int32(operandValue(rng))
			env := &regsEnv{}
			env[1], env[2] = operandValue(rng), operandValue(rng)
			if k%4 == 0 {
				env[2] = env[1]
				in.Imm = int32(env[1])
			}
			want := vm.Taken(in.Insn, env[1], vm.Operand(in.Insn, env[2]))
			m := newMachine(&Prog{}, AllAccel)
			st := &symState{}
			st.r[1], st.r[2] = m.b.Input(inReg+1, 64, bv.Fact{}), m.b.Input(inReg+2, 64, bv.Fact{})
			c, err := m.cond(&in, st)
			if err != nil {
				t.Fatal(err)
			}
			if got := bv.NewEvaluator(m.b, env).Eval(c) == 1; got != want {
				t.Fatalf("%s (%#02x) on %#x, %#x: proof says %t, interpreter %t", in.String(), in.Op, env[1], env[2], got, want)
			}
			f := facts{ok: true}
			f.r[1], f.r[2] = top(), top()
			if k%2 == 0 {
				f.r[2] = constant(env[2])
			}
			if k%5 == 0 {
				f.r[1] = constant(env[1])
			}
			branch(&in, &f, want)
			for r := 1; r <= 2; r++ {
				v := f.r[r]
				if !f.ok || env[r]&^v.unknown != v.known || env[r] < v.min || env[r] > v.max {
					t.Fatalf("%s (%#02x) taken %t on %#x, %#x: analysis says ok %t %+v", in.String(), in.Op, want, env[1], env[2], f.ok, v)
				}
			}
		}
	}
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
			xs[i] = operandValue(rng)
			if k%3 == 0 {
				xs[i] &= 0xff
			}
			if i == 0 {
				v = constant(xs[i])
			} else {
				v = join(v, constant(xs[i]))
			}
		}
		y := operandValue(rng)
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
