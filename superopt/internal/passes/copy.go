package passes

import (
	"jitnic/host/ebpf"
	"jitnic/superopt/internal/ir"
	"jitnic/superopt/internal/rewrite"
)

func isMovReg(in *ir.Inst) bool {
	return in.Op == ebpf.ClassALU64|ebpf.ALUMov|ebpf.SrcX && in.Off == 0
}

// replaceUse exchanges register from by to where in only reads it. ok is false
// where it can't be (calls, read-modify-write).
func replaceUse(in *ir.Inst, from, to uint8) bool {
	switch in.Class() {
	case ebpf.ClassALU, ebpf.ClassALU64:
		if in.IsSelect() {
			done := in.Src == from || in.Cond() == from
			if in.Src == from {
				in.Src = to
			}
			if in.Cond() == from {
				in.Imm = int32(to)
			}
			return done && in.Dst != from
		}
		if in.ALUOp() == ebpf.ALUEnd || in.ALUOp() == ebpf.ALUNeg || in.Op&ebpf.SrcX == 0 || in.Src != from {
			return false
		}
		in.Src = to
		return in.ALUOp() == ebpf.ALUMov || in.Dst != from
	case ebpf.ClassLDX:
		if in.Src != from {
			return false
		}
		in.Src = to
		return true
	case ebpf.ClassST:
		if in.Dst != from {
			return false
		}
		in.Dst = to
		return true
	case ebpf.ClassSTX:
		if in.IsAtomic() && in.Imm&ebpf.AtomicFetch != 0 && in.Src == from {
			return false
		}
		done := false
		if in.Dst == from {
			in.Dst, done = to, true
		}
		if in.Src == from {
			in.Src, done = to, true
		}
		return done
	case ebpf.ClassJMP, ebpf.ClassJMP32:
		if !in.IsCondJump() {
			return false
		}
		done := false
		if in.Dst == from {
			in.Dst, done = to, true
		}
		if in.Op&ebpf.SrcX != 0 && in.Src == from {
			in.Src, done = to, true
		}
		return done
	}
	return false
}

// extended is the end of the straight run from i that may have side exits but
// no entries.
func extended(o *rewrite.Gate, i int) int {
	p := o.Prog
	j := i + 1
	for j < len(p.Insts) && !o.Known.Target(j) && !p.Insts[j-1].Ends() && !p.Barrier(&p.Insts[j]) {
		if p.Insts[j].Jumps() && int(p.Insts[j].To) <= j {
			break
		}
		j++
	}
	return j
}

// passCopyProp: after rD = rS (or rD = rS + c), uses of rD read rS while both
// keep their values.
func passCopyProp(o *rewrite.Gate) bool {
	for i := o.From; i < len(o.Prog.Insts); i++ {
		in := &o.Prog.Insts[i]
		if !o.Known.In[i].Reached || !isMovReg(in) || in.Dst == in.Src {
			continue
		}
		d, s := in.Dst, in.Src
		end := extended(o, i)
		var add int64 // constant added to rD since
		for j := i + 1; j < end; j++ {
			jn := o.Prog.Insts[j]
			if jn.Reads()>>d&1 != 0 {
				c := jn
				ok := replaceUse(&c, d, s)
				if ok && add != 0 {
					// rD is rS + add: only addresses can take that up
					off := int64(c.Off) + add
					ok = (c.IsLoad() || c.IsStore() && !(c.Class() == ebpf.ClassSTX && jn.Src == d)) && off == int64(int16(off))
					c.Off = int16(off)
				}
				if ok && o.Try("copy-prop", i, j+1, true, func(q *ir.Prog) { q.Insts[j] = c }) {
					return true
				}
			}
			if jn.Writes()>>s&1 != 0 {
				break
			}
			if jn.Writes()>>d&1 != 0 {
				if jn.Op == ebpf.ClassALU64|ebpf.ALUAdd && jn.Dst == d {
					add += int64(jn.Imm)
					continue
				}
				break
			}
		}
	}
	return false
}

// passCoalesce: rD = rS where rS ends, or where rD's making can go to rD at
// once: one name for both saves the move.
func passCoalesce(o *rewrite.Gate) bool {
	p := o.Prog
	for i := range p.Insts {
		in := &p.Insts[i]
		if !o.Known.In[i].Reached || !isMovReg(in) || in.Dst == in.Src || in.Src == 10 {
			continue
		}
		d, s := in.Dst, in.Src
		// forward: rS is dead after the move, rD lives in rS from here on
		if o.Known.Live[i].Regs>>s&1 == 0 {
			if renameForward(o, i, d, s) {
				return true
			}
		}
		// backward: the value of rS was made here for rD only
		if o.Known.Live[i].Regs>>s&1 == 0 && renameBackward(o, i, d, s) {
			return true
		}
	}
	return false
}

func rename(in *ir.Inst, from, to uint8) {
	switch in.Class() {
	case ebpf.ClassALU, ebpf.ClassALU64:
		if in.Dst == from {
			in.Dst = to
		}
		if in.Op&ebpf.SrcX != 0 && in.ALUOp() != ebpf.ALUEnd && in.Src == from {
			in.Src = to
		}
		if in.IsSelect() && in.Cond() == from {
			in.Imm = int32(to)
		}
	case ebpf.ClassLD:
		if in.Op == ebpf.OpLDDW && in.Dst == from {
			in.Dst = to
		}
	case ebpf.ClassST:
		if in.Dst == from {
			in.Dst = to
		}
	case ebpf.ClassJMP, ebpf.ClassJMP32:
		if !in.IsCondJump() {
			return
		}
		if in.Dst == from {
			in.Dst = to
		}
		if in.Op&ebpf.SrcX != 0 && in.Src == from {
			in.Src = to
		}
	default:
		if in.Dst == from {
			in.Dst = to
		}
		if in.Src == from {
			in.Src = to
		}
	}
}

// renameForward renames rD to rS from the move i until rD ends.
func renameForward(o *rewrite.Gate, i int, d, s uint8) bool {
	p := o.Prog
	// All instructions reached from i+1 while rD is live, up to its next plain
	// definition.
	inside := map[int]bool{}
	var work []int
	push := func(k int) {
		if k < len(p.Insts) && !inside[k] && o.Known.Before[k].Regs>>d&1 != 0 {
			inside[k] = true
			work = append(work, k)
		}
	}
	push(i + 1)
	lo, hi := i, i+1
	for len(work) > 0 {
		k := work[len(work)-1]
		work = work[:len(work)-1]
		in := &p.Insts[k]
		lo, hi = min(lo, k), max(hi, k+1)
		if in.Op == ebpf.OpExit || in.Op == ebpf.OpCall || in.Op == ebpf.OpCallX || p.Barrier(in) {
			if in.Reads()>>d&1 != 0 || in.Reads()>>s&1 != 0 || in.Writes()>>s&1 != 0 {
				return false // an argument register keeps its name
			}
		}
		if in.Writes()>>s&1 != 0 {
			return false
		}
		if in.Jumps() {
			push(int(in.To))
		}
		if !in.Ends() && !(in.Writes()>>d&1 != 0 && in.Reads()>>d&1 == 0) {
			push(k + 1)
		}
	}
	// Every instruction of the range must only be reached through the move.
	return applyRename(o, i, lo, hi, inside, d, s)
}

func applyRename(o *rewrite.Gate, i, lo, hi int, inside map[int]bool, d, s uint8) bool {
	p := o.Prog
	for k := range inside {
		if k == i+1 {
			continue
		}
		// preds: k-1 falling through, and jumps
		if k > 0 && !p.Insts[k-1].Ends() && !inside[k-1] && k-1 != i {
			return false
		}
	}
	for to := range inside {
		for _, k := range o.Known.From(to) {
			if p.Insts[k].Jumps() && !inside[int(k)] && int(k) != i {
				return false
			}
		}
	}
	return tryRange(o, "coalesce", lo, hi, func(q *ir.Prog) {
		q.Insts[i] = ir.Empty()
		for k := range inside {
			in := &q.Insts[k]
			if in.Writes()>>d&1 != 0 && in.Reads()>>d&1 == 0 {
				// it ends the range: only its reads are inside, and it reads none
				continue
			}
			rename(in, d, s)
		}
	})
}

// tryRange is try for a range that may hold jumps: it must be loop-free and
// without barriers for the proof.
func tryRange(o *rewrite.Gate, pass string, lo, hi int, f rewrite.Edit) bool {
	return o.Try(pass, lo, hi, false, f)
}

// renameBackward renames rS to rD from its definition before i.
func renameBackward(o *rewrite.Gate, i int, d, s uint8) bool {
	p := o.Prog
	for j := i - 1; j >= 0; j-- {
		in := &p.Insts[j]
		if o.Known.Target(j+1) || in.Jumps() || p.Barrier(in) || in.Op == ebpf.OpExit {
			return false
		}
		pure := in.Writes()>>s&1 != 0 && in.Reads()>>s&1 == 0
		if pure && in.Op != ebpf.OpCall && !in.IsAtomic() {
			// rD must be free from j to i; j itself may read it
			ok := o.Try("coalesce", j, i+1, false, func(q *ir.Prog) {
				q.Insts[i] = ir.Empty()
				q.Insts[j].Dst = d
				for k := j + 1; k < i; k++ {
					rename(&q.Insts[k], s, d)
				}
			})
			return ok
		}
		if in.Op == ebpf.OpCall || (in.Reads()|in.Writes())>>d&1 != 0 {
			return false
		}
	}
	return false
}
