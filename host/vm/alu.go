package vm

import (
	"math"
	"math/bits"

	"jitnic/host/ebpf"
)

// alu numbers the arithmetic operations densely: width, operation and the
// variants that hang on other fields, in one number.
type alu uint8

const (
	aAdd64 alu = iota
	aSub64
	aMul64
	aDiv64
	aSDiv64
	aOr64
	aAnd64
	aLsh64
	aRsh64
	aArsh64
	aNeg64
	aMod64
	aSMod64
	aXor64
	aMov64
	aMovSX8  // sign-extending moves to 64 bits
	aMovSX16 //
	aMovSX32 //
	aAdd32
	aSub32
	aMul32
	aDiv32
	aSDiv32
	aOr32
	aAnd32
	aLsh32
	aRsh32
	aArsh32
	aNeg32
	aMod32
	aSMod32
	aXor32
	aMov32
	aMovSX8to32
	aMovSX16to32
	aCut16  // le16: keeps the low bits
	aCut32  // le32
	aCut64  // le64
	aSwap16 // be16 and bswap16
	aSwap32 //
	aSwap64 //
)

// aluOf is the number of a valid arithmetic instruction.
func aluOf(in ebpf.Insn) alu {
	wide := in.Op&7 == ebpf.ClassALU64
	pick := func(a64, a32 alu) alu {
		if wide {
			return a64
		}
		return a32
	}
	signed := in.Off == 1
	switch in.ALUOp() {
	case ebpf.ALUAdd:
		return pick(aAdd64, aAdd32)
	case ebpf.ALUSub:
		return pick(aSub64, aSub32)
	case ebpf.ALUMul:
		return pick(aMul64, aMul32)
	case ebpf.ALUDiv:
		if signed {
			return pick(aSDiv64, aSDiv32)
		}
		return pick(aDiv64, aDiv32)
	case ebpf.ALUOr:
		return pick(aOr64, aOr32)
	case ebpf.ALUAnd:
		return pick(aAnd64, aAnd32)
	case ebpf.ALULsh:
		return pick(aLsh64, aLsh32)
	case ebpf.ALURsh:
		return pick(aRsh64, aRsh32)
	case ebpf.ALUArsh:
		return pick(aArsh64, aArsh32)
	case ebpf.ALUNeg:
		return pick(aNeg64, aNeg32)
	case ebpf.ALUMod:
		if signed {
			return pick(aSMod64, aSMod32)
		}
		return pick(aMod64, aMod32)
	case ebpf.ALUXor:
		return pick(aXor64, aXor32)
	case ebpf.ALUMov:
		switch in.Off {
		case 8:
			return pick(aMovSX8, aMovSX8to32)
		case 16:
			return pick(aMovSX16, aMovSX16to32)
		case 32:
			return aMovSX32
		}
		return pick(aMov64, aMov32)
	}
	// ALUEnd. The source bit of the 32-bit class is the direction: on this
	// little-endian machine model, to big-endian swaps, to little-endian cuts.
	a := aCut16
	if wide || in.Op&ebpf.SrcX != 0 {
		a = aSwap16
	}
	switch in.Imm {
	case 32:
		a++
	case 64:
		a += 2
	}
	return a
}

// ALU is what an arithmetic instruction puts in its destination register (RFC
// 9669, sections 4.1 and 4.2). dst is the register's old value, src the second
// operand, as [Operand] gives it. The instruction must be one that [Valid]
// accepts.
func ALU(in ebpf.Insn, dst, src uint64) uint64 {
	if in.Off == 0 && unmoved[in.Op] {
		return compute(plain[in.Op], dst, src)
	}
	return compute(aluOf(in), dst, src)
}

// plain are the numbers of arithmetic instructions that their opcode tells, where the offset is 0.
var plain = func() (out [256]alu) {
	for op := range out {
		out[op] = aluOf(ebpf.Insn{Op: uint8(op)})
	}
	return out
}()

// Operand is the second operand of an ALU or jump instruction, given the value
// of its source register.
func Operand(in ebpf.Insn, reg uint64) uint64 {
	if in.Op&ebpf.SrcX != 0 {
		return reg
	}
	return uint64(int64(in.Imm))
}

// compute is arithmetic itself. Operations on 32 bits clear the upper half.
func compute(a alu, dst, src uint64) uint64 {
	switch a {
	case aAdd64:
		return dst + src
	case aSub64:
		return dst - src
	case aMul64:
		return dst * src
	case aDiv64:
		if src == 0 {
			return 0
		}
		return dst / src
	case aSDiv64:
		return sdiv64(dst, src)
	case aOr64:
		return dst | src
	case aAnd64:
		return dst & src
	case aLsh64:
		return dst << (src & 63)
	case aRsh64:
		return dst >> (src & 63)
	case aArsh64:
		return uint64(int64(dst) >> (src & 63))
	case aNeg64:
		return -dst
	case aMod64:
		if src == 0 {
			return dst
		}
		return dst % src
	case aSMod64:
		return smod64(dst, src)
	case aXor64:
		return dst ^ src
	case aMov64:
		return src
	case aMovSX8:
		return uint64(int64(int8(src)))
	case aMovSX16:
		return uint64(int64(int16(src)))
	case aMovSX32:
		return uint64(int64(int32(src)))
	case aAdd32:
		return uint64(uint32(dst) + uint32(src))
	case aSub32:
		return uint64(uint32(dst) - uint32(src))
	case aMul32:
		return uint64(uint32(dst) * uint32(src))
	case aDiv32:
		if uint32(src) == 0 {
			return 0
		}
		return uint64(uint32(dst) / uint32(src))
	case aSDiv32:
		return uint64(sdiv32(uint32(dst), uint32(src)))
	case aOr32:
		return uint64(uint32(dst) | uint32(src))
	case aAnd32:
		return uint64(uint32(dst) & uint32(src))
	case aLsh32:
		return uint64(uint32(dst) << (src & 31))
	case aRsh32:
		return uint64(uint32(dst) >> (src & 31))
	case aArsh32:
		return uint64(uint32(int32(dst) >> (src & 31)))
	case aNeg32:
		return uint64(-uint32(dst))
	case aMod32:
		if uint32(src) == 0 {
			return uint64(uint32(dst))
		}
		return uint64(uint32(dst) % uint32(src))
	case aSMod32:
		return uint64(smod32(uint32(dst), uint32(src)))
	case aXor32:
		return uint64(uint32(dst) ^ uint32(src))
	case aMov32:
		return uint64(uint32(src))
	case aMovSX8to32:
		return uint64(uint32(int32(int8(src))))
	case aMovSX16to32:
		return uint64(uint32(int32(int16(src))))
	case aCut16:
		return uint64(uint16(dst))
	case aCut32:
		return uint64(uint32(dst))
	case aCut64:
		return dst
	case aSwap16:
		return uint64(bits.ReverseBytes16(uint16(dst)))
	case aSwap32:
		return uint64(bits.ReverseBytes32(uint32(dst)))
	default: // aSwap64
		return bits.ReverseBytes64(dst)
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
