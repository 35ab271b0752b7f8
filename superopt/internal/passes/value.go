package passes

import (
	"jitnic/host/ebpf"
	"jitnic/pathcond/bv"
	"jitnic/superopt/internal/ir"
	"jitnic/superopt/internal/proof"
	"jitnic/superopt/internal/rewrite"
)

// passValueNumber follows a straight run symbolically. A result that a
// register already holds becomes a move (or nothing); one that lies in memory
// as it is becomes one load.
func passValueNumber(o *rewrite.Gate) bool {
	for w := range o.Blocks() {
		if valueNumber(o, w[0], w[1]) {
			return true
		}
	}
	return false
}

func valueNumber(o *rewrite.Gate, s, e int) bool {
	if !o.Known.In[s].Reached {
		return false
	}
	m := proof.NewMachine(o.Prog, proof.AllAccel())
	defer m.Release()
	st := m.Entry(o.Known.In[s], o.Free)
	if f := o.Assumption(s); f != nil {
		f(m, st)
	}
	var acc []proof.Access
	for i := s; i < e; i++ {
		in := o.Prog.Insts[i]
		if in.Jumps() || in.Op == ebpf.OpExit {
			return false
		}
		before := st.Clone()
		if m.Step(o.Prog, i, &in, st, &acc) != nil {
			return false
		}
		d := ir.DefReg(&in)
		if d < 0 || in.IsAtomic() {
			continue
		}
		t := st.R[d]
		if before.R[d] == t {
			if o.Try("value-number", i, i+1, false, func(q *ir.Prog) { q.Insts[i] = ir.Empty() }) ||
				o.Try("value-number", s, i+1, false, func(q *ir.Prog) { q.Insts[i] = ir.Empty() }) {
				return true
			}
		}
		if k, ok := m.B.IsConst(t); ok && !(in.Class() == ebpf.ClassALU64 && in.ALUOp() == ebpf.ALUMov) && in.Op != ebpf.OpLDDW {
			if mv, ok := ir.MovConst(uint8(d), k); ok && mv.Insn != in.Insn {
				mv.Slot = in.Slot
				if o.Try("value-number", s, i+1, true, func(q *ir.Prog) { q.Insts[i] = mv }) {
					return true
				}
			}
		}
		if isMovReg(&in) {
			continue
		}
		if isMov := in.ALUOp() == ebpf.ALUMov && in.Op&ebpf.SrcX == 0 && (in.Class() == ebpf.ClassALU64 || in.Class() == ebpf.ClassALU); !isMov {
			for r := 0; r < 11; r++ {
				if r != d && before.R[r] == t {
					mv := ir.MovReg(uint8(d), uint8(r))
					mv.Slot = in.Slot
					if o.Try("value-number", s, i+1, true, func(q *ir.Prog) { q.Insts[i] = mv }) {
						return true
					}
				}
			}
		}
		if in.IsLoad() {
			continue
		}
		if rg, off, n := m.WholeLoad(t); n > 0 {
			for r := uint8(0); r < 11; r++ {
				if before.R[r] == 0 {
					continue
				}
				r2, o2, err := m.Locate(before.R[r])
				if err != nil || r2 != rg {
					continue
				}
				c, ok := m.B.IsConst(m.B.Bin(bv.OpSub, off, o2))
				if !ok || int64(c) != int64(int16(c)) {
					continue
				}
				ld := ir.Inst{Insn: ebpf.Insn{Op: ebpf.ClassLDX | ebpf.ModeMEM | ir.SizeOp(n), Dst: uint8(d), Src: r, Off: int16(c)}, To: -1, Slot: in.Slot}
				if o.Try("value-number", s, i+1, true, func(q *ir.Prog) { q.Insts[i] = ld }) {
					return true
				}
			}
		}
	}
	return false
}
