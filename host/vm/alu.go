package vm

import (
	"math"
	"math/bits"

	"jitnic/host/ebpf"
)

// ALU is what an arithmetic instruction puts in its destination register (RFC
// 9669, sections 4.1 and 4.2). dst is the register's old value, src the second
// operand: the source register, or Imm sign-extended to 64 bits. The
// instruction must be one that [Valid] accepts.
func ALU(in ebpf.Insn, dst, src uint64) uint64 {
	if in.Op&7 == ebpf.ClassALU64 {
		return alu64(in, dst, src)
	}
	// 32-bit operations clear the upper half of the register.
	return alu32(in, uint32(dst), uint32(src), dst)
}

// Operand is the second operand of an ALU or jump instruction, given the value
// of its source register.
func Operand(in ebpf.Insn, reg uint64) uint64 {
	if in.Op&ebpf.SrcX != 0 {
		return reg
	}
	return uint64(int64(in.Imm))
}

func alu64(in ebpf.Insn, dst, src uint64) uint64 {
	switch in.Op >> 4 {
	case ebpf.ALUAdd >> 4:
		return dst + src
	case ebpf.ALUSub >> 4:
		return dst - src
	case ebpf.ALUMul >> 4:
		return dst * src
	case ebpf.ALUDiv >> 4:
		if in.Off == 1 {
			return sdiv64(dst, src)
		}
		if src == 0 {
			return 0
		}
		return dst / src
	case ebpf.ALUOr >> 4:
		return dst | src
	case ebpf.ALUAnd >> 4:
		return dst & src
	case ebpf.ALULsh >> 4:
		return dst << (src & 63)
	case ebpf.ALURsh >> 4:
		return dst >> (src & 63)
	case ebpf.ALUNeg >> 4:
		return -dst
	case ebpf.ALUMod >> 4:
		if in.Off == 1 {
			return smod64(dst, src)
		}
		if src == 0 {
			return dst
		}
		return dst % src
	case ebpf.ALUXor >> 4:
		return dst ^ src
	case ebpf.ALUMov >> 4:
		switch in.Off { // movsx
		case 8:
			return uint64(int64(int8(src)))
		case 16:
			return uint64(int64(int16(src)))
		case 32:
			return uint64(int64(int32(src)))
		}
		return src
	case ebpf.ALUArsh >> 4:
		return uint64(int64(dst) >> (src & 63))
	default: // ALUEnd: bswap
		return swap(dst, in.Imm)
	}
}

// alu32 computes on the low halves; whole is all of the destination, which only
// the byte swaps of 64 bits need.
func alu32(in ebpf.Insn, dst, src uint32, whole uint64) uint64 {
	switch in.Op >> 4 {
	case ebpf.ALUAdd >> 4:
		return uint64(dst + src)
	case ebpf.ALUSub >> 4:
		return uint64(dst - src)
	case ebpf.ALUMul >> 4:
		return uint64(dst * src)
	case ebpf.ALUDiv >> 4:
		if in.Off == 1 {
			return uint64(sdiv32(dst, src))
		}
		if src == 0 {
			return 0
		}
		return uint64(dst / src)
	case ebpf.ALUOr >> 4:
		return uint64(dst | src)
	case ebpf.ALUAnd >> 4:
		return uint64(dst & src)
	case ebpf.ALULsh >> 4:
		return uint64(dst << (src & 31))
	case ebpf.ALURsh >> 4:
		return uint64(dst >> (src & 31))
	case ebpf.ALUNeg >> 4:
		return uint64(-dst)
	case ebpf.ALUMod >> 4:
		if in.Off == 1 {
			return uint64(smod32(dst, src))
		}
		if src == 0 {
			return uint64(dst)
		}
		return uint64(dst % src)
	case ebpf.ALUXor >> 4:
		return uint64(dst ^ src)
	case ebpf.ALUMov >> 4:
		switch in.Off { // movsx
		case 8:
			return uint64(uint32(int32(int8(src))))
		case 16:
			return uint64(uint32(int32(int16(src))))
		}
		return uint64(src)
	case ebpf.ALUArsh >> 4:
		return uint64(uint32(int32(dst) >> (src & 31)))
	default: // ALUEnd: to big-endian swaps on this machine model, to little-endian only cuts
		if in.Op&ebpf.SrcX != 0 {
			return swap(whole, in.Imm)
		}
		return cut(whole, in.Imm)
	}
}

// Signed division rounds towards zero. The two cases a processor would trap on
// are defined: by zero as for unsigned, and the least integer by −1 wraps.
func sdiv64(a, b uint64) uint64 {
	x, y := int64(a), int64(b)
	if y == 0 {
		return 0
	}
	if x == math.MinInt64 && y == -1 {
		return a
	}
	return uint64(x / y)
}

func smod64(a, b uint64) uint64 {
	x, y := int64(a), int64(b)
	if y == 0 {
		return a
	}
	if y == -1 {
		return 0
	}
	return uint64(x % y)
}

func sdiv32(a, b uint32) uint32 {
	x, y := int32(a), int32(b)
	if y == 0 {
		return 0
	}
	if x == math.MinInt32 && y == -1 {
		return a
	}
	return uint32(x / y)
}

func smod32(a, b uint32) uint32 {
	x, y := int32(a), int32(b)
	if y == 0 {
		return a
	}
	if y == -1 {
		return 0
	}
	return uint32(x % y)
}

func swap(v uint64, width int32) uint64 {
	switch width {
	case 16:
		return uint64(bits.ReverseBytes16(uint16(v)))
	case 32:
		return uint64(bits.ReverseBytes32(uint32(v)))
	}
	return bits.ReverseBytes64(v)
}

func cut(v uint64, width int32) uint64 {
	switch width {
	case 16:
		return uint64(uint16(v))
	case 32:
		return uint64(uint32(v))
	}
	return v
}
