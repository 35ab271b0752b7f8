package calibrate

import "jitnic/host/ebpf"

// Numbers of uapi/linux/bpf.h.
const (
	flagNoExist    = 1
	flagExist      = 2
	flagRingNoWake = 1
	xdpDrop        = 1
	xdpPass        = 2
	ctxXDPData     = 0 // struct xdp_md
	ctxXDPDataEnd  = 4
	ctxXDPMeta     = 8
	ctxSkbData     = 76 // struct __sk_buff
	ctxSkbDataEnd  = 80
)

// code is a program in the making.
type code []ebpf.Insn

func (c *code) add(in ...ebpf.Insn) { *c = append(*c, in...) }

func alu(op, dst uint8, imm int32) ebpf.Insn {
	return ebpf.Insn{Op: ebpf.ClassALU64 | op | ebpf.SrcK, Dst: dst, Imm: imm}
}

func alux(op, dst, src uint8) ebpf.Insn {
	return ebpf.Insn{Op: ebpf.ClassALU64 | op | ebpf.SrcX, Dst: dst, Src: src}
}

func mov(dst uint8, imm int32) ebpf.Insn { return alu(ebpf.ALUMov, dst, imm) }
func movx(dst, src uint8) ebpf.Insn      { return alux(ebpf.ALUMov, dst, src) }

func load(size, dst, src uint8, off int16) ebpf.Insn {
	return ebpf.Insn{Op: ebpf.ClassLDX | ebpf.ModeMEM | size, Dst: dst, Src: src, Off: off}
}

func store(size, dst uint8, off int16, src uint8) ebpf.Insn {
	return ebpf.Insn{Op: ebpf.ClassSTX | ebpf.ModeMEM | size, Dst: dst, Src: src, Off: off}
}

func storeImm(size, dst uint8, off int16, imm int32) ebpf.Insn {
	return ebpf.Insn{Op: ebpf.ClassST | ebpf.ModeMEM | size, Dst: dst, Off: off, Imm: imm}
}

func atomic(op int32, dst uint8, off int16, src uint8) ebpf.Insn {
	return ebpf.Insn{Op: ebpf.ClassSTX | ebpf.ModeATOMIC | ebpf.SizeDW, Dst: dst, Src: src, Off: off, Imm: op}
}

func jump(op, dst uint8, imm int32, off int16) ebpf.Insn {
	return ebpf.Insn{Op: ebpf.ClassJMP | op | ebpf.SrcK, Dst: dst, Imm: imm, Off: off}
}

func jumpx(op, dst, src uint8, off int16) ebpf.Insn {
	return ebpf.Insn{Op: ebpf.ClassJMP | op | ebpf.SrcX, Dst: dst, Src: src, Off: off}
}

func ja(off int16) ebpf.Insn    { return ebpf.Insn{Op: ebpf.OpJA, Off: off} }
func helper(id int32) ebpf.Insn { return ebpf.Insn{Op: ebpf.OpCall, Imm: id} }
func local(offset int32) ebpf.Insn {
	return ebpf.Insn{Op: ebpf.OpCall, Src: ebpf.CallLocal, Imm: offset}
}
func exit() ebpf.Insn { return ebpf.Insn{Op: ebpf.OpExit} }

// wide is a load of a 64-bit constant, a map or a value of one, by src.
func wide(dst, src uint8, lo, hi int32) []ebpf.Insn {
	return []ebpf.Insn{{Op: ebpf.OpLDDW, Dst: dst, Src: src, Imm: lo}, {Imm: hi}}
}

func mapFD(dst uint8, index int32) []ebpf.Insn    { return wide(dst, ebpf.PseudoMapFD, index, 0) }
func mapValue(dst uint8, index int32) []ebpf.Insn { return wide(dst, ebpf.PseudoMapValue, index, 0) }
