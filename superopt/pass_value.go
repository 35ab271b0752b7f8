package superopt

import (
	"jitnic/host/ebpf"
	"jitnic/pathcond/bv"
)

// passValueNumber follows a straight run symbolically. A result that a
// register already holds becomes a move (or nothing); one that lies in memory
// as it is becomes one load.
func passValueNumber(o *optimizer) bool {
	for _, w := range o.blocks() {
		if o.valueNumber(w[0], w[1]) {
			return true
		}
	}
	return false
}

func (o *optimizer) valueNumber(s, e int) bool {
	if !o.a.in[s].ok {
		return false
	}
	m := newMachine(o.p, AllAccel)
	st := m.entry(&o.a.in[s], o.free)
	if f := o.assumption(s); f != nil {
		f(m, st)
	}
	var acc []symAccess
	for i := s; i < e; i++ {
		in := o.p.Insts[i]
		if in.jumps() || in.Op == ebpf.OpExit {
			return false
		}
		before := st.clone()
		if m.step(o.p, i, &in, st, &acc) != nil {
			return false
		}
		d := defReg(&in)
		if d < 0 || in.IsAtomic() {
			continue
		}
		t := st.r[d]
		if before.r[d] == t {
			if o.try("value-number", i, i+1, false, func(q *Prog) { q.Insts[i] = emptyInst() }) ||
				o.try("value-number", s, i+1, false, func(q *Prog) { q.Insts[i] = emptyInst() }) {
				return true
			}
		}
		if k, ok := m.b.IsConst(t); ok && !(in.Class() == ebpf.ClassALU64 && in.ALUOp() == ebpf.ALUMov) && in.Op != ebpf.OpLDDW {
			if mv, ok := movConst(uint8(d), k); ok && mv.Insn != in.Insn {
				mv.Slot = in.Slot
				if o.try("value-number", s, i+1, true, func(q *Prog) { q.Insts[i] = mv }) {
					return true
				}
			}
		}
		if isMovReg(&in) {
			continue
		}
		if isMov := in.ALUOp() == ebpf.ALUMov && in.Op&ebpf.SrcX == 0 && (in.Class() == ebpf.ClassALU64 || in.Class() == ebpf.ClassALU); !isMov {
			for r := 0; r < 11; r++ {
				if r != d && before.r[r] == t {
					if o.try("value-number", s, i+1, true, func(q *Prog) { q.Insts[i] = movReg(uint8(d), uint8(r)) }) {
						return true
					}
				}
			}
		}
		if in.IsLoad() {
			continue
		}
		if rg, off, n := m.wholeLoad(t); n > 0 {
			for r := uint8(0); r < 11; r++ {
				if before.r[r] == 0 {
					continue
				}
				r2, o2, err := m.locate(before.r[r])
				if err != nil || r2 != rg {
					continue
				}
				c, ok := m.b.IsConst(m.b.Bin(bv.OpSub, off, o2))
				if !ok || int64(c) != int64(int16(c)) {
					continue
				}
				ld := Inst{Insn: ebpf.Insn{Op: ebpf.ClassLDX | ebpf.ModeMEM | sizeOp(n), Dst: uint8(d), Src: r, Off: int16(c)}, To: -1, Slot: in.Slot}
				if o.try("value-number", s, i+1, true, func(q *Prog) { q.Insts[i] = ld }) {
					return true
				}
			}
		}
	}
	return false
}
