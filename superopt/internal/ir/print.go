package ir

import (
	"fmt"
	"strings"

	"jitnic/host/ebpf"
)

// String prints an instruction in the notation of clang and the verifier's log
// ([ebpf.Printer]); what refers to another instruction, to a map or to a helper
// names it by its number.
func (in *Inst) String() string {
	switch {
	case in.Op == Nop:
		return "nop"
	case in.Op == ebpf.OpLDDW && in.Src == ebpf.PseudoMapFD:
		return fmt.Sprintf("r%d = map[%d]", in.Dst, in.Imm)
	case in.Op == ebpf.OpLDDW && in.Src == ebpf.PseudoMapValue:
		return fmt.Sprintf("r%d = map[%d] value +%d", in.Dst, in.Imm, in.Hi)
	case in.Op == ebpf.OpLDDW:
		return fmt.Sprintf("r%d = %#x ll", in.Dst, in.Const64())
	case in.Class() == ebpf.ClassLD:
		return fmt.Sprintf("r0 = skb[%d] %d bytes", in.Imm, in.Size())
	case in.Op == ebpf.OpCall && in.Src == ebpf.CallLocal:
		return fmt.Sprintf("call @%d", in.To)
	case in.Op == ebpf.OpCall:
		if h := in.Called(); h != nil {
			return fmt.Sprintf("call %s#%d", h.Name, in.Imm)
		}
		return fmt.Sprintf("call %d", in.Imm)
	case in.IsGoto():
		return fmt.Sprintf("goto @%d", in.To)
	case in.IsCondJump():
		x := in.Insn
		x.Off = 0
		return strings.Replace(ebpf.Printer{}.Insn(x, ebpf.Insn{}), "goto +0", fmt.Sprintf("goto @%d", in.To), 1)
	}
	return ebpf.Printer{}.Insn(in.Insn, ebpf.Insn{})
}
