package superopt

import "jitnic/host/ebpf"

// passConstProp: operands and results the facts make constants.
func passConstProp(o *optimizer) bool {
	for i := o.from; i < len(o.p.Insts); i++ {
		in := &o.p.Insts[i]
		f := &o.a.in[i]
		if !f.ok || in.Fixed {
			continue
		}
		if d := defReg(in); d >= 0 && !in.IsAtomic() && d != 10 {
			isMov := (in.Class() == ebpf.ClassALU64 || in.Class() == ebpf.ClassALU) && in.ALUOp() == ebpf.ALUMov && in.Op&ebpf.SrcX == 0
			after := *f
			o.p.step(i, &after, nil)
			if v := after.r[d]; v.isConst() && !isMov {
				if m, ok := movConst(uint8(d), v.known); ok {
					m.Slot = in.Slot
					if o.try("const-prop", i, i+1, true, func(q *Prog) { q.Insts[i] = m }) {
						return true
					}
				}
			}
		}
		switch in.Class() {
		case ebpf.ClassALU, ebpf.ClassALU64:
			if in.Op&ebpf.SrcX == 0 || in.ALUOp() == ebpf.ALUEnd || in.ALUOp() == ebpf.ALUNeg || in.Off != 0 {
				continue
			}
			if v := f.r[in.Src]; v.isConst() {
				imm := v.known
				if in.Class() == ebpf.ClassALU {
					imm = uint64(int64(int32(imm)))
				}
				if imm == uint64(int64(int32(imm))) && o.try("const-prop", i, i+1, true, func(q *Prog) {
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
			fit := func(v val) (int32, bool) {
				if !v.isConst() {
					return 0, false
				}
				if in.Class() == ebpf.ClassJMP32 {
					return int32(v.known), true
				}
				return int32(v.known), v.known == uint64(int64(int32(v.known)))
			}
			if imm, ok := fit(f.r[in.Src]); ok {
				if o.try("const-prop", i, i+1, true, func(q *Prog) {
					q.Insts[i].Op &^= ebpf.SrcX
					q.Insts[i].Src, q.Insts[i].Imm = 0, imm
				}) {
					return true
				}
			} else if imm, ok := fit(f.r[in.Dst]); ok {
				sw := swapped(in.JmpOp())
				if sw != 0 && o.try("const-prop", i, i+1, true, func(q *Prog) {
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

// passStoreImm: a store of a register known to be a constant becomes a store
// of an immediate, which frees the register.
func passStoreImm(o *optimizer) bool {
	for i := o.from; i < len(o.p.Insts); i++ {
		in := &o.p.Insts[i]
		f := &o.a.in[i]
		if !f.ok || in.Fixed || in.Class() != ebpf.ClassSTX || in.IsAtomic() || f.r[in.Dst].kind == kCtx {
			continue
		}
		if v := f.r[in.Src]; v.isConst() {
			imm := v.known
			if n := in.Size(); n < 8 {
				imm = uint64(int64(imm<<(64-8*n)) >> (64 - 8*n))
			}
			if imm == uint64(int64(int32(imm))) && o.try("store-imm", i, i+1, true, func(q *Prog) {
				q.Insts[i].Op = q.Insts[i].Op&^7 | ebpf.ClassST
				q.Insts[i].Src, q.Insts[i].Imm = 0, int32(imm)
			}) {
				return true
			}
		}
	}
	return false
}
