package asm

import "fmt"

// Reg is a register as compilers see it.
type Reg uint8

// The registers.
const (
	R0 Reg = iota
	R1
	R2
	R3
	R4
	R5
	R6
	R7
	R8
	R9
	R10
	T0   // short-lived; shifts and divisions use it
	T1   // short-lived; divisions and constants that don't fit use it
	Base // the flat memory
	Ctx  // the compiler's block of memory
	None // of Mem.Index: no index
)

// Op is a two-operand operation.
type Op uint8

// The operations. Shift counts are taken modulo the width.
const (
	Add Op = iota
	Sub
	And
	Or
	Xor
	Mul
	Lsh
	Rsh
	Arsh
	numOps
)

var opNames = [numOps]string{"add", "sub", "and", "or", "xor", "mul", "lsh", "rsh", "arsh"}

func (o Op) String() string { return opNames[o] }

// Cond is a comparison; those without S are unsigned.
type Cond uint8

// The comparisons.
const (
	EQ Cond = iota
	NE
	LT
	LE
	GT
	GE
	SLT
	SLE
	SGT
	SGE
	numConds
)

// Not is the comparison that holds where c doesn't.
func (c Cond) Not() Cond { return [numConds]Cond{NE, EQ, GE, GT, LE, LT, SGE, SGT, SLE, SLT}[c] }

// Mem is the address Base + Index + Disp.
type Mem struct {
	Base  Reg
	Index Reg // None for none
	Disp  int32
}

// At is Base + disp.
func At(base Reg, disp int32) Mem { return Mem{Base: base, Index: None, Disp: disp} }

// Label is a place in the code, to be bound once.
type Label int32

// Backend writes code for one machine. wide chooses 64 bits; operations of 32
// bits clear the upper half of what they write. size is 1, 2, 4 or 8 bytes.
type Backend interface {
	Name() string // GOARCH
	Raw(b []byte) // appends code that was written before
	Reset()       // forgets all that was written; its memory, Code's too, is used again
	// Len is the number of bytes written so far.
	Len() int
	// Code is what was written with all jumps resolved; it runs at any
	// address. The error is of code whose jumps are longer than the machine's.
	Code() ([]byte, error)

	NewLabel() Label
	NewLabels(n int) Label // the first of n; the others follow it
	Bind(l Label)
	Offset(l Label) int // of a bound label, in Code

	Mov(wide bool, d, s Reg)
	Imm(d Reg, v uint64)
	Zext(size int, d, s Reg)              // d = low bytes of s
	Sext(size int, d, s Reg)              // d = low bytes of s, sign-extended to 64 bits
	Op(op Op, wide bool, d, s Reg)        // d = d op s; shifts use T0
	OpK(op Op, wide bool, d Reg, k int32) // k is sign-extended; T1 may be used
	Neg(wide bool, d Reg)
	// Div is BPF's division: by zero it gives 0 and leaves the dividend as
	// the remainder, and the least integer by -1 wraps. It uses T0 and T1; s
	// may be either.
	Div(wide, signed, mod bool, d, s Reg)
	Swap(size int, d Reg) // d = its low bytes in reverse order
	// MulFold is the two halves of the 128-bit product of d and s, one xor
	// the other, in d. It uses R0, R3 and T0, none of which may be d; s may be
	// any but R3.
	MulFold(d, s Reg)

	Load(size int, d Reg, m Mem)  // zero-extended
	LoadS(size int, d Reg, m Mem) // sign-extended to 64 bits
	Store(size int, s Reg, m Mem)
	StoreK(size int, k int32, m Mem) // k is sign-extended
	Lea(d Reg, m Mem)
	AddMem(m Mem, k int32) // the 64-bit word at m += k
	Move16(d, s Mem)       // 16 bytes from s to d, by a register of vectors

	Br(c Cond, wide bool, a, b Reg, l Label)
	BrK(c Cond, wide bool, a Reg, k int32, l Label) // k is sign-extended; T1 may be used
	BrSet(wide bool, a, b Reg, l Label)             // a & b != 0
	BrSetK(wide bool, a Reg, k int32, l Label)
	BrMem(c Cond, a Reg, m Mem, l Label) // 64 bits at m
	// BrSub subtracts k from the 64-bit word at m, and jumps if it is
	// negative then.
	BrSub(m Mem, k int32, l Label)
	Jmp(l Label)
	JmpReg(r Reg)
	JmpMem(m Mem)
	Call(l Label) // 8 bytes of stack on amd64; on arm64 the link register: calls don't nest
	Ret()
	// LeaLabel is the address of a label.
	LeaLabel(d Reg, l Label)
}

// New is the backend of a machine, by its GOARCH.
func New(arch string) (Backend, error) {
	switch arch {
	case "amd64":
		return &amd64{}, nil
	case "arm64":
		return &arm64{}, nil
	}
	return nil, fmt.Errorf("native code: no backend for %s", arch)
}

// labels are what both backends share: places, and the jumps that wait for
// them.
type labels struct {
	at  []int32 // by label: offset, or -1
	fix []fixup
}

type fixup struct {
	at    int32 // of the jump
	label Label
	kind  uint8 // the backend's
}

func (l *labels) NewLabel() Label {
	l.at = append(l.at, -1)
	return Label(len(l.at) - 1)
}

func (l *labels) NewLabels(n int) Label {
	first := Label(len(l.at))
	for range n {
		l.at = append(l.at, -1)
	}
	return first
}

func (l *labels) reset() { l.at, l.fix = l.at[:0], l.fix[:0] }

func (l *labels) bind(x Label, at int) {
	if l.at[x] >= 0 {
		panic(fmt.Sprintf("asm: label %d bound twice", x))
	}
	l.at[x] = int32(at)
}

func (l *labels) Offset(x Label) int { return int(l.at[x]) }
