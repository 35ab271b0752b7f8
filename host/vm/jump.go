package vm

import "jitnic/host/ebpf"

// Taken says whether a conditional jump is taken (RFC 9669, section 4.3). dst
// is the destination register, src the second operand as [Operand] gives it.
// may_goto is not asked here: it depends on a counter, not on registers.
func Taken(in ebpf.Insn, dst, src uint64) bool { return taken(in.Op, dst, src) }

func taken(op uint8, dst, src uint64) bool {
	if op&7 == ebpf.ClassJMP32 {
		// Both signed and unsigned comparisons of the low halves come out
		// right on halves sign-extended to 64 bits; so does JSET.
		dst, src = uint64(int64(int32(dst))), uint64(int64(int32(src)))
	}
	switch op >> 4 {
	case ebpf.JmpEQ >> 4:
		return dst == src
	case ebpf.JmpGT >> 4:
		return dst > src
	case ebpf.JmpGE >> 4:
		return dst >= src
	case ebpf.JmpSET >> 4:
		return dst&src != 0
	case ebpf.JmpNE >> 4:
		return dst != src
	case ebpf.JmpSGT >> 4:
		return int64(dst) > int64(src)
	case ebpf.JmpSGE >> 4:
		return int64(dst) >= int64(src)
	case ebpf.JmpLT >> 4:
		return dst < src
	case ebpf.JmpLE >> 4:
		return dst <= src
	case ebpf.JmpSLT >> 4:
		return int64(dst) < int64(src)
	default: // JmpSLE
		return int64(dst) <= int64(src)
	}
}
