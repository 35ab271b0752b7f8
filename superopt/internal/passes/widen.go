package passes

import (
	"jitnic/host/ebpf"
	"jitnic/pathcond/bv"
	"jitnic/superopt/internal/ir"
	"jitnic/superopt/internal/proof"
	"jitnic/superopt/internal/rewrite"
)

// passStoreWiden: neighbouring stores that together write what lies side by
// side in memory become one load and one store, whatever widths and registers
// the bytes went through.
func passStoreWiden(o *rewrite.Gate) bool {
	for w := range o.Blocks() {
		if storeWiden(o, w[0], w[1]) {
			return true
		}
	}
	return false
}

type symStore struct {
	at   int
	rg   int
	off  bv.Term
	n    int
	val  bv.Term
	regs [11]bv.Term // before it
}

func storeWiden(o *rewrite.Gate, s, e int) bool {
	if !o.Known.In[s].Reached {
		return false
	}
	m := proof.NewMachine(o.Prog, proof.AllAccel())
	defer m.Release()
	b := m.B
	st := m.Entry(o.Known.In[s], o.Free)
	if f := o.Assumption(s); f != nil {
		f(m, st)
	}
	var acc []proof.Access
	var stores []symStore
	for i := s; i < e; i++ {
		in := o.Prog.Insts[i]
		if in.Class() == ebpf.ClassSTX && !in.IsAtomic() && in.Size() < 8 && st.R[in.Src] != 0 {
			if rg, off, err := m.Address(st, in.Dst, int64(in.Off)); err == nil {
				stores = append(stores, symStore{i, rg, off, in.Size(), b.Extract(st.R[in.Src], 0, 8*in.Size()), st.R})
			}
		}
		if m.Step(o.Prog, i, &in, st, &acc) != nil {
			break
		}
	}
	for x := range stores {
		p := &stores[x]
		for y := x + 1; y < len(stores); y++ {
			q := &stores[y]
			if p.rg != q.rg || p.n != q.n {
				continue
			}
			d, ok := b.IsConst(b.Bin(bv.OpSub, q.off, p.off))
			if !ok {
				continue
			}
			lo, hi := p, q
			switch int64(d) {
			case int64(p.n):
			case -int64(p.n):
				lo, hi = q, p
			default:
				continue
			}
			rg, off, n := m.WholeLoad(b.ZExt(b.Concat(hi.val, lo.val), 64))
			if n != 2*p.n {
				continue
			}
			tmp := freeReg(o, p.at, q.at)
			if tmp < 0 {
				continue
			}
			for r := uint8(0); r < 11; r++ {
				if p.regs[r] == 0 {
					continue
				}
				r2, o2, err := m.Locate(p.regs[r])
				if err != nil || r2 != rg {
					continue
				}
				c, ok := b.IsConst(b.Bin(bv.OpSub, off, o2))
				if !ok || int64(c) != int64(int16(c)) {
					continue
				}
				ld := ir.Inst{Insn: ebpf.Insn{Op: ebpf.ClassLDX | ebpf.ModeMEM | ir.SizeOp(n), Dst: uint8(tmp), Src: r, Off: int16(c)}, To: -1, Slot: o.Prog.Insts[p.at].Slot}
				wide := o.Prog.Insts[q.at]
				if lo == p { // the address of the lower half
					wide.Off -= int16(p.n)
				}
				wide.Op = wide.Op&^0x18 | ir.SizeOp(n)
				wide.Src = uint8(tmp)
				if o.Try("store-widen", s, q.at+1, true, func(g *ir.Prog) { g.Insts[p.at], g.Insts[q.at] = ld, wide }) {
					return true
				}
				break
			}
		}
	}
	return false
}

// freeReg is a register nobody needs from i to j.
func freeReg(o *rewrite.Gate, i, j int) int {
	used := o.Known.Before[i].Regs | 1<<10
	for k := i; k <= j; k++ {
		in := &o.Prog.Insts[k]
		used |= in.Reads() | in.Writes() | o.Known.Live[k].Regs
	}
	for r := 0; r < 10; r++ {
		if used>>r&1 == 0 {
			return r
		}
	}
	return -1
}

// passNarrow: 32-bit forms. A pair of shifts that cuts or extends 32 bits only
// for a comparison becomes a 32-bit comparison; a mask too wide for an
// immediate fits one of 32 bits.
func passNarrow(o *rewrite.Gate) bool {
	for i := o.From; i < len(o.Prog.Insts); i++ {
		in := &o.Prog.Insts[i]
		if !o.Known.In[i].Reached || in.Fixed {
			continue
		}
		if in.Class() == ebpf.ClassALU64 && in.Op&ebpf.SrcX != 0 && in.Off == 0 && in.ALUOp() != ebpf.ALUMov && !in.IsSelect() {
			if v := o.Known.In[i].R[in.Src]; v.IsConst() && v.Known>>32 == 0 && v.Known>>31 != 0 {
				if o.Try("narrow", i, i+1, true, func(q *ir.Prog) {
					x := &q.Insts[i]
					x.Op = ebpf.ClassALU | x.ALUOp()
					x.Src, x.Imm = 0, int32(v.Known)
				}) {
					return true
				}
			}
		}
		if in.Op != ebpf.ClassALU64|ebpf.ALULsh || in.Imm != 32 || i+1 >= len(o.Prog.Insts) {
			continue
		}
		nx := &o.Prog.Insts[i+1]
		if nx.Dst != in.Dst || nx.Imm != 32 || nx.Op != ebpf.ClassALU64|ebpf.ALURsh && nx.Op != ebpf.ClassALU64|ebpf.ALUArsh || o.Known.Target(i+1) {
			continue
		}
		r := in.Dst
		if nx.ALUOp() == ebpf.ALURsh {
			mv := ir.Inst{Insn: ebpf.Insn{Op: ebpf.ClassALU | ebpf.ALUMov | ebpf.SrcX, Dst: r, Src: r}, To: -1, Slot: in.Slot}
			if o.Try("narrow", i, i+2, false, func(q *ir.Prog) { q.Insts[i], q.Insts[i+1] = mv, ir.Empty() }) {
				return true
			}
		}
		if narrowJumps(o, i, i+2, r) {
			return true
		}
	}
	// a move of the low half that only feeds comparisons
	for i := o.From; i < len(o.Prog.Insts); i++ {
		in := &o.Prog.Insts[i]
		if o.Known.In[i].Reached && in.Op == ebpf.ClassALU|ebpf.ALUMov|ebpf.SrcX && in.Dst == in.Src && in.Off == 0 && narrowJumps(o, i, i+1, in.Dst) {
			return true
		}
	}
	return false
}

// narrowJumps drops [i, j) and makes the comparisons of r that follow 32 bits wide.
func narrowJumps(o *rewrite.Gate, i, j int, r uint8) bool {
	end := extended(o, j-1)
	var at []int
	last, ok := i, false
	for k := j; k < end; k++ {
		kn := &o.Prog.Insts[k]
		if kn.Reads()>>r&1 != 0 {
			if kn.Class() != ebpf.ClassJMP || !kn.IsCondJump() || kn.Op&ebpf.SrcX != 0 {
				break
			}
			at = append(at, k)
			last = k
		}
		if o.Known.Live[k].Regs>>r&1 == 0 || kn.Writes()>>r&1 != 0 && kn.Reads()>>r&1 == 0 {
			ok = true
			break
		}
		if kn.Jumps() && o.Known.Before[kn.To].Regs>>r&1 != 0 {
			break
		}
	}
	return ok && len(at) > 0 && o.Try("narrow", i, last+1, false, func(q *ir.Prog) {
		for k := i; k < j; k++ {
			q.Insts[k] = ir.Empty()
		}
		for _, k := range at {
			q.Insts[k].Op = q.Insts[k].Op&^7 | ebpf.ClassJMP32
		}
	})
}
