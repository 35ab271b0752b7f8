package ir

import (
	"fmt"

	"jitnic/host/ebpf"
)

var aluSym = map[uint8]string{ebpf.ALUAdd: "+=", ebpf.ALUSub: "-=", ebpf.ALUMul: "*=", ebpf.ALUDiv: "/=", ebpf.ALUOr: "|=",
	ebpf.ALUAnd: "&=", ebpf.ALULsh: "<<=", ebpf.ALURsh: ">>=", ebpf.ALUMod: "%=", ebpf.ALUXor: "^=", ebpf.ALUMov: "=", ebpf.ALUArsh: "s>>="}

var jmpSym = map[uint8]string{ebpf.JmpEQ: "==", ebpf.JmpGT: ">", ebpf.JmpGE: ">=", ebpf.JmpSET: "&", ebpf.JmpNE: "!=",
	ebpf.JmpSGT: "s>", ebpf.JmpSGE: "s>=", ebpf.JmpLT: "<", ebpf.JmpLE: "<=", ebpf.JmpSLT: "s<", ebpf.JmpSLE: "s<="}

// String prints an instruction in the notation of clang and the verifier's log.
func (in *Inst) String() string {
	r := func(n uint8) string {
		if in.Class() == ebpf.ClassALU || in.Class() == ebpf.ClassJMP32 {
			return fmt.Sprintf("w%d", n)
		}
		return fmt.Sprintf("r%d", n)
	}
	mem := func(base uint8) string { return fmt.Sprintf("*(u%d *)(r%d %+d)", 8*in.Size(), base, in.Off) }
	operand := func() string {
		if in.Op&ebpf.SrcX != 0 {
			return r(in.Src)
		}
		return fmt.Sprint(in.Imm)
	}
	switch in.Class() {
	case ebpf.ClassALU, ebpf.ClassALU64:
		switch in.ALUOp() {
		case ebpf.ALUNeg:
			return fmt.Sprintf("%s = -%s", r(in.Dst), r(in.Dst))
		case ebpf.ALUEnd:
			name := "le"
			if in.Class() == ebpf.ClassALU64 {
				name = "bswap"
			} else if in.Op&ebpf.SrcX != 0 {
				name = "be"
			}
			return fmt.Sprintf("r%d = %s%d r%d", in.Dst, name, in.Imm, in.Dst)
		case ebpf.ALUMov:
			if in.Off != 0 {
				return fmt.Sprintf("%s = (s%d)%s", r(in.Dst), in.Off, operand())
			}
		case ebpf.ALUDiv, ebpf.ALUMod:
			if in.Off != 0 {
				return fmt.Sprintf("%s s%s %s", r(in.Dst), aluSym[in.ALUOp()], operand())
			}
		}
		return fmt.Sprintf("%s %s %s", r(in.Dst), aluSym[in.ALUOp()], operand())
	case ebpf.ClassLDX:
		if in.Mode() == ebpf.ModeMEMSX {
			return fmt.Sprintf("r%d = *(s%d *)(r%d %+d)", in.Dst, 8*in.Size(), in.Src, in.Off)
		}
		return fmt.Sprintf("r%d = %s", in.Dst, mem(in.Src))
	case ebpf.ClassST:
		return fmt.Sprintf("%s = %d", mem(in.Dst), in.Imm)
	case ebpf.ClassSTX:
		if !in.IsAtomic() {
			return fmt.Sprintf("%s = r%d", mem(in.Dst), in.Src)
		}
		if in.Imm == ebpf.AtomicAdd {
			return fmt.Sprintf("lock %s += r%d", mem(in.Dst), in.Src)
		}
		return fmt.Sprintf("atomic[%#x] %s, r%d", in.Imm, mem(in.Dst), in.Src)
	case ebpf.ClassLD:
		switch {
		case in.Op == Nop:
			return "nop"
		case in.Op == ebpf.OpLDDW && in.Src == ebpf.PseudoMapFD:
			return fmt.Sprintf("r%d = map[%d]", in.Dst, in.Imm)
		case in.Op == ebpf.OpLDDW && in.Src == ebpf.PseudoMapValue:
			return fmt.Sprintf("r%d = map[%d] value +%d", in.Dst, in.Imm, in.Hi)
		case in.Op == ebpf.OpLDDW:
			return fmt.Sprintf("r%d = %#x ll", in.Dst, in.Const64())
		}
		return fmt.Sprintf("r0 = skb[%d] %d bytes", in.Imm, in.Size())
	}
	switch {
	case in.Op == ebpf.OpExit:
		return "exit"
	case in.Op == ebpf.OpCall && in.Src == ebpf.CallLocal:
		return fmt.Sprintf("call @%d", in.To)
	case in.Op == ebpf.OpCall:
		if h := in.Called(); h != nil {
			return fmt.Sprintf("call %s#%d", h.Name, in.Imm)
		}
		return fmt.Sprintf("call %d", in.Imm)
	case in.Op == ebpf.OpJA || in.Op == ebpf.OpJA32:
		return fmt.Sprintf("goto @%d", in.To)
	}
	return fmt.Sprintf("if %s %s %s goto @%d", r(in.Dst), jmpSym[in.JmpOp()], operand(), in.To)
}
