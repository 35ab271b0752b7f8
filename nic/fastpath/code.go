package fastpath

import (
	"slices"

	"jitnic/host/ebpf"
)

type label int

type fix struct {
	slot int
	to   label
}

func (b *builder) label() label {
	b.labels = append(b.labels, -1)
	return label(len(b.labels) - 1)
}

func (b *builder) bind(l label) { b.labels[l] = len(b.code) }

// jumped says whether a jump leads to a label.
func (b *builder) jumped(l label) bool {
	return slices.ContainsFunc(b.fixes, func(f fix) bool { return f.to == l })
}

func (b *builder) put(in ebpf.Insn) { b.code = append(b.code, in) }

func (b *builder) jump(in ebpf.Insn, to label) {
	b.fixes = append(b.fixes, fix{len(b.code), to})
	b.put(in)
}

func (b *builder) mov(dst, src uint8) {
	b.put(ebpf.Insn{Op: ebpf.ClassALU64 | ebpf.ALUMov | ebpf.SrcX, Dst: dst, Src: src})
}

func (b *builder) alu(op, dst uint8, k int32) {
	b.put(ebpf.Insn{Op: ebpf.ClassALU64 | op | ebpf.SrcK, Dst: dst, Imm: k})
}

func (b *builder) alux(op, dst, src uint8) {
	b.put(ebpf.Insn{Op: ebpf.ClassALU64 | op | ebpf.SrcX, Dst: dst, Src: src})
}

// imm loads a constant.
func (b *builder) imm(dst uint8, v uint64) {
	switch {
	case int64(v) == int64(int32(v)):
		b.alu(ebpf.ALUMov, dst, int32(v))
	case v>>32 == 0:
		b.put(ebpf.Insn{Op: ebpf.ClassALU | ebpf.ALUMov | ebpf.SrcK, Dst: dst, Imm: int32(v)})
	default:
		b.put(ebpf.Insn{Op: ebpf.OpLDDW, Dst: dst, Imm: int32(v)})
		b.put(ebpf.Insn{Imm: int32(v >> 32)})
	}
}

var sizeOf = map[int]uint8{1: ebpf.SizeB, 2: ebpf.SizeH, 4: ebpf.SizeW, 8: ebpf.SizeDW}

func (b *builder) load(n int, dst, src uint8, off int16) {
	if n == 8 && src == 10 && b.settled(dst, off) {
		return
	}
	b.put(ebpf.Insn{Op: ebpf.ClassLDX | ebpf.ModeMEM | sizeOf[n], Dst: dst, Src: src, Off: off})
}

func (b *builder) store(n int, dst uint8, off int16, src uint8) {
	b.put(ebpf.Insn{Op: ebpf.ClassSTX | ebpf.ModeMEM | sizeOf[n], Dst: dst, Src: src, Off: off})
}

func (b *builder) storeK(n int, dst uint8, off int16, k int32) {
	b.put(ebpf.Insn{Op: ebpf.ClassST | ebpf.ModeMEM | sizeOf[n], Dst: dst, Off: off, Imm: k})
}

func (b *builder) mapFD(dst uint8, m int) {
	b.put(ebpf.Insn{Op: ebpf.OpLDDW, Dst: dst, Src: ebpf.PseudoMapFD, Imm: int32(m)})
	b.put(ebpf.Insn{})
}

func (b *builder) call(helper int32) { b.put(ebpf.Insn{Op: ebpf.OpCall, Imm: helper}) }
