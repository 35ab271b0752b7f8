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
		in := &o.Prog.Insts[i]
		f := o.Known.In[i]
		if !f.Reached || in.Fixed {
			continue
		}
		if d := ir.DefReg(in); d >= 0 && !in.IsAtomic() && d != 10 {
			isMov := (in.Class() == ebpf.ClassALU64 || in.Class() == ebpf.ClassALU) && in.ALUOp() == ebpf.ALUMov && in.Op&ebpf.SrcX == 0
			after := *f
			dataflow.Step(o.Prog, i, &after, nil)
			if v := after.R[d]; v.IsConst() && !isMov {
				if m, ok := ir.MovConst(uint8(d), v.Known); ok {
					m.Slot = in.Slot
					if o.Try("const-prop", i, i+1, true, func(q *ir.Prog) { q.Insts[i] = m }) {
						return true
					}
				}
			}
		}
		switch in.Class() {
		case ebpf.ClassALU, ebpf.ClassALU64:
			if in.IsSelect() {
				if chosen, ok := decided(in, f); ok && o.Try("const-prop", i, i+1, true, func(q *ir.Prog) { q.Insts[i] = chosen }) {
					return true
				}
				continue
			}
			if in.Op&ebpf.SrcX == 0 || in.ALUOp() == ebpf.ALUEnd || in.ALUOp() == ebpf.ALUNeg || in.Off != 0 {
				continue
			}
			if v := f.R[in.Src]; v.IsConst() {
				imm := v.Known
				if in.Class() == ebpf.ClassALU {
					imm = uint64(int64(int32(imm)))
				}
				if imm == uint64(int64(int32(imm))) && o.Try("const-prop", i, i+1, true, func(q *ir.Prog) {
					q.Insts[i].Op &^= ebpf.SrcX
					q.Insts[i].Src, q.Insts[i].Imm = 0, int32(imm)
				}) {
					return true
				}
			}
		case ebpf.ClassJMP, ebpf.ClassJMP32:
			if !in.IsCondJump() || in.Op&ebpf.SrcX == 0 {
				continue
			}
			fit := func(v points.Value) (int32, bool) {
				if !v.IsConst() {
					return 0, false
				}
				if in.Class() == ebpf.ClassJMP32 {
					return int32(v.Known), true
				}
				return int32(v.Known), v.Known == uint64(int64(int32(v.Known)))
			}
			if imm, ok := fit(f.R[in.Src]); ok {
				if o.Try("const-prop", i, i+1, true, func(q *ir.Prog) {
					q.Insts[i].Op &^= ebpf.SrcX
					q.Insts[i].Src, q.Insts[i].Imm = 0, imm
				}) {
					return true
				}
			} else if imm, ok := fit(f.R[in.Dst]); ok {
				sw := ebpf.Swapped(in.JmpOp())
				if sw != 0 && o.Try("const-prop", i, i+1, true, func(q *ir.Prog) {
					x := &q.Insts[i]
					x.Op = x.Op&^(0xf0|ebpf.SrcX) | sw
					x.Dst, x.Src, x.Imm = x.Src, 0, imm
				}) {
					return true
				}
			}
		}
	}
	return false
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
