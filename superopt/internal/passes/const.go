package passes

import (
	"jitnic/host/ebpf"
	"jitnic/host/points"
	"jitnic/superopt/internal/dataflow"
	"jitnic/superopt/internal/ir"
	"jitnic/superopt/internal/rewrite"
)

// passConstProp: operands and results the facts make constants.
func passConstProp(o *rewrite.Gate) bool {
	for i := o.From; i < len(o.Prog.Insts); i++ {
		in, f := &o.Prog.Insts[i], o.Known.In[i]
		if !f.Reached || in.Fixed {
			continue
		}
		try := func(f rewrite.Edit) bool { return o.Try("const-prop", i, i+1, true, f) }
		if m, ok := constResult(o.Prog, i, f); ok && try(func(q *ir.Prog) { q.Insts[i] = m }) {
			return true
		}
		switch in.Class() {
		case ebpf.ClassALU, ebpf.ClassALU64:
			if in.IsSelect() {
				if chosen, ok := decided(in, f); ok && try(func(q *ir.Prog) { q.Insts[i] = chosen }) {
					return true
				}
			} else if imm, ok := constOperand(in, f); ok && try(func(q *ir.Prog) { withConst(&q.Insts[i], imm) }) {
				return true
			}
		case ebpf.ClassJMP, ebpf.ClassJMP32:
			if !in.IsCondJump() || in.Op&ebpf.SrcX == 0 {
				continue
			}
			if imm, ok := comparand(in, f.R[in.Src]); ok {
				if try(func(q *ir.Prog) { withConst(&q.Insts[i], imm) }) {
					return true
				}
			} else if imm, ok := comparand(in, f.R[in.Dst]); ok {
				sw := ebpf.Swapped(in.JmpOp())
				if sw != 0 && try(func(q *ir.Prog) {
					x := &q.Insts[i]
					x.Op = x.Op&^0xf0 | sw
					x.Dst = x.Src
					withConst(x, imm)
				}) {
					return true
				}
			}
		}
	}
	return false
}

// withConst gives an instruction a constant for its second operand.
func withConst(in *ir.Inst, imm int32) {
	in.Op &^= ebpf.SrcX
	in.Src, in.Imm = 0, imm
}

// constResult is a move of the constant that instruction i is known to give, where
// it is none already.
func constResult(p *ir.Prog, i int, f *points.Facts) (m ir.Inst, ok bool) {
	in := &p.Insts[i]
	d := ir.DefReg(in)
	if d < 0 || d == 10 || in.IsAtomic() || isALU(in) && in.ALUOp() == ebpf.ALUMov && in.Op&ebpf.SrcX == 0 {
		return m, false
	}
	after := *f
	dataflow.Step(p, i, &after, nil)
	if v := after.R[d]; v.IsConst() {
		m, ok = ir.MovConst(uint8(d), v.Known)
		m.Slot = in.Slot
	}
	return m, ok
}

// constOperand is the constant that the second operand of arithmetic is known to be.
func constOperand(in *ir.Inst, f *points.Facts) (imm int32, ok bool) {
	v := f.R[in.Src]
	if in.Op&ebpf.SrcX == 0 || in.ALUOp() == ebpf.ALUEnd || in.ALUOp() == ebpf.ALUNeg || in.Off != 0 || !v.IsConst() {
		return 0, false
	}
	imm = int32(v.Known)
	return imm, in.Class() == ebpf.ClassALU || v.Known == uint64(int64(imm))
}

// comparand is the constant that a register of a conditional jump is known to be.
func comparand(in *ir.Inst, v points.Value) (imm int32, ok bool) {
	imm = int32(v.Known)
	return imm, v.IsConst() && (in.Class() == ebpf.ClassJMP32 || v.Known == uint64(int64(imm)))
}

// decided is what stands for a select of which f knows what it chooses.
func decided(in *ir.Inst, f *points.Facts) (ir.Inst, bool) {
	c := f.R[in.Cond()]
	switch {
	case c.Kind != points.Scalar:
	case c.IsConst() && c.Known == 0:
		return ir.Empty(), true
	case c.Min > 0:
		mv := ir.MovReg(in.Dst, in.Src)
		mv.Slot = in.Slot
		return mv, true
	}
	return ir.Inst{}, false
}

// passStoreImm: a store of a register known to be a constant becomes a store
// of an immediate, which frees the register.
func passStoreImm(o *rewrite.Gate) bool {
	for i := o.From; i < len(o.Prog.Insts); i++ {
		in := &o.Prog.Insts[i]
		f := o.Known.In[i]
		if !f.Reached || in.Fixed || in.Class() != ebpf.ClassSTX || in.IsAtomic() || f.R[in.Dst].Kind == points.Ctx {
			continue
		}
		if v := f.R[in.Src]; v.IsConst() {
			imm := v.Known
			if n := in.Size(); n < 8 {
				imm = uint64(int64(imm<<(64-8*n)) >> (64 - 8*n))
			}
			if imm == uint64(int64(int32(imm))) && o.Try("store-imm", i, i+1, true, func(q *ir.Prog) {
				q.Insts[i].Op = q.Insts[i].Op&^7 | ebpf.ClassST
				q.Insts[i].Src, q.Insts[i].Imm = 0, int32(imm)
			}) {
				return true
			}
		}
	}
	return false
}
