package readback

import "fmt"

// Do is what an instruction does.
type Do uint8

// What there is. Dst, A and B are registers; where B is [None] the second operand
// is Imm. Results of 32 bits clear the upper half.
const (
	Bad     Do = iota
	Move       // Dst = B or Imm
	MoveK      // 16 bits of Dst = Imm, from bit Shift on
	Add        // Dst = A + B or Imm; so those to Arsh
	Sub        //
	And        //
	Or         //
	Xor        //
	Mul        //
	Lsh        // counts modulo the width
	Rsh        //
	Arsh       //
	UDiv       // by zero: 0
	SDiv       // by zero: 0
	MulSub     // Dst = C - A*B
	MulAdd     // Dst = C + A*B
	MulHi      // Dst = the upper half of A*B, unsigned
	Wide       // Dst:C = C * A, unsigned: upper half and lower
	DivWide    // C, Dst = quotient and remainder of Dst:C by A; Signed or not
	Spread     // Dst = the sign of C in all bits
	Zext       // Dst = low Size bytes of A
	Sext       // likewise, sign-extended
	Field      // Dst = bits of A: Shift and Imm as UBFM and SBFM have them
	Swap       // Dst = low Size bytes of A in reverse order; of 2 the rest of A stays
	Push       // A
	Pop        // Dst
	Load       // Dst = Size bytes at the address
	LoadS      // likewise, sign-extended to 64 bits
	Store      // Size bytes at the address = B or Imm
	AddMem     // the word at the address += Imm, or -= where Flags say so
	CmpMem     // flags of A - the word at the address
	Load16     // the vector register = 16 bytes
	Store16    // 16 bytes = the vector register
	Lea        // Dst = the address
	Adr        // Dst = the place To in the code
	Cmp        // flags of A - B or Imm
	Test       // flags of A & B or Imm
	Branch     // to To where Cond holds
	Jump       // to To
	JumpTo     // to the address in A
	JumpMem    // to the address in the word at the address
	Call       // of To
	Ret
)

// Cond is a condition on the flags of a comparison; those without S are unsigned.
type Cond uint8

// The conditions.
const (
	Never Cond = iota
	EQ
	NE
	LT
	LE
	GT
	GE
	SLT
	SLE
	SGT
	SGE
	Minus // the difference is below zero
)

// None is no register.
const None = 0xff

// zero is arm64's register that holds 0.
const zero = 31

// Inst is a decoded instruction.
type Inst struct {
	Do           Do
	Wide         bool // 64 bits, else 32
	Flags        bool // sets flags, too
	Signed       bool
	Cond         Cond
	Size, Len    uint8
	Dst, A, B, C uint8
	Base, Index  uint8 // of an address; Index may be None
	Shift        uint8
	Disp         int64
	Imm          uint64
	To           int // offset in the code
}

// Machine is how a processor's code is read.
type Machine struct {
	Home []uint8 // by BPF register 0 to 10, then the two short-lived ones, the flat memory's, the block's: where each stands
	Scan func(code []byte, at int, in *Inst) error
}

// Of is the machine of a GOARCH.
func Of(arch string) (*Machine, error) {
	switch arch {
	case "amd64":
		return &Machine{homeAMD64, scanAMD64}, nil
	case "arm64":
		return &Machine{homeARM64, scanARM64}, nil
	}
	return nil, fmt.Errorf("read back: no tables for %s", arch)
}

// Places in Home behind BPF's registers.
const (
	T0   = 11
	T1   = 12
	Base = 13
	Ctx  = 14
)

func unknown(at int, what string) error {
	return fmt.Errorf("byte %d: %s: not an instruction that is written", at, what)
}
