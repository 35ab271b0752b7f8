package readback

import (
	"encoding/binary"
	"fmt"
)

// homeAMD64: BPF's registers in rax, rdi, rsi, rdx, r9, r8, rbx, r13, r15, r12,
// rbp; then rcx, r10, r11, r14.
var homeAMD64 = []uint8{0, 7, 6, 2, 9, 8, 3, 13, 15, 12, 5, 1, 10, 11, 14}

// groups by the middle of ModRM.
var (
	groupImm   = [8]Do{0: Add, 1: Or, 4: And, 5: Sub, 6: Xor, 7: Cmp}
	groupShift = [8]Do{4: Lsh, 5: Rsh, 7: Arsh}
	aluAMD64   = [256]Do{0x01: Add, 0x09: Or, 0x21: And, 0x29: Sub, 0x31: Xor, 0x39: Cmp, 0x85: Test}
	condAMD64  = [16]Cond{2: LT, 3: GE, 4: EQ, 5: NE, 6: LE, 7: GT, 8: Minus, 12: SLT, 13: SGE, 14: SLE, 15: SGT}
)

// x86 is an instruction being read (Intel SDM, volume 2, chapter 2).
type x86 struct {
	b        *[maxLen]byte // padded
	i        int
	rex      byte
	reg, rm  uint8
	mem, rip bool
	in       *Inst
	bad      bool
}

// rexes is what a REX prefix may say of an opcode.
type rexes uint8

const (
	asks  rexes = 1 << iota // registers
	sized                   // the width
	low                     // that a byte is a low one
	group                   // not the middle of ModRM, which is an opcode
	plain                   // nor that and an index: there is no ModRM
)

// rexOne and rexTwo are of opcodes of one byte, and of those behind 0x0f.
var rexOne, rexTwo = func() (one, two [256]rexes) {
	set := func(r *rexes, of rexes, is bool) {
		if is {
			*r |= of
		}
	}
	for i := range 256 {
		op := byte(i)
		set(&one[i], asks, op != 0xe8 && op != 0xe9 && op != 0xc3)
		set(&one[i], sized, op != 0x88 && op != 0xc6 && op != 0xff)
		set(&one[i], low, op == 0x88)
		set(&one[i], plain, op&0xf8 == 0xb8 || op == 0x99)
		set(&two[i], asks, op&0xf0 != 0x80)
		set(&two[i], sized, op == 0xbe || op == 0xbf || op == 0xaf || op&0xf8 == 0xc8)
		set(&two[i], low, op == 0xb6 || op == 0xbe)
		set(&two[i], plain, op&0xf8 == 0xc8)
	}
	for _, op := range []byte{0x81, 0x83, 0xc1, 0xc6, 0xc7, 0xd3, 0xf7, 0xff} {
		one[op] |= group
	}
	return one, two
}()

// wrong says whether a prefix says something else: one that changes nothing is none
// that is written.
func (r rexes) wrong(rex byte) bool {
	return rex != 0 && (r&asks == 0 || rex&8 != 0 && r&sized == 0 || rex == 0x40 && r&low == 0 ||
		r&group != 0 && rex&4 != 0 || r&plain != 0 && rex&6 != 0)
}

func (x *x86) byte() byte { x.i++; return x.b[(x.i-1)&(maxLen-1)] }

func (x *x86) imm8() int64 { return int64(int8(x.byte())) }

func (x *x86) imm32() int64 {
	x.i += 4
	return int64(int32(binary.LittleEndian.Uint32(x.b[x.i-4:])))
}

// modrm reads the operands: a register and a register or an address.
func (x *x86) modrm() {
	m := x.byte()
	x.reg = m>>3&7 | x.rex<<1&8
	x.rm = m&7 | x.rex<<3&8
	mod := m >> 6
	if mod == 3 {
		x.bad = x.bad || x.rex&2 != 0
		return
	}
	x.mem = true
	in := x.in
	in.Base, in.Index = x.rm, None
	x.bad = x.bad || x.rex&2 != 0 && m&7 != 4
	switch {
	case m&7 == 4:
		sib := x.byte()
		x.bad = x.bad || sib>>6 != 0
		in.Base = sib&7 | x.rex<<3&8
		if i := sib>>3&7 | x.rex<<2&8; i != 4 {
			in.Index = i
		}
		x.bad = x.bad || mod == 0 && sib&7 == 5
	case mod == 0 && m&7 == 5:
		x.rip = true
		in.Disp = x.imm32()
		return
	}
	switch mod {
	case 1:
		in.Disp = x.imm8()
	case 2:
		in.Disp = x.imm32()
	}
}

// maxLen is the longest instruction.
const maxLen = 16

func scanAMD64(code []byte, at int, in *Inst) error {
	if uint(at) >= uint(len(code)) {
		return fmt.Errorf("byte %d: outside of the code", at)
	}
	*in = Inst{Dst: None, A: None, B: None, C: None, Base: None, Index: None}
	x := x86{in: in}
	if len(code)-at >= maxLen {
		x.b = (*[maxLen]byte)(code[at:])
	} else {
		x.b = new([maxLen]byte)
		copy(x.b[:], code[at:])
	}
	short, rep := false, false
	switch x.b[0] {
	case 0x66:
		short = true
		x.i++
	case 0xf3:
		rep = true
		x.i++
	}
	if x.b[x.i]&0xf0 == 0x40 {
		x.rex = x.byte()
	}
	in.Wide = x.rex&8 != 0
	op := x.byte()
	two := op == 0x0f
	if two {
		op = x.byte()
		x.two(op, rep)
		x.bad = x.bad || rexTwo[op].wrong(x.rex)
	} else {
		x.one(op, short)
		x.bad = x.bad || rexOne[op].wrong(x.rex)
	}
	in.Len = uint8(x.i)
	if short && (two || op != 0x89 && op != 0xc7 && op != 0xc1) || rep && !(two && (op == 0x6f || op == 0x7f)) {
		x.bad = true
	}
	if x.rip && in.Do != Adr {
		x.bad = true
	}
	if in.Do == Bad || x.bad || at+x.i > len(code) {
		return unknown(at, fmt.Sprintf("% x", code[at:min(len(code), at+max(x.i, 1))]))
	}
	switch in.Do {
	case Branch, Jump, Call, Adr:
		in.To += at + x.i
	}
	return nil
}

// lowByte says whether the low byte of a register can be named.
func (x *x86) lowByte(r uint8) bool { return x.rex != 0 || r < 4 }

func (x *x86) operand() uint8 { // of 4 or 8 bytes
	if x.in.Wide {
		return 8
	}
	return 4
}

// one reads an opcode of one byte.
func (x *x86) one(op byte, short bool) {
	in := x.in
	switch op {
	case 0x01, 0x09, 0x21, 0x29, 0x31, 0x39, 0x85:
		x.modrm()
		if !x.mem {
			in.Do, in.Dst, in.A, in.B = aluAMD64[op], x.rm, x.rm, x.reg
			in.Flags = in.Do == Cmp || in.Do == Test
		}
	case 0x3b:
		if x.modrm(); x.mem && in.Wide {
			in.Do, in.A, in.Size = CmpMem, x.reg, 8
		}
	case 0x63:
		if x.modrm(); in.Wide {
			in.Do, in.Dst, in.A, in.Size = Sext, x.reg, x.rm, 4
			if x.mem {
				in.Do = LoadS
			}
		}
	case 0x69:
		if x.modrm(); !x.mem {
			in.Do, in.Dst, in.A = Mul, x.reg, x.rm
			in.Imm = uint64(x.imm32())
		}
	case 0x81, 0x83:
		x.modrm()
		do := groupImm[x.reg&7]
		if op == 0x81 {
			in.Imm = uint64(x.imm32())
		} else {
			in.Imm = uint64(x.imm8())
		}
		switch {
		case !x.mem:
			in.Do, in.Dst, in.A = do, x.rm, x.rm
			in.Flags = do == Cmp
		case in.Wide && (do == Add || do == Sub):
			in.Do, in.Size, in.Flags = AddMem, 8, do == Sub
		}
	case 0x88:
		if x.modrm(); x.mem && x.lowByte(x.reg) {
			in.Do, in.B, in.Size = Store, x.reg, 1
		}
	case 0x89:
		x.modrm()
		switch {
		case !x.mem && !short:
			in.Do, in.Dst, in.B = Move, x.rm, x.reg
		case x.mem && short && !in.Wide:
			in.Do, in.B, in.Size = Store, x.reg, 2
		case x.mem && !short:
			in.Do, in.B, in.Size = Store, x.reg, x.operand()
		}
	case 0x8b:
		if x.modrm(); x.mem {
			in.Do, in.Dst, in.Size = Load, x.reg, x.operand()
		}
	case 0x8d:
		x.modrm()
		switch {
		case x.rip && in.Wide:
			in.Do, in.Dst, in.To = Adr, x.reg, int(in.Disp)
		case x.mem && in.Wide:
			in.Do, in.Dst = Lea, x.reg
		}
	case 0xb8, 0xb9, 0xba, 0xbb, 0xbc, 0xbd, 0xbe, 0xbf:
		in.Do, in.Dst = Move, op&7|x.rex<<3&8
		if in.Wide {
			x.i += 8
			in.Imm = binary.LittleEndian.Uint64(x.b[x.i-8:])
		} else {
			in.Imm = uint64(uint32(x.imm32()))
		}
	case 0xc1:
		x.modrm()
		n := x.byte()
		switch {
		case x.mem:
		case short && !in.Wide && x.reg&7 == 0 && n == 8:
			in.Do, in.Dst, in.A, in.Size = Swap, x.rm, x.rm, 2
		case !short:
			in.Do, in.Dst, in.A, in.Imm = groupShift[x.reg&7], x.rm, x.rm, uint64(n)
		}
	case 0xc6:
		if x.modrm(); x.mem && x.reg&7 == 0 {
			in.Do, in.Size, in.Imm = Store, 1, uint64(x.imm8())
		}
	case 0xc7:
		x.modrm()
		switch {
		case x.reg&7 != 0:
		case short && x.mem && !in.Wide:
			x.i += 2
			in.Do, in.Size, in.Imm = Store, 2, uint64(binary.LittleEndian.Uint16(x.b[x.i-2:]))
		case short:
		case x.mem:
			in.Do, in.Size, in.Imm = Store, x.operand(), uint64(x.imm32())
		case in.Wide:
			in.Do, in.Dst, in.Imm = Move, x.rm, uint64(x.imm32())
		}
	case 0xd3:
		if x.modrm(); !x.mem {
			in.Do, in.Dst, in.A, in.B = groupShift[x.reg&7], x.rm, x.rm, 1 // rcx
		}
	case 0xf7:
		x.unary()
	case 0x50, 0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x57:
		in.Do, in.A = Push, op&7
		x.bad = x.rex != 0
	case 0x58, 0x59, 0x5a, 0x5b, 0x5c, 0x5d, 0x5e, 0x5f:
		in.Do, in.Dst = Pop, op&7
		x.bad = x.rex != 0
	case 0x99:
		in.Do, in.Dst, in.C = Spread, 2, 0
	case 0xc3:
		in.Do = Ret
	case 0xe8:
		in.Do, in.To = Call, int(x.imm32())
	case 0xe9:
		in.Do, in.To = Jump, int(x.imm32())
	case 0xff:
		if x.modrm(); x.reg&7 == 4 {
			in.Do, in.A = JumpTo, x.rm
			if x.mem {
				in.Do, in.Size = JumpMem, 8
			}
		}
	}
}

// unary reads the group 0xf7.
func (x *x86) unary() {
	in := x.in
	if x.modrm(); x.mem {
		return
	}
	in.A = x.rm
	switch x.reg & 7 {
	case 0:
		in.Do, in.Flags, in.Imm = Test, true, uint64(x.imm32())
	case 3: // 0 - rm
		in.Do, in.Dst, in.B, in.A = Sub, x.rm, x.rm, None
	case 4:
		in.Do, in.Dst, in.C = Wide, 2, 0
	case 6, 7:
		in.Do, in.Dst, in.C, in.Signed = DivWide, 2, 0, x.reg&7 == 7
	}
}

// two reads an opcode behind 0x0f.
func (x *x86) two(op byte, rep bool) {
	in := x.in
	switch {
	case op == 0xb6, op == 0xb7, op == 0xbe, op == 0xbf:
		x.modrm()
		in.Dst, in.A, in.Size = x.reg, x.rm, 1+op&1
		do := Zext
		switch {
		case op < 0xbe && x.mem:
			do = Load
		case op >= 0xbe && x.mem:
			do = LoadS
		case op >= 0xbe:
			do = Sext
		}
		if op < 0xbe || in.Wide {
			in.Do = do
		}
		x.bad = x.bad || !x.mem && in.Size == 1 && !x.lowByte(x.rm)
	case op == 0xaf:
		if x.modrm(); !x.mem {
			in.Do, in.Dst, in.A, in.B = Mul, x.reg, x.reg, x.rm
		}
	case op&0xf8 == 0xc8:
		r := op&7 | x.rex<<3&8
		in.Do, in.Dst, in.A, in.Size = Swap, r, r, x.operand()
	case op&0xf0 == 0x80:
		in.Cond = condAMD64[op&15]
		in.To = int(x.imm32())
		if in.Cond != Never {
			in.Do = Branch
		}
	case (op == 0x6f || op == 0x7f) && rep:
		if x.modrm(); x.mem && x.reg == 0 {
			in.Do, in.Size = Load16, 16
			if op == 0x7f {
				in.Do = Store16
			}
		}
	}
}
