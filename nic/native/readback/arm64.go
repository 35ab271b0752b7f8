package readback

import (
	"encoding/binary"
	"fmt"
)

// homeARM64: BPF's registers in x0 to x9 and x12; then x10, x11, x20, x21.
var homeARM64 = []uint8{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 10, 11, 20, 21}

var condARM64 = [16]Cond{0: EQ, 1: NE, 2: GE, 3: LT, 4: Minus, 8: GT, 9: LE, 10: SGE, 11: SLT, 12: SGT, 13: SLE}

// class is a class of instructions: those whose bits under mask are bits
// (Arm ARM, C4).
type class struct {
	mask, bits uint32
	read       func(w uint32, in *Inst)
}

var classes = []class{
	{0x1fe0fc00, 0x0a000000, logical},
	{0x1fe0fc00, 0x0b000000, addReg},
	{0x1fc00000, 0x11000000, addImm},
	{0x1f800000, 0x12800000, moveWide},
	{0x1f800000, 0x13000000, bitfield},
	{0x7fe00000, 0x1ac00000, twoSources},
	{0x7ffff000, 0x5ac00000, reverse},
	{0x7fe00000, 0x1b000000, threeSources},
	{0xffe0fc00, 0x9bc07c00, func(w uint32, in *Inst) { in.Do, in.Wide = MulHi, true }},
	{0x3b20fc00, 0x38206800, memReg},
	{0x3b000000, 0x39000000, memImm},
	{0xfc000000, 0x14000000, func(w uint32, in *Inst) { in.Do, in.To = Jump, signed(w, 0, 26)*4 }},
	{0xfc000000, 0x94000000, func(w uint32, in *Inst) { in.Do, in.To = Call, signed(w, 0, 26)*4 }},
	{0xff000010, 0x54000000, func(w uint32, in *Inst) {
		if in.Cond = condARM64[w&15]; in.Cond != Never {
			in.Do, in.To = Branch, signed(w, 5, 19)*4
		}
	}},
	{0x9f000000, 0x10000000, func(w uint32, in *Inst) { in.Do, in.To = Adr, signed(w, 5, 19)*4+int(w>>29&3) }},
	{0xfffffc1f, 0xd61f0000, func(w uint32, in *Inst) { in.Do, in.A = JumpTo, uint8(w>>5&31) }},
	{0xffffffff, 0xd65f03c0, func(w uint32, in *Inst) { in.Do = Ret }},
}

// signed is a number of n bits from bit at on.
func signed(w uint32, at, n int) int { return int(int32(w<<(32-at-n)) >> (32 - n)) }

func scanARM64(code []byte, at int, in *Inst) error {
	if at < 0 || at&3 != 0 || at+4 > len(code) {
		return fmt.Errorf("byte %d: outside of the code", at)
	}
	w := binary.LittleEndian.Uint32(code[at:])
	for i := range classes {
		c := &classes[i]
		if w&c.mask != c.bits {
			continue
		}
		*in = Inst{Len: 4, Wide: w>>31 != 0, Dst: uint8(w & 31), A: uint8(w >> 5 & 31), B: uint8(w >> 16 & 31), C: None, Base: None, Index: None}
		c.read(w, in)
		switch in.Do {
		case Branch, Jump, Call, Adr:
			in.To += at
		case Bad:
			return unknown(at, fmt.Sprintf("%08x", w))
		}
		return nil
	}
	return unknown(at, fmt.Sprintf("%08x", w))
}

func logical(w uint32, in *Inst) {
	in.Do = [4]Do{And, Or, Xor, And}[w>>29&3]
	if w>>29&3 == 3 {
		in.Flags = true
		if in.Dst == zero {
			in.Do = Test
		}
	}
}

// arithmetic is what addition and subtraction share: bit 30 subtracts, bit 29
// sets flags.
func arithmetic(w uint32, in *Inst) {
	in.Do, in.Flags = Add, w>>29&1 != 0
	if w>>30&1 != 0 {
		in.Do = Sub
	}
}

func addReg(w uint32, in *Inst) { arithmetic(w, in) }

// addImm: number 31 is the stack pointer here, which isn't touched, but where
// only flags are asked for.
func addImm(w uint32, in *Inst) {
	in.B, in.Imm = None, uint64(w>>10&0xfff)
	arithmetic(w, in)
	if in.A == zero || in.Dst == zero && !in.Flags {
		in.Do = Bad
	}
}

func moveWide(w uint32, in *Inst) {
	shift := w >> 21 & 3 * 16
	in.A, in.B, in.Imm = None, None, uint64(w>>5&0xffff)<<shift
	if !in.Wide && shift > 16 {
		return
	}
	switch w >> 29 & 3 {
	case 0:
		in.Do, in.Imm = Move, ^in.Imm
	case 2:
		in.Do = Move
	case 3:
		in.Do, in.Shift = MoveK, uint8(shift)
	}
}

func bitfield(w uint32, in *Inst) {
	in.B, in.Shift, in.Imm = None, uint8(w>>16&63), uint64(w>>10&63)
	if opc := w >> 29 & 3; opc&1 == 0 && w>>22&1 == w>>31 && (in.Wide || in.Shift < 32 && in.Imm < 32) {
		in.Do, in.Signed = Field, opc == 0
	}
}

func twoSources(w uint32, in *Inst) {
	in.Do = map[uint32]Do{2: UDiv, 3: SDiv, 8: Lsh, 9: Rsh, 10: Arsh}[w>>10&63]
}

// reverse: of rev16 only the low half's first two bytes are made use of, as
// Swap has them.
func reverse(w uint32, in *Inst) {
	in.B = None
	switch op := w >> 10 & 3; {
	case op == 1 && !in.Wide:
		in.Do, in.Size = Swap, 2
	case op == 2 && !in.Wide:
		in.Do, in.Size = Swap, 4
	case op == 3 && in.Wide:
		in.Do, in.Size = Swap, 8
	}
}

func threeSources(w uint32, in *Inst) {
	in.Do, in.C = MulAdd, uint8(w>>10&31)
	if w>>15&1 != 0 {
		in.Do = MulSub
	}
}

// access is a load or store: bits 31 and 30 are its size, 23 and 22 what it does,
// 26 says that it is the vector's.
func access(w uint32, in *Inst) {
	in.Wide = true
	in.Size = 1 << (w >> 30)
	in.Base, in.A = in.A, None
	do := w >> 22 & 3
	if w>>26&1 != 0 {
		if in.Dst != 0 || w>>30 != 0 {
			return
		}
		in.Size = 16
		in.Do = [4]Do{2: Store16, 3: Load16}[do]
		return
	}
	in.Do = [4]Do{Store, Load, LoadS, Bad}[do]
	if in.Do == LoadS && in.Size == 8 {
		in.Do = Bad
	}
	if in.Do == Store {
		in.B, in.Dst = in.Dst, None
	}
}

func memReg(w uint32, in *Inst) {
	in.Index, in.B = in.B, None
	access(w, in)
}

func memImm(w uint32, in *Inst) {
	in.B = None
	access(w, in)
	in.Disp = int64(w>>10&0xfff) * int64(in.Size)
}
