package shadow

import "jitnic/host/ebpf"

// alu is what arithmetic makes of the marks of its operands. Bytes that the
// result has whatever the operands are, carry none.
func alu(in ebpf.Insn, dst, src lanes) lanes {
	wide := in.Class() == ebpf.ClassALU64 || in.ALUOp() == ebpf.ALUEnd // which has its own width
	reg := in.Op&ebpf.SrcX != 0
	if !reg {
		src = 0
	}
	if !wide {
		dst, src = dst.first(4), src.first(4)
	}
	w := op(in, dst, src, reg, wide)
	if !wide {
		w = w.first(4)
	}
	return w
}

func op(in ebpf.Insn, dst, src lanes, reg, wide bool) lanes {
	either := dst | src
	switch in.ALUOp() {
	case ebpf.ALUMov:
		if in.Off == 0 {
			return src
		}
		return src.extended(int(in.Off) / 8)
	case ebpf.ALUAdd, ebpf.ALUMul:
		return either.up()
	case ebpf.ALUSub:
		if reg && in.Dst == in.Src {
			return 0
		}
		// The distance of two addresses in one object is equal everywhere.
		if c := dst.onlyClass(); c != 0 && c != Other && c == src.onlyClass() {
			return 0
		}
		return either.up()
	case ebpf.ALUNeg:
		return dst.up()
	case ebpf.ALUXor:
		if reg && in.Dst == in.Src {
			return 0
		}
		return either
	case ebpf.ALUAnd:
		if reg {
			return either
		}
		return dst & constBytes(in.Imm, 0)
	case ebpf.ALUOr:
		if reg {
			return either
		}
		return dst & constBytes(in.Imm, 0xff)
	case ebpf.ALULsh:
		if reg {
			return all(either.union())
		}
		return shifted(dst, uint(in.Imm))
	case ebpf.ALURsh, ebpf.ALUArsh:
		if reg {
			return all(either.union())
		}
		n := uint(in.Imm)
		w := dst >> (8 * (n / 8))
		if n%8 != 0 {
			w |= w >> 8
		}
		if in.ALUOp() == ebpf.ALUArsh {
			size := uint(8)
			if !wide {
				size = 4
			}
			sign := all(Mark(dst >> (8 * (size - 1))))
			w |= sign &^ (1<<(8*(size-min(size, (n+7)/8))) - 1)
		}
		return w
	case ebpf.ALUEnd:
		n := int(in.Imm) / 8
		if in.Class() == ebpf.ClassALU && !reg { // to little endian: cut off
			return dst.first(n)
		}
		var w lanes
		for i := range n {
			w |= lanes(uint8(dst>>(8*i))) << (8 * (n - 1 - i))
		}
		return w
	default: // division: every byte of the result depends on all
		return all(either.union())
	}
}

func shifted(w lanes, n uint) lanes {
	w <<= 8 * (n / 8)
	if n%8 != 0 {
		w |= w << 8
	}
	return w
}

// constBytes has all bits of the bytes at which the constant, extended to 64
// bits, isn't fixed.
func constBytes(imm int32, fixed uint8) lanes {
	var w lanes
	for i, v := 0, uint64(int64(imm)); i < 8; i++ {
		if uint8(v>>(8*i)) != fixed {
			w |= 0xff << (8 * i)
		}
	}
	return w
}

// branch is what a conditional jump depends on. Addresses within one object
// compare alike everywhere, and none of them is NULL.
func branch(in ebpf.Insn, dst, src lanes) Mark {
	reg := in.Op&ebpf.SrcX != 0
	if !reg {
		src = 0
	}
	c, d := dst.onlyClass(), src.onlyClass()
	switch {
	case c != 0 && c == d:
		return 0
	case c != 0 && src == 0 && (reg || in.Imm == 0), d != 0 && dst == 0:
		switch in.JmpOp() {
		case ebpf.JmpEQ, ebpf.JmpNE, ebpf.JmpGT, ebpf.JmpLE, ebpf.JmpGE, ebpf.JmpLT:
			return 0
		}
	}
	w := dst | src
	if in.Class() == ebpf.ClassJMP32 {
		w = w.first(4)
	}
	if !reg && in.JmpOp() == ebpf.JmpSET {
		w &= constBytes(in.Imm, 0)
	}
	return w.union()
}
