package passes

import (
	"slices"

	"jitnic/host/ebpf"
	"jitnic/host/points"
	"jitnic/superopt/internal/ir"
	"jitnic/superopt/internal/rewrite"
)

// passJoin: what a join is followed by goes into the definitions that reach it.
// An operation with a constant on a register that is a constant on every way
// there is folded into those constants; a move of a register that dies with it
// goes, and the definitions set the other register.
//
//	r4 = 1                         r0 = 16
//	if r1 > 65535 goto join        if r1 > 65535 goto join
//	r4 = 0                    =>   r0 = 0
//	join: r4 <<= 4                 join: exit
//	r0 = r4
//	exit
func passJoin(o *rewrite.Gate) bool {
	if !o.Free {
		return false
	}
	for i := range o.Prog.Insts {
		in := &o.Prog.Insts[i]
		if !o.Known.In[i].Reached || in.Fixed {
			continue
		}
		r := in.Dst
		move := isMovReg(in) && in.Dst != in.Src && in.Src != 10
		if move {
			r = in.Src
			if o.Known.Live[i].Regs>>r&1 != 0 {
				continue
			}
		} else if !constantOp(in) {
			continue
		}
		defsAt := reaching(o, i, r)
		if len(defsAt) < 2 || !onlyUse(o, defsAt, i, r) {
			continue
		}
		s := i
		for _, d := range defsAt {
			s = min(s, d)
		}
		s, ok := closed(o, s, i+1)
		if !ok {
			continue
		}
		if o.Try("join", s, i+1, false, func(q *ir.Prog) {
			for _, d := range defsAt {
				if move {
					q.Insts[d].Dst = in.Dst
					continue
				}
				v, _ := constOf(&q.Insts[d])
				w := 64
				if in.Class() == ebpf.ClassALU {
					w = 32
				}
				x := foldOp(in, v, w)
				if m, ok := ir.MovConst(r, x); ok {
					m.Slot = q.Insts[d].Slot
					q.Insts[d] = m
				}
			}
			q.Insts[i] = ir.Empty()
		}) {
			return true
		}
	}
	return false
}

// constantOp: in changes a register by a constant alone.
func constantOp(in *ir.Inst) bool {
	if in.Class() != ebpf.ClassALU && in.Class() != ebpf.ClassALU64 || in.Dst == 10 {
		return false
	}
	switch in.ALUOp() {
	case ebpf.ALUMov, ebpf.ALUEnd:
		return false
	case ebpf.ALUNeg:
		return true
	}
	return in.Op&ebpf.SrcX == 0 && in.Off == 0
}

// foldOp is what in makes of the constant v.
func foldOp(in *ir.Inst, v uint64, w int) uint64 {
	m := ^uint64(0) >> (64 - w)
	if in.ALUOp() == ebpf.ALUNeg {
		return -v & m
	}
	x, _ := points.Fold(in.ALUOp(), v&m, uint64(int64(in.Imm))&m, w)
	return x
}

// constOf is the constant a move puts into its register.
func constOf(in *ir.Inst) (uint64, bool) {
	switch in.Op {
	case ebpf.ClassALU64 | ebpf.ALUMov:
		return uint64(int64(in.Imm)), true
	case ebpf.ClassALU | ebpf.ALUMov:
		return uint64(uint32(in.Imm)), true
	case ebpf.OpLDDW:
		return in.Const64(), in.Src == 0
	}
	return 0, false
}

// preds appends to out those that control comes to instruction i from, ascending.
func preds(o *rewrite.Gate, i int, out []int32) []int32 {
	first := len(out)
	for _, k := range o.Known.From(i) {
		if o.Prog.Insts[k].Jumps() {
			out = append(out, k)
		}
	}
	if i > 0 && !o.Prog.Insts[i-1].Ends() {
		k := first
		for k < len(out) && int(out[k]) < i { // a jump to the next comes first
			k++
		}
		out = slices.Insert(out, k, int32(i-1))
	}
	return out
}

// reaching lists the definitions of r that reach instruction i where all of
// them set it to something new; nil where one does not, or where r may come
// from outside.
func reaching(o *rewrite.Gate, i int, r uint8) []int {
	in := &o.Prog.Insts[i]
	var out []int
	seen := map[int32]bool{}
	work := preds(o, i, nil)
	if len(work) == 0 {
		return nil
	}
	for len(work) > 0 {
		k := work[len(work)-1]
		work = work[:len(work)-1]
		if seen[k] {
			continue
		}
		seen[k] = true
		if len(seen) > 64 { // far away: seldom worth it
			return nil
		}
		x := &o.Prog.Insts[k]
		if !o.Known.In[k].Reached {
			continue
		}
		if x.Writes()>>r&1 != 0 {
			_, isConst := constOf(x)
			plain := isConst || isMovReg(x) || x.Op == ebpf.ClassALU|ebpf.ALUMov|ebpf.SrcX || x.IsLoad()
			if x.Fixed || !plain || !isMovReg(in) && !isConst {
				return nil
			}
			out = append(out, int(k))
			continue
		}
		before := len(work)
		if work = preds(o, int(k), work); len(work) == before || o.Prog.Barrier(x) {
			return nil
		}
	}
	return out
}

// onlyUse: nothing but instruction i reads what the definitions set.
func onlyUse(o *rewrite.Gate, defsAt []int, i int, r uint8) bool {
	seen := map[int]bool{}
	var work []int
	push := func(k int) {
		if k < len(o.Prog.Insts) && !seen[k] && o.Known.Before[k].Regs>>r&1 != 0 {
			seen[k] = true
			work = append(work, k)
		}
	}
	for _, d := range defsAt {
		push(d + 1)
	}
	for len(work) > 0 {
		k := work[len(work)-1]
		work = work[:len(work)-1]
		if k == i {
			continue
		}
		in := &o.Prog.Insts[k]
		if in.Reads()>>r&1 != 0 {
			return false
		}
		if in.Writes()>>r&1 != 0 {
			continue
		}
		if in.Jumps() {
			push(int(in.To))
		}
		if !in.Ends() {
			push(k + 1)
		}
	}
	return true
}

// maxJoin is over how many instructions a join is looked at.
const maxJoin = 128

// closed moves the beginning of [s, e) back until control enters it only there.
func closed(o *rewrite.Gate, s, e int) (int, bool) {
	var from []int32
	for again := true; again && e-s <= maxJoin; {
		again = false
		for k := s + 1; k < e; k++ {
			if isEntry(o.Prog, k, k+1) {
				return 0, false
			}
			from = preds(o, k, from[:0])
			for _, x := range from {
				switch {
				case int(x) >= e:
					return 0, false
				case int(x) < s && o.Known.In[x].Reached:
					s, again = int(x), true
				}
			}
		}
	}
	return s, e-s <= maxJoin
}
