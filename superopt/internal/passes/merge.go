package passes

import (
	"jitnic/host/ebpf"
	"jitnic/host/points"
	"jitnic/superopt/internal/ir"
	"jitnic/superopt/internal/rewrite"
)

// passStoreMerge: two stores of constants side by side become one of twice
// the width.
func passStoreMerge(o *rewrite.Gate) bool {
	for w := range o.Blocks() {
		for i := w[0]; i < w[1]; i++ {
			a := &o.Prog.Insts[i]
			va, oka := storedConst(o, i)
			if !oka {
				continue
			}
			for j := i + 1; j < w[1]; j++ {
				b := &o.Prog.Insts[j]
				if b.Writes()>>a.Dst&1 != 0 {
					break
				}
				vb, okb := storedConst(o, j)
				if !okb || b.Dst != a.Dst || b.Size() != a.Size() || a.Size() == 8 {
					continue
				}
				n := a.Size()
				lo, hi, off := va, vb, a.Off
				switch int(b.Off) - int(a.Off) {
				case n:
				case -n:
					lo, hi, off = vb, va, b.Off
				default:
					continue
				}
				m := ^uint64(0) >> (64 - 8*n)
				v := hi&m<<(8*n) | lo&m
				if n < 4 {
					v = uint64(int64(v<<(64-16*n)) >> (64 - 16*n))
				} else if n == 4 {
					// as it is
				}
				var st ir.Inst
				if n == 2 || n == 1 || v == uint64(int64(int32(v))) {
					st = ir.Inst{Insn: ebpf.Insn{Op: ebpf.ClassST | ebpf.ModeMEM | ir.SizeOp(2*n), Dst: a.Dst, Off: off, Imm: int32(v)}, To: -1, Slot: a.Slot}
				}
				for _, at := range [2]int{j, i} {
					drop := i + j - at
					// where an immediate can't be stored, a register that holds the value
					cand := []ir.Inst{}
					if st.Op != 0 && o.Known.In[i].R[a.Dst].Kind != points.Ctx {
						cand = append(cand, st)
					}
					for r := uint8(0); r < 10; r++ {
						rv := o.Known.In[at].R[r]
						if rv.IsConst() && (n < 4 && rv.Known&(1<<(16*n)-1) == v&(1<<(16*n)-1) || n == 4 && rv.Known == v) {
							cand = append(cand, ir.Inst{Insn: ebpf.Insn{Op: ebpf.ClassSTX | ebpf.ModeMEM | ir.SizeOp(2*n), Dst: a.Dst, Src: r, Off: off}, To: -1, Slot: a.Slot})
							break
						}
					}
					for _, c := range cand {
						if tryOnce(o, "store-merge", i, j+1, func(q *ir.Prog) { q.Insts[at], q.Insts[drop] = c, ir.Empty() }) {
							return true
						}
					}
				}
			}
		}
	}
	return false
}

// storedConst is the constant a plain store writes.
func storedConst(o *rewrite.Gate, i int) (uint64, bool) {
	in := &o.Prog.Insts[i]
	switch {
	case in.Class() == ebpf.ClassST:
		return uint64(int64(in.Imm)), true
	case in.Class() == ebpf.ClassSTX && !in.IsAtomic():
		v := o.Known.In[i].R[in.Src]
		return v.Known, v.IsConst()
	}
	return 0, false
}

// passCopyMerge: two copies (load, store) of neighbours become one of twice
// the width; where exactly load and store stand, the proof decides.
func passCopyMerge(o *rewrite.Gate) bool {
	for w := range o.Blocks() {
		for s1 := w[0]; s1 < w[1]; s1++ {
			a := &o.Prog.Insts[s1]
			l1 := copied(o, w[0], s1)
			if l1 < 0 {
				continue
			}
			for s2 := s1 + 1; s2 < w[1]; s2++ {
				b := &o.Prog.Insts[s2]
				l2 := copied(o, w[0], s2)
				if l2 < 0 || l2 == l1 || b.Dst != a.Dst || b.Size() != a.Size() || a.Size() == 8 {
					continue
				}
				x, y := &o.Prog.Insts[l1], &o.Prog.Insts[l2]
				n := a.Size()
				d := int(b.Off) - int(a.Off)
				if x.Src != y.Src || d != n && d != -n || int(y.Off)-int(x.Off) != d {
					continue
				}
				ld, st := *x, *a
				ld.Off, st.Off = min(x.Off, y.Off), min(a.Off, b.Off)
				ld.Op = ld.Op&^0x18 | ir.SizeOp(2*n)
				st.Op = st.Op&^0x18 | ir.SizeOp(2*n)
				lo, hi := min(l1, l2), max(s1, s2)+1
				for _, c := range [][2]int{{min(l1, l2), s2}, {min(l1, l2), s1}, {max(l1, l2), s2}} {
					if c[0] >= c[1] {
						continue
					}
					for _, r := range [2]uint8{a.Src, b.Src} {
						if tryOnce(o, "copy-merge", lo, hi, func(q *ir.Prog) {
							q.Insts[l1], q.Insts[l2], q.Insts[s1], q.Insts[s2] = ir.Empty(), ir.Empty(), ir.Empty(), ir.Empty()
							ld.Dst, st.Src = r, r
							q.Insts[c[0]], q.Insts[c[1]] = ld, st
						}) {
							return true
						}
						if a.Src == b.Src {
							break
						}
					}
				}
			}
		}
	}
	return false
}

// copied is the load whose result the store at s writes, or -1.
func copied(o *rewrite.Gate, from, s int) int {
	st := &o.Prog.Insts[s]
	if st.Class() != ebpf.ClassSTX || st.IsAtomic() {
		return -1
	}
	for j := s - 1; j >= from; j-- {
		in := &o.Prog.Insts[j]
		if in.Writes()>>st.Src&1 != 0 {
			if in.Class() == ebpf.ClassLDX && in.Mode() == ebpf.ModeMEM && in.Size() == st.Size() {
				return j
			}
			return -1
		}
	}
	return -1
}

// passXadd: load, add, store of one place becomes an atomic add. The cost
// function says whether that is wanted.
func passXadd(o *rewrite.Gate) bool {
	for w := range o.Blocks() {
		for l := w[0]; l < w[1]; l++ {
			ld := &o.Prog.Insts[l]
			if ld.Class() != ebpf.ClassLDX || ld.Mode() != ebpf.ModeMEM || ld.Size() < 4 {
				continue
			}
			for s := l + 2; s < w[1]; s++ {
				st := &o.Prog.Insts[s]
				if st.Class() != ebpf.ClassSTX || st.IsAtomic() || st.Dst != ld.Src || st.Off != ld.Off || st.Size() != ld.Size() {
					continue
				}
				if o.Known.In[s].R[st.Src].IsPointer() { // added to in memory, it is none to the verifier any more
					continue
				}
				for a := l + 1; a < s; a++ {
					ad := &o.Prog.Insts[a]
					if (ad.Class() != ebpf.ClassALU64 && ad.Class() != ebpf.ClassALU) || ad.ALUOp() != ebpf.ALUAdd || ad.Dst != st.Src {
						continue
					}
					xadd := ir.Inst{Insn: ebpf.Insn{Op: ebpf.ClassSTX | ebpf.ModeATOMIC | ir.SizeOp(ld.Size()), Dst: st.Dst, Off: st.Off}, To: -1, Slot: st.Slot}
					if ad.Op&ebpf.SrcX != 0 {
						x := xadd
						x.Src = ad.Src
						if ad.Src == ld.Dst { // sum in the other register
							x.Src = ad.Dst
						}
						if tryOnce(o, "xadd", l, s+1, func(q *ir.Prog) { q.Insts[l], q.Insts[a], q.Insts[s] = ir.Empty(), ir.Empty(), x }) {
							return true
						}
						continue
					}
					for r := uint8(0); r < 10; r++ {
						if v := o.Known.In[s].R[r]; v.IsConst() && v.Known == uint64(int64(ad.Imm)) {
							x := xadd
							x.Src = r
							if tryOnce(o, "xadd", l, s+1, func(q *ir.Prog) { q.Insts[l], q.Insts[a], q.Insts[s] = ir.Empty(), ir.Empty(), x }) {
								return true
							}
						}
					}
					x := xadd
					x.Src = ad.Dst
					mv := ir.MovImm(ad.Dst, ad.Imm)
					if tryOnce(o, "xadd", l, s+1, func(q *ir.Prog) { q.Insts[l], q.Insts[a], q.Insts[s] = ir.Empty(), mv, x }) {
						return true
					}
				}
			}
		}
	}
	return false
}
