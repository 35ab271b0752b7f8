package pathcond

import (
	"jitnic/host/ebpf"
	"jitnic/pathcond/bv"
)

// ALU is the symbolic meaning of an ALU or ALU64 instruction: the new value of
// dst from the old ones (64-bit terms). It is RFC 9669 section 4.1 term by
// term; ok is false for an encoding that has no meaning.
func ALU(b *bv.Builder, in ebpf.Insn, dst, src bv.Term) (res bv.Term, ok bool) {
	wide := in.Class() == ebpf.ClassALU64
	w := 32
	if wide {
		w = 64
	}
	x, y := operands(b, in, dst, src, w)
	zero := b.Const(0, w)
	var r bv.Term
	switch in.ALUOp() {
	case ebpf.ALUAdd:
		r = b.Bin(bv.OpAdd, x, y)
	case ebpf.ALUSub:
		r = b.Bin(bv.OpSub, x, y)
	case ebpf.ALUMul:
		r = b.Bin(bv.OpMul, x, y)
	case ebpf.ALUDiv:
		op := bv.OpUDiv
		if in.Off == 1 {
			op = bv.OpSDiv
		}
		r = b.Ite(b.Bin(bv.OpEq, y, zero), zero, b.Bin(op, x, y))
	case ebpf.ALUMod:
		op := bv.OpURem
		if in.Off == 1 {
			op = bv.OpSRem
		}
		r = b.Ite(b.Bin(bv.OpEq, y, zero), x, b.Bin(op, x, y))
	case ebpf.ALUOr:
		r = b.Bin(bv.OpOr, x, y)
	case ebpf.ALUAnd:
		r = b.Bin(bv.OpAnd, x, y)
	case ebpf.ALUXor:
		r = b.Bin(bv.OpXor, x, y)
	case ebpf.ALULsh, ebpf.ALURsh, ebpf.ALUArsh:
		y = b.Bin(bv.OpAnd, y, b.Const(uint64(w-1), w))
		op := bv.OpShl
		if in.ALUOp() == ebpf.ALURsh {
			op = bv.OpLShr
		} else if in.ALUOp() == ebpf.ALUArsh {
			op = bv.OpAShr
		}
		r = b.Bin(op, x, y)
	case ebpf.ALUNeg:
		r = b.Neg(x)
	case ebpf.ALUMov:
		switch {
		case in.Off == 0 || in.Op&ebpf.SrcX == 0:
			r = y
		case in.Off == 8, in.Off == 16, in.Off == 32 && wide:
			r = b.SExt(b.Extract(y, 0, int(in.Off)), w)
		default:
			return 0, false
		}
	case ebpf.ALUEnd:
		n := int(in.Imm)
		if n != 16 && n != 32 && n != 64 {
			return 0, false
		}
		low := b.Extract(dst, 0, n)
		if wide || in.Op&ebpf.SrcX != 0 { // bswap, be; le on a little-endian machine only truncates
			low = b.BSwap(low)
		}
		return b.ZExt(low, 64), true
	default:
		return 0, false
	}
	return b.ZExt(r, 64), true
}

// operands are w bits of dst, and of src or the constant.
func operands(b *bv.Builder, in ebpf.Insn, dst, src bv.Term, w int) (x, y bv.Term) {
	x = b.Extract(dst, 0, w)
	if in.Op&ebpf.SrcX != 0 {
		return x, b.Extract(src, 0, w)
	}
	return x, b.Const(uint64(int64(in.Imm)), w)
}

// Branch is the symbolic meaning of a conditional jump: the predicate under
// which it is taken (RFC 9669 section 4.3).
func Branch(b *bv.Builder, in ebpf.Insn, dst, src bv.Term) (cond bv.Term, ok bool) {
	w := 64
	if in.Class() == ebpf.ClassJMP32 {
		w = 32
	}
	x, y := operands(b, in, dst, src, w)
	switch in.JmpOp() {
	case ebpf.JmpEQ:
		return b.Bin(bv.OpEq, x, y), true
	case ebpf.JmpNE:
		return b.Not(b.Bin(bv.OpEq, x, y)), true
	case ebpf.JmpGT:
		return b.Bin(bv.OpULt, y, x), true
	case ebpf.JmpGE:
		return b.Bin(bv.OpULe, y, x), true
	case ebpf.JmpLT:
		return b.Bin(bv.OpULt, x, y), true
	case ebpf.JmpLE:
		return b.Bin(bv.OpULe, x, y), true
	case ebpf.JmpSGT:
		return b.Bin(bv.OpSLt, y, x), true
	case ebpf.JmpSGE:
		return b.Bin(bv.OpSLe, y, x), true
	case ebpf.JmpSLT:
		return b.Bin(bv.OpSLt, x, y), true
	case ebpf.JmpSLE:
		return b.Bin(bv.OpSLe, x, y), true
	case ebpf.JmpSET:
		return b.Not(b.Bin(bv.OpEq, b.Bin(bv.OpAnd, x, y), b.Const(0, w))), true
	}
	return 0, false
}

// Atomic is the value an atomic leaves in memory, from the old one and src,
// both of the access's width; ok is false for exchange forms, which the caller
// handles.
func Atomic(b *bv.Builder, imm int32, old, src bv.Term) (bv.Term, bool) {
	switch imm &^ ebpf.AtomicFetch {
	case ebpf.AtomicAdd:
		return b.Bin(bv.OpAdd, old, src), true
	case ebpf.AtomicOr:
		return b.Bin(bv.OpOr, old, src), true
	case ebpf.AtomicAnd:
		return b.Bin(bv.OpAnd, old, src), true
	case ebpf.AtomicXor:
		return b.Bin(bv.OpXor, old, src), true
	}
	return 0, false
}
