package ebpf

import (
	"encoding/binary"
	"fmt"

	"github.com/cilium/ebpf/asm"
)

// Insn is one 8-byte slot of eBPF code, decoded. A wide instruction (lddw)
// takes two slots, as in the kernel: the second is all zero but for Imm, which
// holds the high half of the constant. Jump offsets, error messages and
// program lengths all count slots (RFC 9669, section 3).
//
//	 63        32 31    16 15  12 11   8 7       0
//	+------------+--------+------+------+---------+
//	|    Imm     |  Off   | Src  | Dst  |   Op    |
//	+------------+--------+------+------+---------+
type Insn struct {
	Op  uint8
	Dst uint8 // 0..10
	Src uint8 // 0..10, or a Pseudo* number
	Off int16
	Imm int32
}

// Instruction classes, the low three bits of an opcode.
const (
	ClassLD    = uint8(asm.LdClass)
	ClassLDX   = uint8(asm.LdXClass)
	ClassST    = uint8(asm.StClass)
	ClassSTX   = uint8(asm.StXClass)
	ClassALU   = uint8(asm.ALUClass)
	ClassJMP   = uint8(asm.JumpClass)
	ClassJMP32 = uint8(asm.Jump32Class)
	ClassALU64 = uint8(asm.ALU64Class)
)

// Source bit of ALU and jump opcodes.
const (
	SrcK = uint8(0x00) // operand is Imm
	SrcX = uint8(0x08) // operand is register Src
)

// Access sizes of load and store opcodes.
const (
	SizeW  = uint8(0x00)
	SizeH  = uint8(0x08)
	SizeB  = uint8(0x10)
	SizeDW = uint8(0x18)
)

// Modes of load and store opcodes.
const (
	ModeIMM    = uint8(0x00)
	ModeABS    = uint8(0x20)
	ModeIND    = uint8(0x40)
	ModeMEM    = uint8(0x60)
	ModeMEMSX  = uint8(0x80)
	ModeATOMIC = uint8(0xc0)
)

// ALU operations, the high four bits of an ALU opcode.
const (
	ALUAdd  = uint8(0x00)
	ALUSub  = uint8(0x10)
	ALUMul  = uint8(0x20)
	ALUDiv  = uint8(0x30) // Off == 1: signed
	ALUOr   = uint8(0x40)
	ALUAnd  = uint8(0x50)
	ALULsh  = uint8(0x60)
	ALURsh  = uint8(0x70)
	ALUNeg  = uint8(0x80)
	ALUMod  = uint8(0x90) // Off == 1: signed
	ALUXor  = uint8(0xa0)
	ALUMov  = uint8(0xb0) // Off == 8, 16, 32: sign-extending (movsx)
	ALUArsh = uint8(0xc0)
	// ALUSelect is no operation of eBPF's: see [Select].
	ALUSelect = uint8(0xe0)
	ALUEnd    = uint8(0xd0) // ALU: le/be by source bit; ALU64: bswap
)

// Jump operations, the high four bits of a jump opcode.
const (
	JmpA    = uint8(0x00) // JMP: by Off; JMP32 (gotol): by Imm
	JmpEQ   = uint8(0x10)
	JmpGT   = uint8(0x20)
	JmpGE   = uint8(0x30)
	JmpSET  = uint8(0x40)
	JmpNE   = uint8(0x50)
	JmpSGT  = uint8(0x60)
	JmpSGE  = uint8(0x70)
	JmpCall = uint8(0x80)
	JmpExit = uint8(0x90)
	JmpLT   = uint8(0xa0)
	JmpLE   = uint8(0xb0)
	JmpSLT  = uint8(0xc0)
	JmpSLE  = uint8(0xd0)
	JmpCOND = uint8(0xe0) // may_goto
)

// Whole opcodes that are asked for by name.
const (
	OpLDDW  = ClassLD | ModeIMM | SizeDW // 0x18
	OpExit  = ClassJMP | JmpExit         // 0x95
	OpCall  = ClassJMP | JmpCall         // 0x85
	OpCallX = ClassJMP | JmpCall | SrcX  // 0x8d
	OpJA    = ClassJMP | JmpA            // 0x05
	OpJA32  = ClassJMP32 | JmpA          // 0x06, gotol
	OpMayGo = ClassJMP | JmpCOND         // 0xe5
)

// What the Src field of a lddw says of its constant, after linking by
// host/loader (the numbers are the kernel's BPF_PSEUDO_*; uapi/linux/bpf.h).
const (
	PseudoNone     = uint8(0) // a plain 64-bit constant
	PseudoMapFD    = uint8(1) // Imm is an index into the program's maps: the map itself
	PseudoMapValue = uint8(2) // Imm is a map index, the next slot's Imm an offset: address in its first value
	PseudoBTFID    = uint8(3) // address of a kernel variable (not supported by the VM)
	PseudoFunc     = uint8(4) // Imm is the slot where a callback starts, relative to the next instruction
)

// What the Src field of a call says.
const (
	CallHelper = uint8(0) // Imm is a helper number
	CallLocal  = uint8(1) // Imm is the callee's slot relative to the next instruction
	CallKfunc  = uint8(2) // Imm names a kernel function
)

// Atomic operations, in Imm of an STX|ATOMIC instruction.
const (
	AtomicAdd     = int32(0x00)
	AtomicOr      = int32(0x40)
	AtomicAnd     = int32(0x50)
	AtomicXor     = int32(0xa0)
	AtomicFetch   = int32(0x01) // flag
	AtomicXchg    = int32(0xe1)
	AtomicCmpXchg = int32(0xf1)
	AtomicLoadAcq = int32(0x100)
	AtomicStRel   = int32(0x110)
)

// Class returns the low three bits of the opcode.
func (i Insn) Class() uint8 { return i.Op & 7 }

// ALUOp returns the operation bits of an ALU or jump opcode.
func (i Insn) ALUOp() uint8 { return i.Op & 0xf0 }

// JmpOp returns the operation bits of a jump opcode.
func (i Insn) JmpOp() uint8 { return i.Op & 0xf0 }

// Mode returns the mode bits of a load or store opcode.
func (i Insn) Mode() uint8 { return i.Op & 0xe0 }

// Size returns the bytes a load or store moves: 1, 2, 4 or 8.
func (i Insn) Size() int {
	switch i.Op & 0x18 {
	case SizeB:
		return 1
	case SizeH:
		return 2
	case SizeW:
		return 4
	}
	return 8
}

// IsWide says whether the instruction takes two slots (lddw).
func (i Insn) IsWide() bool { return i.Op == OpLDDW }

// IsLoad says whether the instruction reads memory through a register.
func (i Insn) IsLoad() bool { return i.Class() == ClassLDX }

// IsStore says whether it writes memory through a register; atomics do.
func (i Insn) IsStore() bool { return i.Class() == ClassST || i.Class() == ClassSTX }

// IsAtomic says whether the instruction is a read-modify-write of memory.
func (i Insn) IsAtomic() bool { return i.Class() == ClassSTX && i.Mode() == ModeATOMIC }

// IsCondJump says whether the instruction is a two-way branch.
func (i Insn) IsCondJump() bool {
	c := i.Class()
	if c != ClassJMP && c != ClassJMP32 {
		return false
	}
	switch i.JmpOp() {
	case JmpA, JmpCall, JmpExit:
		return false
	}
	return true
}

// IsGoto says whether the instruction always jumps.
func (i Insn) IsGoto() bool { return i.Op == OpJA || i.Op == OpJA32 }

// Jumps says whether the instruction jumps, always or on a condition.
func (i Insn) Jumps() bool { return i.IsCondJump() || i.IsGoto() }

// Ends says whether control never falls through to the next instruction.
func (i Insn) Ends() bool { return i.Op == OpExit || i.IsGoto() }

// Const64 joins the two slots of a wide instruction.
func Const64(lo, hi Insn) uint64 { return uint64(uint32(lo.Imm)) | uint64(uint32(hi.Imm))<<32 }

// Decode turns raw little-endian bytes into slots. It checks only the length;
// what a slot means is checked by whoever runs it.
func Decode(raw []byte) ([]Insn, error) {
	if len(raw)%8 != 0 {
		return nil, fmt.Errorf("code of %d bytes: not a multiple of 8", len(raw))
	}
	out := make([]Insn, len(raw)/8)
	for i := range out {
		b := raw[8*i:]
		out[i] = Insn{
			Op: b[0], Dst: b[1] & 15, Src: b[1] >> 4,
			Off: int16(binary.LittleEndian.Uint16(b[2:])),
			Imm: int32(binary.LittleEndian.Uint32(b[4:])),
		}
	}
	return out, nil
}

// Encode is the inverse of Decode.
func Encode(insns []Insn) []byte {
	out := make([]byte, 8*len(insns))
	for i, in := range insns {
		b := out[8*i:]
		b[0], b[1] = in.Op, in.Dst&15|in.Src<<4
		binary.LittleEndian.PutUint16(b[2:], uint16(in.Off))
		binary.LittleEndian.PutUint32(b[4:], uint32(in.Imm))
	}
	return out
}
