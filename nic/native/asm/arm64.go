package asm

import (
	"encoding/binary"
	"fmt"
)

// arm64 writes A64 code (Arm ARM, C6). X16 and X17 are its own for addresses
// and constants, X14 too, X15 keeps the link register over a call. X18 and X28 to X31
// are never written.
type arm64 struct {
	labels
	b []byte
}

const (
	x14 = 14
	x15 = 15
	x16 = 16
	x17 = 17
	x30 = 30
	xzr = 31
)

var hwA = [...]uint32{
	R0: 0, R1: 1, R2: 2, R3: 3, R4: 4, R5: 5, R6: 6, R7: 7, R8: 8, R9: 9, R10: 12,
	T0: 10, T1: 11, Base: 20, Ctx: 21,
}

func (a *arm64) Name() string { return "arm64" }
func (a *arm64) Reset()       { a.reset(); a.b = a.b[:0] }
func (a *arm64) Raw(b []byte) { a.b = append(a.b, b...) }
func (a *arm64) Len() int     { return len(a.b) }
func (a *arm64) Bind(l Label) { a.bind(l, len(a.b)) }

func (a *arm64) w(v uint32) { a.b = binary.LittleEndian.AppendUint32(a.b, v) }

// sf is bit 31 of most instructions: 64 bits.
func sf(wide bool) uint32 {
	if wide {
		return 1 << 31
	}
	return 0
}

// rrr is an instruction on three registers.
func (a *arm64) rrr(op uint32, wide bool, d, n, m uint32) { a.w(op | sf(wide) | m<<16 | n<<5 | d) }

// Opcodes of rrr, without sf.
const (
	aADD  = 0x0b000000
	aSUB  = 0x4b000000
	aSUBS = 0x6b000000
	aAND  = 0x0a000000
	aANDS = 0x6a000000
	aORR  = 0x2a000000
	aEOR  = 0x4a000000
	aMUL  = 0x1b007c00
	aLSLV = 0x1ac02000
	aLSRV = 0x1ac02400
	aASRV = 0x1ac02800
	aUDIV = 0x1ac00800
	aSDIV = 0x1ac00c00
	aUMLH = 0x9bc07c00
)

func (a *arm64) mov(wide bool, d, s uint32) { a.rrr(aORR, wide, d, xzr, s) }

func (a *arm64) Mov(wide bool, d, s Reg) {
	if d != s || !wide {
		a.mov(wide, hwA[d], hwA[s])
	}
}

func (a *arm64) Imm(d Reg, v uint64) { a.imm(hwA[d], v) }

// imm builds a constant from 16-bit pieces, from all zeros or from all ones.
func (a *arm64) imm(d uint32, v uint64) {
	ones, zeros := 0, 0
	for i := 0; i < 64; i += 16 {
		switch uint16(v >> i) {
		case 0:
			zeros++
		case 0xffff:
			ones++
		}
	}
	skip, first := uint16(0), uint32(0xd2800000) // movz
	if ones > zeros {
		skip, first = 0xffff, 0x92800000 // movn
	}
	done := false
	for i := uint32(0); i < 4; i++ {
		p := uint16(v >> (16 * i))
		if p == skip && (done || i < 3) {
			continue
		}
		if done {
			a.w(0xf2800000 | i<<21 | uint32(p)<<5 | d) // movk
			continue
		}
		done = true
		if skip != 0 {
			p = ^p
		}
		a.w(first | i<<21 | uint32(p)<<5 | d)
	}
}

// bitfield is UBFM or SBFM.
func (a *arm64) bitfield(signed, wide bool, d, n, immr, imms uint32) {
	op := uint32(0x53000000)
	if signed {
		op = 0x13000000
	}
	if wide {
		op |= 1<<31 | 1<<22
	}
	a.w(op | immr<<16 | imms<<10 | n<<5 | d)
}

func (a *arm64) Zext(size int, d, s Reg) {
	switch size {
	case 1, 2:
		a.bitfield(false, false, hwA[d], hwA[s], 0, uint32(8*size-1))
	case 4:
		a.mov(false, hwA[d], hwA[s])
	default:
		a.Mov(true, d, s)
	}
}

func (a *arm64) Sext(size int, d, s Reg) {
	if size == 8 {
		a.Mov(true, d, s)
		return
	}
	a.bitfield(true, true, hwA[d], hwA[s], 0, uint32(8*size-1))
}

var armOps = [...]uint32{Add: aADD, Sub: aSUB, And: aAND, Or: aORR, Xor: aEOR, Mul: aMUL, Lsh: aLSLV, Rsh: aLSRV, Arsh: aASRV}

func (a *arm64) Op(op Op, wide bool, d, s Reg) { a.rrr(armOps[op], wide, hwA[d], hwA[d], hwA[s]) }

func (a *arm64) OpK(op Op, wide bool, d Reg, k int32) {
	r := hwA[d]
	bits := uint32(32)
	if wide {
		bits = 64
	}
	switch op {
	case Add, Sub:
		a.addK(wide, r, r, k, op == Sub)
	case Lsh:
		n := uint32(k) & (bits - 1)
		a.bitfield(false, wide, r, r, -n&(bits-1), bits-1-n)
	case Rsh, Arsh:
		a.bitfield(op == Arsh, wide, r, r, uint32(k)&(bits-1), bits-1)
	default:
		a.imm(x16, uint64(int64(k)))
		a.rrr(armOps[op], wide, r, r, x16)
	}
}

// addK is d = n + k, or n - k.
func (a *arm64) addK(wide bool, d, n uint32, k int32, sub bool) {
	v := int64(k)
	if sub {
		v = -v
	}
	switch {
	case v >= 0 && v < 4096:
		a.w(0x11000000 | sf(wide) | uint32(v)<<10 | n<<5 | d)
	case v < 0 && v > -4096:
		a.w(0x51000000 | sf(wide) | uint32(-v)<<10 | n<<5 | d)
	default:
		a.imm(x17, uint64(v))
		a.rrr(aADD, wide, d, n, x17)
	}
}

func (a *arm64) Neg(wide bool, d Reg) { a.rrr(aSUB, wide, hwA[d], xzr, hwA[d]) }

// Div: the machine's division is BPF's but for the remainder.
func (a *arm64) Div(wide, signed, mod bool, d, s Reg) {
	op := uint32(aUDIV)
	if signed {
		op = aSDIV
	}
	if !mod {
		a.rrr(op, wide, hwA[d], hwA[d], hwA[s])
		return
	}
	a.rrr(op, wide, x16, hwA[d], hwA[s])
	// msub d, x16, s, d: d - x16*s
	a.w(0x1b008000 | sf(wide) | hwA[s]<<16 | hwA[d]<<10 | x16<<5 | hwA[d])
}

func (a *arm64) Swap(size int, d Reg) {
	r := hwA[d]
	switch size {
	case 2:
		a.w(0x5ac00400 | r<<5 | r) // rev16
		a.Zext(2, d, d)
	case 4:
		a.w(0x5ac00800 | r<<5 | r)
	default:
		a.w(0xdac00c00 | r<<5 | r)
	}
}

func (a *arm64) MulFold(d, s Reg) {
	a.w(aUMLH | hwA[s]<<16 | hwA[d]<<5 | x16)
	a.rrr(aMUL, true, hwA[d], hwA[d], hwA[s])
	a.rrr(aEOR, true, hwA[d], hwA[d], x16)
}

// Bits of loads and stores: size in 31:30, what to do in 23:22.
const (
	aSTR  = 0 << 22
	aLDR  = 1 << 22
	aLDRS = 2 << 22 // to 64 bits
)

// mem writes a load or store of register t.
func (a *arm64) mem(do uint32, size int, t uint32, m Mem) {
	lg := map[int]uint32{1: 0, 2: 1, 4: 2, 8: 3}[size]
	if m.Index == None {
		if m.Disp >= 0 && m.Disp&int32(size-1) == 0 && m.Disp>>lg < 4096 {
			a.w(0x39000000 | lg<<30 | do | uint32(m.Disp>>lg)<<10 | hwA[m.Base]<<5 | t)
			return
		}
		a.imm(x16, uint64(int64(m.Disp)))
		a.w(0x38206800 | lg<<30 | do | x16<<16 | hwA[m.Base]<<5 | t)
		return
	}
	i := hwA[m.Index]
	if m.Disp != 0 {
		a.addIndex(m)
		i = x16
	}
	a.w(0x38206800 | lg<<30 | do | i<<16 | hwA[m.Base]<<5 | t)
}

// addIndex puts index + displacement into X16. It leaves X17 alone, which may
// hold what is stored.
func (a *arm64) addIndex(m Mem) {
	if k := m.Disp; k > -4096 && k < 4096 {
		a.addK(true, x16, hwA[m.Index], k, false)
		return
	}
	a.imm(x16, uint64(int64(m.Disp)))
	a.rrr(aADD, true, x16, x16, hwA[m.Index])
}

func (a *arm64) Load(size int, d Reg, m Mem) { a.mem(aLDR, size, hwA[d], m) }

func (a *arm64) LoadS(size int, d Reg, m Mem) {
	if size == 8 {
		a.Load(8, d, m)
		return
	}
	a.mem(aLDRS, size, hwA[d], m)
}

func (a *arm64) Store(size int, s Reg, m Mem) { a.mem(aSTR, size, hwA[s], m) }

func (a *arm64) StoreK(size int, k int32, m Mem) {
	t := uint32(xzr)
	if k != 0 {
		t = x17
		a.imm(x17, uint64(int64(k)))
	}
	a.mem(aSTR, size, t, m)
}

func (a *arm64) Lea(d Reg, m Mem) {
	if m.Index == None {
		a.addK(true, hwA[d], hwA[m.Base], m.Disp, false)
		return
	}
	i := hwA[m.Index]
	if m.Disp != 0 {
		a.addIndex(m)
		i = x16
	}
	a.rrr(aADD, true, hwA[d], hwA[m.Base], i)
}

func (a *arm64) AddMem(m Mem, k int32) {
	a.wordAt(m)
	a.w(0xf9400000 | x16<<5 | x17) // ldr x17, [x16]
	a.rest(k)
	a.w(0xf9000000 | x16<<5 | x17) // str x17, [x16]
}

// Move16 is by Q0.
func (a *arm64) Move16(d, s Mem) {
	a.vector(aLDR, s)
	a.vector(aSTR, d)
}

// vector is mem for Q0.
func (a *arm64) vector(do uint32, m Mem) {
	if m.Index == None && m.Disp >= 0 && m.Disp&15 == 0 && m.Disp>>4 < 4096 {
		a.w(0x3d800000 | do | uint32(m.Disp>>4)<<10 | hwA[m.Base]<<5)
		return
	}
	i := uint32(x16)
	switch {
	case m.Index == None:
		a.imm(x16, uint64(int64(m.Disp)))
	case m.Disp != 0:
		a.addIndex(m)
	default:
		i = hwA[m.Index]
	}
	a.w(0x3ca06800 | do | i<<16 | hwA[m.Base]<<5)
}

// wordAt puts an address into X16.
func (a *arm64) wordAt(m Mem) {
	n := hwA[m.Base]
	a.addK(true, x16, n, m.Disp, false)
	if m.Index != None {
		a.rrr(aADD, true, x16, x16, hwA[m.Index])
	}
}

// rest adds k to X17 and sets the flags.
func (a *arm64) rest(k int32) {
	switch {
	case k >= 0 && k < 4096:
		a.w(0xb1000000 | uint32(k)<<10 | x17<<5 | x17) // adds
	case k < 0 && k > -4096:
		a.w(0xf1000000 | uint32(-k)<<10 | x17<<5 | x17) // subs
	default:
		a.imm(x14, uint64(int64(k)))
		a.w(0xab000000 | x14<<16 | x17<<5 | x17)
	}
}

var armCC = [numConds]uint32{EQ: 0, NE: 1, LT: 3, LE: 9, GT: 8, GE: 2, SLT: 11, SLE: 13, SGT: 12, SGE: 10}

// Kinds of fixups: how the distance is encoded.
const (
	fixB  = iota // b, bl: 26 bits
	fixBC        // b.cond: 19 bits
	fixADR
)

func (a *arm64) jump(v uint32, kind uint8, l Label) {
	a.fix = append(a.fix, fixup{at: int32(len(a.b)), label: l, kind: kind})
	a.w(v)
}

func (a *arm64) bcc(cc uint32, l Label) { a.jump(0x54000000|cc, fixBC, l) }

func (a *arm64) Br(c Cond, wide bool, x, y Reg, l Label) {
	a.rrr(aSUBS, wide, xzr, hwA[x], hwA[y])
	a.bcc(armCC[c], l)
}

func (a *arm64) BrK(c Cond, wide bool, x Reg, k int32, l Label) {
	switch {
	case k >= 0 && k < 4096:
		a.w(0x71000000 | sf(wide) | uint32(k)<<10 | hwA[x]<<5 | xzr) // cmp
	case k < 0 && k > -4096:
		a.w(0x31000000 | sf(wide) | uint32(-k)<<10 | hwA[x]<<5 | xzr) // cmn
	default:
		a.imm(x16, uint64(int64(k)))
		a.rrr(aSUBS, wide, xzr, hwA[x], x16)
	}
	a.bcc(armCC[c], l)
}

func (a *arm64) BrSet(wide bool, x, y Reg, l Label) {
	a.rrr(aANDS, wide, xzr, hwA[x], hwA[y])
	a.bcc(armCC[NE], l)
}

func (a *arm64) BrSetK(wide bool, x Reg, k int32, l Label) {
	a.imm(x16, uint64(int64(k)))
	a.rrr(aANDS, wide, xzr, hwA[x], x16)
	a.bcc(armCC[NE], l)
}

func (a *arm64) BrMem(c Cond, x Reg, m Mem, l Label) {
	a.mem(aLDR, 8, x17, m)
	a.rrr(aSUBS, true, xzr, hwA[x], x17)
	a.bcc(armCC[c], l)
}

func (a *arm64) BrSub(m Mem, k int32, l Label) {
	a.AddMem(m, -k)
	a.bcc(4, l) // mi
}

func (a *arm64) Jmp(l Label)  { a.jump(0x14000000, fixB, l) }
func (a *arm64) JmpReg(r Reg) { a.w(0xd61f0000 | hwA[r]<<5) }

func (a *arm64) JmpMem(m Mem) {
	a.mem(aLDR, 8, x17, m)
	a.w(0xd61f0000 | x17<<5)
}

func (a *arm64) Call(l Label) {
	a.mov(true, x15, x30)
	a.jump(0x94000000, fixB, l)
	a.mov(true, x30, x15)
}

func (a *arm64) Ret() { a.w(0xd65f03c0) }

func (a *arm64) LeaLabel(d Reg, l Label) { a.jump(0x10000000|hwA[d], fixADR, l) }

func (a *arm64) Code() ([]byte, error) {
	for _, f := range a.fix {
		to := a.at[f.label]
		if to < 0 {
			return nil, fmt.Errorf("native code: a jump to a place that was never bound")
		}
		dist := int64(to - f.at)
		v := binary.LittleEndian.Uint32(a.b[f.at:])
		reach := int64(1) << 20
		switch f.kind {
		case fixB:
			reach = 1 << 27
			v |= uint32(dist>>2) & 0x3ffffff
		case fixBC:
			v |= uint32(dist>>2) & 0x7ffff << 5
		default:
			v |= uint32(dist)&3<<29 | uint32(dist>>2)&0x7ffff<<5
		}
		if dist < -reach || dist >= reach {
			return nil, fmt.Errorf("native code: a jump of %d bytes: the machine's reach %d", dist, reach)
		}
		binary.LittleEndian.PutUint32(a.b[f.at:], v)
	}
	a.fix = a.fix[:0]
	return a.b, nil
}
