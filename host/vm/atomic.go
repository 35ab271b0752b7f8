package vm

import "jitnic/host/ebpf"

// Atomic is what an atomic instruction makes of the memory word old (RFC 9669,
// section 5.3), at a width of size bytes (1, 2, 4 or 8): the word stored,
// whether it is stored at all, and which register gets which value back (reg is
// -1 for none). src is the source register and r0 register 0.
func Atomic(in ebpf.Insn, size int, old, src, r0 uint64) (stored uint64, write bool, reg int, back uint64) {
	reg = -1
	if size == 4 {
		src, r0 = uint64(uint32(src)), uint64(uint32(r0))
	}
	if in.Imm&ebpf.AtomicFetch != 0 {
		reg, back = int(in.Src), old
	}
	switch in.Imm {
	case ebpf.AtomicAdd, ebpf.AtomicAdd | ebpf.AtomicFetch:
		return old + src, true, reg, back
	case ebpf.AtomicOr, ebpf.AtomicOr | ebpf.AtomicFetch:
		return old | src, true, reg, back
	case ebpf.AtomicAnd, ebpf.AtomicAnd | ebpf.AtomicFetch:
		return old & src, true, reg, back
	case ebpf.AtomicXor, ebpf.AtomicXor | ebpf.AtomicFetch:
		return old ^ src, true, reg, back
	case ebpf.AtomicXchg:
		return src, true, reg, back
	case ebpf.AtomicCmpXchg:
		// r0 always gets the old word, the memory the new one only on a match.
		return src, old == r0, 0, old
	case ebpf.AtomicLoadAcq:
		return old, false, int(in.Dst), old
	default: // AtomicStRel
		return src, true, -1, 0
	}
}
