package search

import (
	"encoding/binary"
	"math/bits"

	"jitnic/host/ebpf"
	"jitnic/superopt/internal/ir"
)

// The concrete executor of candidate windows. A test is a state: registers and
// a small arena in which every region the window can reach has its place.
// Nothing is allocated while candidates run; memory is put back from a log.

// arenaSize is the memory of one test, in bytes: the stack at 64, then
// regions as they are needed, gaps between them.
const arenaSize = 4096

const maxLog = 32

type wlog struct {
	at  uint16
	n   uint8
	old uint64
}

// test is one input of a window and what the original makes of it.
type test struct {
	in    [11]uint64
	mem   [arenaSize]byte
	valid [arenaSize / 64]uint64 // bytes the window may touch
	out   [11]uint64
	// what the original wrote: bytes to compare beside the candidate's own
	want    []wantByte
	outMem  [arenaSize]byte
	touched [arenaSize / 64]uint64
}

type wantByte struct {
	at uint16
	v  byte
}

// executor runs straight-line code on tests.
type executor struct {
	r    [16]uint64
	log  [maxLog]wlog
	nlog int
}

// undo puts the memory of t back.
func (x *executor) undo(t *test) { x.undoTo(t, 0) }

// undoTo puts back what was written since there were n writes.
func (x *executor) undoTo(t *test, n int) {
	for i := x.nlog - 1; i >= n; i-- {
		l := &x.log[i]
		switch l.n {
		case 1:
			t.mem[l.at] = byte(l.old)
		case 2:
			binary.LittleEndian.PutUint16(t.mem[l.at:], uint16(l.old))
		case 4:
			binary.LittleEndian.PutUint32(t.mem[l.at:], uint32(l.old))
		case 8:
			binary.LittleEndian.PutUint64(t.mem[l.at:], l.old)
		}
	}
	x.nlog = n
}

// ok says whether n bytes at address a may be touched.
func (t *test) ok(a uint64, n uint64) bool {
	if a > arenaSize-8 {
		return false
	}
	m := uint64(1)<<n - 1
	w, b := a>>6, a&63
	if t.valid[w]>>b&m != m {
		if b+n <= 64 {
			return false
		}
		lo := 64 - b
		return t.valid[w]>>b == uint64(1)<<lo-1 && t.valid[w+1]&(uint64(1)<<(n-lo)-1) == uint64(1)<<(n-lo)-1
	}
	return true
}

// run executes code on t; false where it does what the original could not
// (an access outside, a full log).
func (x *executor) run(code []ir.Inst, t *test) bool {
	copy(x.r[:11], t.in[:])
	x.nlog = 0
	return x.more(code, t)
}

// more is run from where the last run left the registers and t's memory.
func (x *executor) more(code []ir.Inst, t *test) bool {
	for i := range code {
		in := &code[i]
		d := &x.r[in.Dst&15]
		switch in.Op {
		case ir.Nop:
			continue
		case ebpf.ClassALU64 | ebpf.ALUMov | ebpf.SrcX:
			if in.Off == 0 {
				*d = x.r[in.Src&15]
				continue
			}
		case ebpf.ClassALU64 | ebpf.ALUMov:
			*d = uint64(int64(in.Imm))
			continue
		case ebpf.OpSelect:
			if x.r[in.Imm&15] != 0 {
				*d = x.r[in.Src&15]
			}
			continue
		case ebpf.OpLDDW:
			if in.Src != 0 {
				return false
			}
			*d = in.Const64()
			continue
		}
		switch in.Op & 7 {
		case ebpf.ClassALU64:
			y := uint64(int64(in.Imm))
			if in.Op&ebpf.SrcX != 0 {
				y = x.r[in.Src&15]
			}
			switch in.Op & 0xf0 {
			case ebpf.ALUAdd:
				*d += y
			case ebpf.ALUSub:
				*d -= y
			case ebpf.ALUMul:
				*d *= y
			case ebpf.ALUOr:
				*d |= y
			case ebpf.ALUAnd:
				*d &= y
			case ebpf.ALUXor:
				*d ^= y
			case ebpf.ALULsh:
				*d <<= y & 63
			case ebpf.ALURsh:
				*d >>= y & 63
			case ebpf.ALUArsh:
				*d = uint64(int64(*d) >> (y & 63))
			case ebpf.ALUNeg:
				*d = -*d
			case ebpf.ALUDiv:
				if in.Off != 0 {
					return false
				}
				if y == 0 {
					*d = 0
				} else {
					*d /= y
				}
			case ebpf.ALUMod:
				if in.Off != 0 {
					return false
				}
				if y != 0 {
					*d %= y
				}
			case ebpf.ALUEnd:
				*d = bits.ReverseBytes64(*d) >> (64 - uint(in.Imm))
			default: // movsx
				s := uint(64 - in.Off)
				*d = uint64(int64(x.r[in.Src&15]<<s) >> s)
			}
		case ebpf.ClassALU:
			y := uint32(in.Imm)
			if in.Op&ebpf.SrcX != 0 {
				y = uint32(x.r[in.Src&15])
			}
			a := uint32(*d)
			switch in.Op & 0xf0 {
			case ebpf.ALUMov:
				if in.Off != 0 {
					s := uint(32 - in.Off)
					y = uint32(int32(y<<s) >> s)
				}
				a = y
			case ebpf.ALUAdd:
				a += y
			case ebpf.ALUSub:
				a -= y
			case ebpf.ALUMul:
				a *= y
			case ebpf.ALUOr:
				a |= y
			case ebpf.ALUAnd:
				a &= y
			case ebpf.ALUXor:
				a ^= y
			case ebpf.ALULsh:
				a <<= y & 31
			case ebpf.ALURsh:
				a >>= y & 31
			case ebpf.ALUArsh:
				a = uint32(int32(a) >> (y & 31))
			case ebpf.ALUNeg:
				a = -a
			case ebpf.ALUDiv:
				if in.Off != 0 {
					return false
				}
				if y == 0 {
					a = 0
				} else {
					a /= y
				}
			case ebpf.ALUMod:
				if in.Off != 0 {
					return false
				}
				if y != 0 {
					a %= y
				}
			case ebpf.ALUEnd:
				if in.Op&ebpf.SrcX != 0 {
					*d = bits.ReverseBytes64(*d) >> (64 - uint(in.Imm))
				} else {
					*d &= ^uint64(0) >> (64 - uint(in.Imm))
				}
				continue
			}
			*d = uint64(a)
		case ebpf.ClassLDX:
			a := x.r[in.Src&15] + uint64(int64(in.Off))
			n := uint64(in.Size())
			if !t.ok(a, n) {
				return false
			}
			v := readN(&t.mem, a, n)
			if in.Op&0xe0 == ebpf.ModeMEMSX {
				s := 64 - 8*n
				v = uint64(int64(v<<s) >> s)
			}
			*d = v
		case ebpf.ClassST, ebpf.ClassSTX:
			a := *d + uint64(int64(in.Off))
			n := uint64(in.Size())
			if !t.ok(a, n) || x.nlog == maxLog {
				return false
			}
			v := uint64(int64(in.Imm))
			old := readN(&t.mem, a, n)
			if in.Op&7 == ebpf.ClassSTX {
				v = x.r[in.Src&15]
				if in.Op&0xe0 == ebpf.ModeATOMIC {
					if in.Imm != ebpf.AtomicAdd {
						return false
					}
					v += old
				}
			}
			x.log[x.nlog] = wlog{uint16(a), uint8(n), old}
			x.nlog++
			writeN(&t.mem, a, n, v)
		default:
			return false
		}
	}
	return true
}

func readN(m *[arenaSize]byte, a, n uint64) uint64 {
	switch n {
	case 1:
		return uint64(m[a])
	case 2:
		return uint64(binary.LittleEndian.Uint16(m[a:]))
	case 4:
		return uint64(binary.LittleEndian.Uint32(m[a:]))
	}
	return binary.LittleEndian.Uint64(m[a:])
}

func writeN(m *[arenaSize]byte, a, n, v uint64) {
	switch n {
	case 1:
		m[a] = byte(v)
	case 2:
		binary.LittleEndian.PutUint16(m[a:], uint16(v))
	case 4:
		binary.LittleEndian.PutUint32(m[a:], uint32(v))
	case 8:
		binary.LittleEndian.PutUint64(m[a:], v)
	}
}

// expect runs the original and keeps what it left behind.
func (x *executor) expect(code []ir.Inst, t *test) bool {
	if !x.run(code, t) {
		x.undo(t)
		return false
	}
	copy(t.out[:], x.r[:11])
	t.outMem = t.mem
	t.touched = [arenaSize / 64]uint64{}
	t.want = t.want[:0]
	for i := 0; i < x.nlog; i++ {
		for k := uint16(0); k < uint16(x.log[i].n); k++ {
			at := x.log[i].at + k
			if t.touched[at>>6]>>(at&63)&1 == 0 {
				t.touched[at>>6] |= 1 << (at & 63)
				t.want = append(t.want, wantByte{at, t.mem[at]})
			}
		}
	}
	x.undo(t)
	return true
}

// errForm is how far a result is from the wanted one (K2, section 3.2):
// absolute difference or number of wrong bits.
type errForm uint8

const (
	errAbs errForm = iota
	errPop
)

func distance(f errForm, a, b uint64) float64 {
	if a == b {
		return 0
	}
	if f == errPop {
		return float64(bits.OnesCount64(a ^ b))
	}
	if a < b {
		a, b = b, a
	}
	return float64(a - b)
}

// score is the error of code on t over live registers and memory; dead stack
// bytes are not compared. badRun is what a run that breaks off costs.
func (x *executor) score(code []ir.Inst, t *test, w *window, f errForm) float64 {
	if !x.run(code, t) {
		x.undo(t)
		return badRun
	}
	var e float64
	for m := w.liveRegs; m != 0; m &= m - 1 {
		r := bits.TrailingZeros16(m)
		if x.r[r] != t.out[r] {
			e += distance(f, x.r[r], t.out[r])
		}
	}
	for _, b := range t.want {
		if t.mem[b.at] != b.v && w.deadByte[b.at>>6]>>(b.at&63)&1 == 0 {
			e += distance(f, uint64(t.mem[b.at]), uint64(b.v))
		}
	}
	for i := 0; i < x.nlog; i++ {
		l := &x.log[i]
		for k := uint16(0); k < uint16(l.n); k++ {
			at := l.at + k
			if t.touched[at>>6]>>(at&63)&1 == 0 && t.mem[at] != t.outMem[at] && w.deadByte[at>>6]>>(at&63)&1 == 0 {
				e += distance(f, uint64(t.mem[at]), uint64(t.outMem[at]))
			}
		}
	}
	x.undo(t)
	return e
}

const badRun = 1e6

// wrong says which live registers differ from what the original left on t, and whether
// memory does, after a run that isn't undone yet.
func (x *executor) wrong(t *test, w *window) (regs uint16, mem bool) {
	for m := w.liveRegs; m != 0; m &= m - 1 {
		if r := bits.TrailingZeros16(m); x.r[r] != t.out[r] {
			regs |= 1 << r
		}
	}
	dead := func(at uint16) bool { return w.deadByte[at>>6]>>(at&63)&1 != 0 }
	for _, b := range t.want {
		if t.mem[b.at] != b.v && !dead(b.at) {
			return regs, true
		}
	}
	for _, l := range x.log[:x.nlog] {
		for at := l.at; at < l.at+uint16(l.n); at++ {
			if t.mem[at] != t.outMem[at] && !dead(at) {
				return regs, true
			}
		}
	}
	return regs, false
}
