package asm

import (
	"encoding/binary"
	"fmt"
	"math"
)

// amd64 writes x86-64 code (Intel SDM, volume 2). The commonest instructions
// need RAX, RCX and RDX for themselves: RCX is T0, RAX and RDX are R0 and R3.
type amd64 struct {
	labels
	b []byte
}

// Machine registers by their number in encodings.
const (
	rax = uint8(iota)
	rcx
	rdx
	rbx
	rsp
	rbp
	rsi
	rdi
	r8
	r9
	r10
	r11
	r12
	r13
	r14
	r15
)

// hw maps registers to the machine's. BPF's first five arguments stand where
// the System V convention has them, but for RCX.
var hw = [...]uint8{
	R0: rax, R1: rdi, R2: rsi, R3: rdx, R4: r9, R5: r8,
	R6: rbx, R7: r13, R8: r15, R9: r12, R10: rbp,
	T0: rcx, T1: r10, Base: r11, Ctx: r14,
}

func (a *amd64) Name() string { return "amd64" }
func (a *amd64) Reset()       { a.reset(); a.b = a.b[:0] }
func (a *amd64) Raw(b []byte) { a.b = append(a.b, b...) }
func (a *amd64) Len() int     { return len(a.b) }
func (a *amd64) Bind(l Label) { a.bind(l, len(a.b)) }

func (a *amd64) emit(b ...byte) { a.b = append(a.b, b...) }
func (a *amd64) byte(b byte)    { a.b = append(a.b, b) }
func (a *amd64) imm32(k int32)  { a.b = binary.LittleEndian.AppendUint32(a.b, uint32(k)) }
func (a *amd64) imm64(k uint64) { a.b = binary.LittleEndian.AppendUint64(a.b, k) }
func bit3(r uint8) uint8        { return r >> 3 & 1 }
func isByte(k int32) bool       { return k == int32(int8(k)) }
func fits32(v uint64) bool      { return v == uint64(int64(int32(v))) }

// rex writes a REX prefix where one is needed. force asks for one all the same:
// for the low bytes of RSP, RBP, RSI and RDI.
func (a *amd64) rex(wide bool, reg, index, base uint8, force bool) {
	p := uint8(0x40) | bit3(reg)<<2 | bit3(index)<<1 | bit3(base)
	if wide {
		p |= 8
	}
	if p != 0x40 || force {
		a.byte(p)
	}
}

// rr writes an instruction on two registers: op /r with rm a register. Opcodes
// above 0xff have 0x0f before them.
func (a *amd64) rr(op uint16, wide bool, reg, rm uint8) { a.rrForce(op, wide, reg, rm, false) }

func (a *amd64) rrForce(op uint16, wide bool, reg, rm uint8, force bool) {
	a.rex(wide, reg, 0, rm, force)
	a.opcode(op)
	a.byte(0xc0 | reg&7<<3 | rm&7)
}

func (a *amd64) opcode(op uint16) {
	if op > 0xff {
		a.byte(0x0f)
	}
	a.byte(uint8(op))
}

// rm writes an instruction on a register and memory.
func (a *amd64) rm(op uint16, wide bool, reg uint8, m Mem, force bool) {
	base, index := hw[m.Base], uint8(0)
	if m.Index != None {
		index = hw[m.Index]
	}
	a.rex(wide, reg, index, base, force)
	a.opcode(op)
	mod := uint8(2)
	switch {
	case m.Disp == 0 && base&7 != rbp:
		mod = 0
	case isByte(m.Disp):
		mod = 1
	}
	if m.Index == None && base&7 != rsp {
		a.byte(mod<<6 | reg&7<<3 | base&7)
	} else {
		i := index & 7
		if m.Index == None {
			i = rsp // none
		}
		a.emit(mod<<6|reg&7<<3|rsp, i<<3|base&7)
	}
	switch mod {
	case 1:
		a.byte(uint8(m.Disp))
	case 2:
		a.imm32(m.Disp)
	}
}

func (a *amd64) Mov(wide bool, d, s Reg) {
	if d == s && wide {
		return
	}
	a.rr(0x89, wide, hw[s], hw[d])
}

func (a *amd64) Imm(d Reg, v uint64) {
	r := hw[d]
	switch {
	case v == 0:
		a.rr(0x31, false, r, r)
	case v <= math.MaxUint32:
		a.rex(false, 0, 0, r, false)
		a.byte(0xb8 | r&7)
		a.imm32(int32(v))
	case fits32(v):
		a.rr(0xc7, true, 0, r)
		a.imm32(int32(v))
	default:
		a.rex(true, 0, 0, r, false)
		a.byte(0xb8 | r&7)
		a.imm64(v)
	}
}

func (a *amd64) Zext(size int, d, s Reg) {
	switch size {
	case 1:
		a.rrForce(0x1b6, false, hw[d], hw[s], true)
	case 2:
		a.rr(0x1b7, false, hw[d], hw[s])
	case 4:
		a.rr(0x89, false, hw[s], hw[d])
	default:
		a.Mov(true, d, s)
	}
}

func (a *amd64) Sext(size int, d, s Reg) {
	switch size {
	case 1:
		a.rrForce(0x1be, true, hw[d], hw[s], true)
	case 2:
		a.rr(0x1bf, true, hw[d], hw[s])
	case 4:
		a.rr(0x63, true, hw[d], hw[s])
	default:
		a.Mov(true, d, s)
	}
}

// aluRR and aluK are the opcodes of operations on registers, and their number
// in the group with a constant.
var (
	aluRR = [...]uint16{Add: 0x01, Sub: 0x29, And: 0x21, Or: 0x09, Xor: 0x31}
	aluK  = [...]uint8{Add: 0, Sub: 5, And: 4, Or: 1, Xor: 6}
	shift = [...]uint8{Lsh: 4, Rsh: 5, Arsh: 7}
)

func (a *amd64) Op(op Op, wide bool, d, s Reg) {
	switch op {
	case Mul:
		a.rr(0x1af, wide, hw[d], hw[s])
	case Lsh, Rsh, Arsh:
		a.Mov(true, T0, s)
		a.rr(0xd3, wide, shift[op], hw[d])
	default:
		a.rr(aluRR[op], wide, hw[s], hw[d])
	}
}

func (a *amd64) OpK(op Op, wide bool, d Reg, k int32) {
	switch op {
	case Mul:
		a.rr(0x69, wide, hw[d], hw[d])
		a.imm32(k)
	case Lsh, Rsh, Arsh:
		a.rr(0xc1, wide, shift[op], hw[d])
		if wide {
			k &= 63
		}
		a.byte(uint8(k & 63))
	default:
		a.groupK(aluK[op], wide, hw[d], k)
	}
}

// groupK is an operation of the group 0x81 with a constant.
func (a *amd64) groupK(n uint8, wide bool, d uint8, k int32) {
	if isByte(k) {
		a.rr(0x83, wide, n, d)
		a.byte(uint8(k))
		return
	}
	a.rr(0x81, wide, n, d)
	a.imm32(k)
}

func (a *amd64) Neg(wide bool, d Reg) { a.rr(0xf7, wide, 3, hw[d]) }

// Div puts the divisor in RCX, and RAX and RDX aside in R10 and on the stack.
func (a *amd64) Div(wide, sign, mod bool, d, s Reg) {
	a.Mov(true, T0, s)
	zero, minus, end := a.NewLabel(), a.NewLabel(), a.NewLabel()
	a.BrK(EQ, wide, T0, 0, zero)
	if sign {
		a.BrK(EQ, wide, T0, -1, minus)
	}
	a.Mov(true, T1, R0)
	a.byte(0x50 | rdx) // push rdx
	a.Mov(true, R0, d)
	switch {
	case !sign:
		a.rr(0x31, false, rdx, rdx)
		a.rr(0xf7, wide, 6, rcx)
	case wide:
		a.emit(0x48, 0x99) // cqo
		a.rr(0xf7, true, 7, rcx)
	default:
		a.byte(0x99) // cdq
		a.rr(0xf7, false, 7, rcx)
	}
	if mod {
		a.Mov(wide, T0, R3)
	} else {
		a.Mov(wide, T0, R0)
	}
	a.byte(0x58 | rdx) // pop rdx
	a.Mov(true, R0, T1)
	a.Mov(true, d, T0)
	a.Jmp(end)
	a.Bind(zero)
	switch {
	case !mod:
		a.Imm(d, 0)
	case !wide:
		a.Mov(false, d, d)
	}
	if sign {
		a.Jmp(end)
		a.Bind(minus)
		if mod {
			a.Imm(d, 0)
		} else {
			a.Neg(wide, d)
		}
	}
	a.Bind(end)
}

func (a *amd64) Swap(size int, d Reg) {
	r := hw[d]
	switch size {
	case 2:
		a.byte(0x66) // rol r16, 8
		a.rr(0xc1, false, 0, r)
		a.byte(8)
		a.Zext(2, d, d)
	default:
		a.rex(size == 8, 0, 0, r, false)
		a.emit(0x0f, 0xc8|r&7)
	}
}

func (a *amd64) MulFold(d, s Reg) {
	a.Mov(true, R0, d)
	if s == R0 {
		a.Mov(true, T0, s)
		s = T0
	}
	a.rr(0xf7, true, 4, hw[s])
	a.rr(0x31, true, rdx, rax)
	a.Mov(true, d, R0)
}

func (a *amd64) Load(size int, d Reg, m Mem) {
	switch size {
	case 1:
		a.rm(0x1b6, false, hw[d], m, false)
	case 2:
		a.rm(0x1b7, false, hw[d], m, false)
	default:
		a.rm(0x8b, size == 8, hw[d], m, false)
	}
}

func (a *amd64) LoadS(size int, d Reg, m Mem) {
	switch size {
	case 1:
		a.rm(0x1be, true, hw[d], m, false)
	case 2:
		a.rm(0x1bf, true, hw[d], m, false)
	case 4:
		a.rm(0x63, true, hw[d], m, false)
	default:
		a.Load(8, d, m)
	}
}

func (a *amd64) Store(size int, s Reg, m Mem) {
	switch size {
	case 1:
		a.rm(0x88, false, hw[s], m, true)
	case 2:
		a.byte(0x66)
		a.rm(0x89, false, hw[s], m, false)
	default:
		a.rm(0x89, size == 8, hw[s], m, false)
	}
}

func (a *amd64) StoreK(size int, k int32, m Mem) {
	switch size {
	case 1:
		a.rm(0xc6, false, 0, m, false)
		a.byte(uint8(k))
	case 2:
		a.byte(0x66)
		a.rm(0xc7, false, 0, m, false)
		a.emit(uint8(k), uint8(k>>8))
	default:
		a.rm(0xc7, size == 8, 0, m, false)
		a.imm32(k)
	}
}

func (a *amd64) Lea(d Reg, m Mem) { a.rm(0x8d, true, hw[d], m, false) }

func (a *amd64) AddMem(m Mem, k int32) {
	a.rm(0x81, true, 0, m, false)
	a.imm32(k)
}

// Move16 is by XMM0, which Go's functions of assembly may change.
func (a *amd64) Move16(d, s Mem) {
	a.byte(0xf3)
	a.rm(0x16f, false, 0, s, false) // movdqu xmm0, s
	a.byte(0xf3)
	a.rm(0x17f, false, 0, d, false) // movdqu d, xmm0
}

// ccs are condition codes.
var ccs = [numConds]uint8{EQ: 4, NE: 5, LT: 2, LE: 6, GT: 7, GE: 3, SLT: 12, SLE: 14, SGT: 15, SGE: 13}

// signed is the condition "result below zero".
const signed = 8

func (a *amd64) jcc(cc uint8, l Label) {
	a.emit(0x0f, 0x80|cc)
	a.jump(l)
}

// jump leaves room for a distance.
func (a *amd64) jump(l Label) {
	a.fix = append(a.fix, fixup{at: int32(len(a.b)), label: l})
	a.imm32(0)
}

func (a *amd64) Br(c Cond, wide bool, x, y Reg, l Label) {
	a.rr(0x39, wide, hw[y], hw[x])
	a.jcc(ccs[c], l)
}

func (a *amd64) BrK(c Cond, wide bool, x Reg, k int32, l Label) {
	if k == 0 && (c == EQ || c == NE) {
		a.rr(0x85, wide, hw[x], hw[x])
	} else {
		a.groupK(7, wide, hw[x], k)
	}
	a.jcc(ccs[c], l)
}

func (a *amd64) BrSet(wide bool, x, y Reg, l Label) {
	a.rr(0x85, wide, hw[y], hw[x])
	a.jcc(ccs[NE], l)
}

func (a *amd64) BrSetK(wide bool, x Reg, k int32, l Label) {
	a.rr(0xf7, wide, 0, hw[x])
	a.imm32(k)
	a.jcc(ccs[NE], l)
}

func (a *amd64) BrMem(c Cond, x Reg, m Mem, l Label) {
	a.rm(0x3b, true, hw[x], m, false)
	a.jcc(ccs[c], l)
}

func (a *amd64) BrSub(m Mem, k int32, l Label) {
	a.rm(0x81, true, 5, m, false)
	a.imm32(k)
	a.jcc(signed, l)
}

func (a *amd64) Jmp(l Label) {
	a.byte(0xe9)
	a.jump(l)
}

func (a *amd64) JmpReg(r Reg) { a.rr(0xff, false, 4, hw[r]) }
func (a *amd64) JmpMem(m Mem) { a.rm(0xff, false, 4, m, false) }

func (a *amd64) Call(l Label) {
	a.byte(0xe8)
	a.jump(l)
}

func (a *amd64) Ret() { a.byte(0xc3) }

func (a *amd64) LeaLabel(d Reg, l Label) {
	r := hw[d]
	a.rex(true, r, 0, 0, false)
	a.emit(0x8d, r&7<<3|5) // lea r, [rip + distance]
	a.jump(l)
}

func (a *amd64) Code() ([]byte, error) {
	if len(a.b) > math.MaxInt32 {
		return nil, fmt.Errorf("native code: %d bytes: jumps reach %d", len(a.b), math.MaxInt32)
	}
	for _, f := range a.fix {
		to := a.at[f.label]
		if to < 0 {
			return nil, fmt.Errorf("native code: a jump to a place that was never bound")
		}
		binary.LittleEndian.PutUint32(a.b[f.at:], uint32(to-f.at-4))
	}
	a.fix = a.fix[:0]
	return a.b, nil
}
