package fit

import (
	"jitnic/host/ebpf"
	"jitnic/nic/profile"
)

// classesOf lists the instruction classes of a profile's limit.refused that an
// instruction is in.
func classesOf(in ebpf.Insn, dst []string) []string {
	switch in.Class() {
	case ebpf.ClassALU, ebpf.ClassALU64:
		switch in.ALUOp() {
		case ebpf.ALUDiv, ebpf.ALUMod:
			if in.ALUOp() == ebpf.ALUDiv {
				dst = append(dst, profile.InsnDiv)
			} else {
				dst = append(dst, profile.InsnMod)
			}
			if in.Off == 1 {
				dst = append(dst, profile.InsnSDiv)
			}
			if in.Op&ebpf.SrcX != 0 {
				dst = append(dst, profile.InsnDivVar)
			}
		case ebpf.ALUMul:
			if in.Class() == ebpf.ClassALU64 {
				dst = append(dst, profile.InsnMul64)
			}
		case ebpf.ALUMov:
			if in.Off != 0 {
				dst = append(dst, profile.InsnSext)
			}
		case ebpf.ALUEnd:
			switch {
			case in.Class() == ebpf.ClassALU64:
				dst = append(dst, profile.InsnBswap)
			case in.Op&ebpf.SrcX == 0:
				dst = append(dst, profile.InsnLE)
			}
		}
	case ebpf.ClassLDX:
		if in.Mode() == ebpf.ModeMEMSX {
			dst = append(dst, profile.InsnSext)
		}
	case ebpf.ClassLD:
		if in.IsWide() && in.Src == ebpf.PseudoMapValue {
			dst = append(dst, profile.InsnMapValue)
		}
	case ebpf.ClassSTX:
		if in.IsAtomic() {
			dst = append(dst, profile.InsnAtomic)
			if in.Imm != ebpf.AtomicAdd {
				dst = append(dst, profile.InsnAtomicOther)
			}
		}
	}
	return dst
}
