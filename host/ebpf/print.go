package ebpf

import (
	"fmt"
	"strconv"
	"strings"
)

// Printer writes instructions in the notation of clang and the verifier's log,
// one a line. [Parser] reads them back to the same bits: what the notation
// can't say (fields that the instruction ignores) is printed as a raw slot.
//
//	r1 += 5            w1 = w2              r2 = (s8)r3        r2 = be16 r2
//	r3 = *(u32 *)(r1 +4)                    *(u64 *)(r10 -8) = r1
//	lock *(u64 *)(r1 +0) += r2              r2 = atomic64_fetch_add(*(u64 *)(r1 +0), r2)
//	r1 = map[flows]    r1 = map[.data] +16  r1 = 0x123456789 ll
//	call map_lookup_elem#1                  if w1 s> 5 goto +3                exit
type Printer struct {
	// MapName names a map by its index; nil, or an empty name, prints the
	// index.
	MapName func(i int) string
}

var aluSymbols = map[uint8]string{
	ALUAdd: "+=", ALUSub: "-=", ALUMul: "*=", ALUDiv: "/=", ALUOr: "|=", ALUAnd: "&=", ALULsh: "<<=",
	ALURsh: ">>=", ALUMod: "%=", ALUXor: "^=", ALUMov: "=", ALUArsh: "s>>=",
}

var jumpSymbols = map[uint8]string{
	JmpEQ: "==", JmpNE: "!=", JmpSET: "&", JmpGT: ">", JmpGE: ">=", JmpLT: "<", JmpLE: "<=",
	JmpSGT: "s>", JmpSGE: "s>=", JmpSLT: "s<", JmpSLE: "s<=",
}

var atomicNames = map[int32]string{
	AtomicAdd | AtomicFetch: "fetch_add", AtomicOr | AtomicFetch: "fetch_or",
	AtomicAnd | AtomicFetch: "fetch_and", AtomicXor | AtomicFetch: "fetch_xor",
	AtomicXchg: "xchg", AtomicCmpXchg: "cmpxchg",
}

var atomicSymbols = map[int32]string{AtomicAdd: "+=", AtomicOr: "|=", AtomicAnd: "&=", AtomicXor: "^="}

// Code prints code, an instruction a line.
func (p Printer) Code(code []Insn) string {
	var b strings.Builder
	for i := 0; i < len(code); i++ {
		in := code[i]
		var hi Insn
		if in.IsWide() && i+1 < len(code) {
			hi = code[i+1]
			b.WriteString(p.Insn(in, hi))
			i++
		} else if in.IsWide() { // cut off behind its first slot
			b.WriteString(rawInsn(in))
		} else {
			b.WriteString(p.Insn(in, hi))
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// Insn prints one instruction; hi is the second slot of a wide one. Where that
// must be two raw slots, they are separated by "; ".
func (p Printer) Insn(in, hi Insn) string {
	s, ok := p.pretty(in, hi)
	if ok {
		// What the notation leaves unsaid must be what the parser fills in.
		got, err := Parser{}.insn(plainMaps(p, s, in))
		if err == nil && got[0] == in && (len(got) == 1 && !in.IsWide() || len(got) == 2 && got[1] == hi) {
			return s
		}
	}
	if in.IsWide() {
		return rawInsn(in) + "; " + rawInsn(hi)
	}
	return rawInsn(in)
}

// plainMaps puts the index for the name of a map, so that the line can be read
// without knowing names.
func plainMaps(p Printer, s string, in Insn) string {
	if !in.IsWide() || (in.Src != PseudoMapFD && in.Src != PseudoMapValue) {
		return s
	}
	return strings.Replace(s, "map["+p.mapName(int(in.Imm))+"]", fmt.Sprintf("map[#%d]", in.Imm), 1)
}

func rawInsn(in Insn) string {
	return fmt.Sprintf("insn %#02x %d %d %d %d", in.Op, in.Dst, in.Src, in.Off, in.Imm)
}

func (p Printer) mapName(i int) string {
	if p.MapName != nil {
		if n := p.MapName(i); n != "" {
			for j := 0; j < i; j++ {
				if p.MapName(j) == n { // a name twice: the first has it
					return fmt.Sprintf("#%d", i)
				}
			}
			for _, r := range n {
				if !isWord(r) {
					return strconv.Quote(n)
				}
			}
			return n
		}
	}
	return fmt.Sprintf("#%d", i)
}

func isWord(r rune) bool {
	return r == '_' || r == '.' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
}

func (p Printer) pretty(in, hi Insn) (string, bool) {
	reg := func(n uint8) string {
		if in.Class() == ClassALU || in.Class() == ClassJMP32 {
			return fmt.Sprintf("w%d", n)
		}
		return fmt.Sprintf("r%d", n)
	}
	mem := func(base uint8) string { return fmt.Sprintf("*(u%d *)(r%d %+d)", 8*in.Size(), base, in.Off) }
	operand := func() string {
		if in.Op&SrcX != 0 {
			return reg(in.Src)
		}
		return strconv.Itoa(int(in.Imm))
	}
	switch in.Class() {
	case ClassALU, ClassALU64:
		switch in.ALUOp() {
		case ALUSelect:
			return in.selects(), in.IsSelect()
		case ALUNeg:
			return fmt.Sprintf("%s = -%s", reg(in.Dst), reg(in.Dst)), true
		case ALUEnd:
			name := "le"
			if in.Class() == ClassALU64 {
				name = "bswap"
			} else if in.Op&SrcX != 0 {
				name = "be"
			}
			return fmt.Sprintf("r%d = %s%d r%d", in.Dst, name, in.Imm, in.Dst), true
		case ALUMov:
			if in.Off != 0 {
				return fmt.Sprintf("%s = (s%d)%s", reg(in.Dst), in.Off, operand()), true
			}
		case ALUDiv, ALUMod:
			if in.Off != 0 {
				return fmt.Sprintf("%s s%s %s", reg(in.Dst), aluSymbols[in.ALUOp()], operand()), true
			}
		}
		sym, ok := aluSymbols[in.ALUOp()]
		return fmt.Sprintf("%s %s %s", reg(in.Dst), sym, operand()), ok
	case ClassLDX:
		switch in.Mode() {
		case ModeMEMSX:
			return fmt.Sprintf("r%d = *(s%d *)(r%d %+d)", in.Dst, 8*in.Size(), in.Src, in.Off), true
		case ModeMEM:
			return fmt.Sprintf("r%d = %s", in.Dst, mem(in.Src)), true
		}
		return "", false
	case ClassST:
		return fmt.Sprintf("%s = %d", mem(in.Dst), in.Imm), in.Mode() == ModeMEM
	case ClassSTX:
		if in.Mode() == ModeMEM {
			return fmt.Sprintf("%s = r%d", mem(in.Dst), in.Src), true
		}
		return p.atomic(in, mem)
	case ClassLD:
		return p.ld(in, hi)
	}
	switch in.JmpOp() {
	case JmpExit:
		return "exit", in.Op == OpExit
	case JmpCall:
		switch {
		case in.Op == OpCallX:
			return fmt.Sprintf("callx r%d", in.Dst), true
		case in.Op != OpCall:
			return "", false
		case in.Src == CallHelper:
			return fmt.Sprintf("call %s#%d", HelperName(in.Imm), in.Imm), true
		case in.Src == CallLocal:
			return fmt.Sprintf("call pc%+d", in.Imm), true
		case in.Src == CallKfunc:
			return fmt.Sprintf("call kfunc#%d", in.Imm), true
		}
		return "", false
	case JmpA:
		if in.Op == OpJA32 {
			return fmt.Sprintf("gotol %+d", in.Imm), true
		}
		return fmt.Sprintf("goto %+d", in.Off), in.Op == OpJA
	case JmpCOND:
		return fmt.Sprintf("may_goto %+d", in.Off), in.Op == OpMayGo
	}
	sym, ok := jumpSymbols[in.JmpOp()]
	return fmt.Sprintf("if %s %s %s goto %+d", reg(in.Dst), sym, operand(), in.Off), ok
}

func (p Printer) atomic(in Insn, mem func(uint8) string) (string, bool) {
	if in.Mode() != ModeATOMIC {
		return "", false
	}
	if sym, ok := atomicSymbols[in.Imm]; ok {
		return fmt.Sprintf("lock %s %s r%d", mem(in.Dst), sym, in.Src), true
	}
	switch in.Imm {
	case AtomicLoadAcq:
		return fmt.Sprintf("r%d = load_acquire(%s)", in.Dst, mem(in.Src)), true
	case AtomicStRel:
		return fmt.Sprintf("store_release(%s, r%d)", mem(in.Dst), in.Src), true
	case AtomicCmpXchg:
		return fmt.Sprintf("r0 = atomic%d_cmpxchg(%s, r0, r%d)", 8*in.Size(), mem(in.Dst), in.Src), true
	}
	name, ok := atomicNames[in.Imm]
	return fmt.Sprintf("r%d = atomic%d_%s(%s, r%d)", in.Src, 8*in.Size(), name, mem(in.Dst), in.Src), ok
}

func (p Printer) ld(in, hi Insn) (string, bool) {
	switch in.Mode() {
	case ModeABS:
		return fmt.Sprintf("r0 = *(u%d *)skb[%d]", 8*in.Size(), in.Imm), true
	case ModeIND:
		return fmt.Sprintf("r0 = *(u%d *)skb[r%d %+d]", 8*in.Size(), in.Src, in.Imm), true
	case ModeIMM:
		if !in.IsWide() {
			return "", false
		}
		switch in.Src {
		case PseudoNone:
			return fmt.Sprintf("r%d = %#x ll", in.Dst, Const64(in, hi)), true
		case PseudoMapFD:
			return fmt.Sprintf("r%d = map[%s]", in.Dst, p.mapName(int(in.Imm))), in.Imm >= 0
		case PseudoMapValue:
			return fmt.Sprintf("r%d = map[%s] %+d", in.Dst, p.mapName(int(in.Imm)), hi.Imm), in.Imm >= 0
		case PseudoBTFID:
			return fmt.Sprintf("r%d = btf#%d", in.Dst, in.Imm), true
		case PseudoFunc:
			return fmt.Sprintf("r%d = func pc%+d", in.Dst, in.Imm), true
		}
	}
	return "", false
}
