package native

import (
	"jitnic/host/ebpf"
	"jitnic/nic/native/asm"
)

var ops = map[uint8]asm.Op{
	ebpf.ALUAdd: asm.Add, ebpf.ALUSub: asm.Sub, ebpf.ALUMul: asm.Mul, ebpf.ALUOr: asm.Or, ebpf.ALUAnd: asm.And,
	ebpf.ALUXor: asm.Xor, ebpf.ALULsh: asm.Lsh, ebpf.ALURsh: asm.Rsh, ebpf.ALUArsh: asm.Arsh,
}

// arith writes a valid arithmetic instruction (RFC 9669, sections 4.1 and 4.2).
func arith(b asm.Backend, in ebpf.Insn) {
	d, s := reg(in.Dst), reg(in.Src)
	wide := in.Class() == ebpf.ClassALU64
	x := in.Op&ebpf.SrcX != 0
	switch op := in.ALUOp(); op {
	case ebpf.ALUSelect:
		stay := b.NewLabel()
		b.BrK(asm.EQ, true, reg(in.Cond()), 0, stay)
		b.Mov(true, d, s)
		b.Bind(stay)
	case ebpf.ALUMov:
		move(b, in, wide, x)
	case ebpf.ALUNeg:
		b.Neg(wide, d)
	case ebpf.ALUEnd:
		size := int(in.Imm / 8)
		switch {
		case wide || x:
			b.Swap(size, d)
		case size < 8:
			b.Zext(size, d, d)
		}
	case ebpf.ALUDiv, ebpf.ALUMod:
		if !x {
			s = asm.T1
			b.Imm(s, uint64(int64(in.Imm)))
		}
		b.Div(wide, in.Off == 1, op == ebpf.ALUMod, d, s)
	default:
		if x {
			b.Op(ops[op], wide, d, s)
		} else {
			b.OpK(ops[op], wide, d, in.Imm)
		}
	}
}

func move(b asm.Backend, in ebpf.Insn, wide, x bool) {
	d, s := reg(in.Dst), reg(in.Src)
	switch {
	case !x && wide:
		b.Imm(d, uint64(int64(in.Imm)))
	case !x:
		b.Imm(d, uint64(uint32(in.Imm)))
	case in.Off == 0:
		b.Mov(wide, d, s)
	default:
		b.Sext(int(in.Off/8), d, s)
		if !wide {
			b.Mov(false, d, d)
		}
	}
}
