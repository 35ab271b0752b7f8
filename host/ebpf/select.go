package ebpf

import "fmt"

// OpSelect is the one instruction of traces that eBPF hasn't: the encoding, an
// operation of class ALU64 that no kernel knows, never leaves a trace.
const OpSelect = ClassALU64 | ALUSelect | SrcX

// Select makes dst = src where register cond isn't 0; dst stays what it is
// elsewhere. Both values are there before it, so it can't fault.
//
//	r3 = r4 if r5
func Select(dst, src, cond uint8) Insn {
	return Insn{Op: OpSelect, Dst: dst, Src: src, Imm: int32(cond)}
}

// IsSelect says whether it is a select, and Cond by which register.
func (i Insn) IsSelect() bool { return i.Op == OpSelect && i.Off == 0 && i.Imm >= 0 && i.Imm <= 10 }
func (i Insn) Cond() uint8    { return uint8(i.Imm) }

// selects prints one.
func (i Insn) selects() string {
	return fmt.Sprintf("r%d = r%d if r%d", i.Dst, i.Src, i.Cond())
}

// HasSelect says whether code, a trace's, has any.
func HasSelect(code []Insn) bool {
	for _, in := range code {
		if in.Op == OpSelect {
			return true
		}
	}
	return false
}
