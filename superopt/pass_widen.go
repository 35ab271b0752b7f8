package superopt

import (
	"jitnic/host/ebpf"
	"jitnic/pathcond/bv"
)

// passStoreWiden: neighbouring stores that together write what lies side by
// side in memory become one load and one store, whatever widths and registers
// the bytes went through.
func passStoreWiden(o *optimizer) bool {
	for _, w := range o.blocks() {
		if o.storeWiden(w[0], w[1]) {
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

func (o *optimizer) storeWiden(s, e int) bool {
	if !o.a.in[s].ok {
		return false
	}
	m := newMachine(o.p, AllAccel)
	b := m.b
	st := m.entry(&o.a.in[s], o.free)
	if f := o.assumption(s); f != nil {
		f(m, st)
	}
	var acc []symAccess
	var stores []symStore
	for i := s; i < e; i++ {
		in := o.p.Insts[i]
		if in.Class() == ebpf.ClassSTX && !in.IsAtomic() && in.Size() < 8 && st.r[in.Src] != 0 {
			if rg, off, err := m.address(st, in.Dst, int64(in.Off)); err == nil {
				stores = append(stores, symStore{i, rg, off, in.Size(), b.Extract(st.r[in.Src], 0, 8*in.Size()), st.r})
			}
		}
		if m.step(o.p, i, &in, st, &acc) != nil {
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
			rg, off, n := m.wholeLoad(b.ZExt(b.Concat(hi.val, lo.val), 64))
			if n != 2*p.n {
				continue
			}
			tmp := o.freeReg(p.at, q.at)
			if tmp < 0 {
				continue
			}
			for r := uint8(0); r < 11; r++ {
				if p.regs[r] == 0 {
					continue
				}
				r2, o2, err := m.locate(p.regs[r])
				if err != nil || r2 != rg {
					continue
				}
				c, ok := b.IsConst(b.Bin(bv.OpSub, off, o2))
				if !ok || int64(c) != int64(int16(c)) {
					continue
				}
				ld := Inst{Insn: ebpf.Insn{Op: ebpf.ClassLDX | ebpf.ModeMEM | sizeOp(n), Dst: uint8(tmp), Src: r, Off: int16(c)}, To: -1, Slot: o.p.Insts[p.at].Slot}
				wide := o.p.Insts[q.at]
				if lo == p { // the address of the lower half
					wide.Off -= int16(p.n)
				}
				wide.Op = wide.Op&^0x18 | sizeOp(n)
				wide.Src = uint8(tmp)
				if o.try("store-widen", s, q.at+1, true, func(g *Prog) { g.Insts[p.at], g.Insts[q.at] = ld, wide }) {
					return true
				}
				break
			}
		}
	}
	return false
}

// freeReg is a register nobody needs from i to j.
func (o *optimizer) freeReg(i, j int) int {
	used := o.a.before[i].regs | 1<<10
	for k := i; k <= j; k++ {
		in := &o.p.Insts[k]
		used |= reads(in) | defs(in) | o.a.live[k].regs
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
func passNarrow(o *optimizer) bool {
	for i := o.from; i < len(o.p.Insts); i++ {
		in := &o.p.Insts[i]
		if !o.a.in[i].ok || in.Fixed {
			continue
		}
		if in.Class() == ebpf.ClassALU64 && in.Op&ebpf.SrcX != 0 && in.Off == 0 && in.ALUOp() != ebpf.ALUMov {
			if v := o.a.in[i].r[in.Src]; v.isConst() && v.known>>32 == 0 && v.known>>31 != 0 {
				if o.try("narrow", i, i+1, true, func(q *Prog) {
					x := &q.Insts[i]
					x.Op = ebpf.ClassALU | x.ALUOp()
					x.Src, x.Imm = 0, int32(v.known)
				}) {
					return true
				}
			}
		}
		if in.Op != ebpf.ClassALU64|ebpf.ALULsh || in.Imm != 32 || i+1 >= len(o.p.Insts) {
			continue
		}
		nx := &o.p.Insts[i+1]
		if nx.Dst != in.Dst || nx.Imm != 32 || nx.Op != ebpf.ClassALU64|ebpf.ALURsh && nx.Op != ebpf.ClassALU64|ebpf.ALUArsh || targeted(o.p, i+1) {
			continue
		}
		r := in.Dst
		if nx.ALUOp() == ebpf.ALURsh {
			mv := Inst{Insn: ebpf.Insn{Op: ebpf.ClassALU | ebpf.ALUMov | ebpf.SrcX, Dst: r, Src: r}, To: -1, Slot: in.Slot}
			if o.try("narrow", i, i+2, false, func(q *Prog) { q.Insts[i], q.Insts[i+1] = mv, emptyInst() }) {
				return true
			}
		}
		if o.narrowJumps(i, i+2, r) {
			return true
		}
	}
	// a move of the low half that only feeds comparisons
	for i := o.from; i < len(o.p.Insts); i++ {
		in := &o.p.Insts[i]
		if o.a.in[i].ok && in.Op == ebpf.ClassALU|ebpf.ALUMov|ebpf.SrcX && in.Dst == in.Src && in.Off == 0 && o.narrowJumps(i, i+1, in.Dst) {
			return true
		}
	}
	return false
}

// narrowJumps drops [i, j) and makes the comparisons of r that follow 32 bits wide.
func (o *optimizer) narrowJumps(i, j int, r uint8) bool {
	end := o.extended(j - 1)
	var at []int
	last, ok := i, false
	for k := j; k < end; k++ {
		kn := &o.p.Insts[k]
		if reads(kn)>>r&1 != 0 {
			if kn.Class() != ebpf.ClassJMP || !kn.IsCondJump() || kn.Op&ebpf.SrcX != 0 {
				break
			}
			at = append(at, k)
			last = k
		}
		if o.a.live[k].regs>>r&1 == 0 || defs(kn)>>r&1 != 0 && reads(kn)>>r&1 == 0 {
			ok = true
			break
		}
		if kn.jumps() && o.a.before[kn.To].regs>>r&1 != 0 {
			break
		}
	}
	return ok && len(at) > 0 && o.try("narrow", i, last+1, false, func(q *Prog) {
		for k := i; k < j; k++ {
			q.Insts[k] = emptyInst()
		}
		for _, k := range at {
			q.Insts[k].Op = q.Insts[k].Op&^7 | ebpf.ClassJMP32
		}
	})
}
