package passes

import (
	"math/bits"

	"jitnic/host/ebpf"
	"jitnic/host/points"
	"jitnic/superopt/internal/ir"
	"jitnic/superopt/internal/rewrite"
)

// passSwapCompare: a byte swap that is only compared with constants goes; the
// constants are swapped instead.
func passSwapCompare(o *rewrite.Gate) bool {
	for i := o.From; i < len(o.Prog.Insts); i++ {
		in := &o.Prog.Insts[i]
		if !o.Known.In[i].Reached || in.Class() != ebpf.ClassALU || in.ALUOp() != ebpf.ALUEnd || in.Op&ebpf.SrcX == 0 {
			continue
		}
		r := in.Dst
		end := extended(o, i)
		type ch struct {
			at  int
			new ir.Inst
		}
		var change []ch
		ok := false
		last := i
		for j := i + 1; j < end; j++ {
			jn := o.Prog.Insts[j]
			if jn.Reads()>>r&1 != 0 {
				if !jn.IsCondJump() || jn.Op&ebpf.SrcX != 0 || jn.JmpOp() != ebpf.JmpEQ && jn.JmpOp() != ebpf.JmpNE {
					break
				}
				v := uint64(uint32(jn.Imm))
				v = bits.ReverseBytes64(v) >> (64 - uint(in.Imm))
				jn.Imm = int32(v)
				if int64(v) > 0x7fffffff {
					jn.Op = jn.Op&^7 | ebpf.ClassJMP32
				}
				change = append(change, ch{j, jn})
				last = j
			}
			if o.Known.Live[j].Regs>>r&1 == 0 || jn.Writes()>>r&1 != 0 {
				ok = true
				break
			}
		}
		if ok && len(change) > 0 && o.Try("swap-compare", i, last+1, false, func(q *ir.Prog) {
			q.Insts[i] = ir.Empty()
			for _, c := range change {
				q.Insts[c.at] = c.new
			}
		}) {
			return true
		}
	}
	return false
}

// passBranchShape: branches around branches, jumps to jumps.
func passBranchShape(o *rewrite.Gate) bool {
	p := o.Prog
	for i := range p.Insts {
		in := &p.Insts[i]
		if !o.Known.In[i].Reached || !in.Jumps() {
			continue
		}
		t := int(in.To)
		if t > i && p.Insts[t].Op == ebpf.OpJA && int(p.Insts[t].To) > t {
			to := p.Insts[t].To
			if o.Take("branch-shape", i, i+1, true, func(q *ir.Prog) { q.Insts[i].To = to }) {
				return true
			}
		}
		if in.IsCondJump() && i+1 < len(p.Insts) && p.Insts[i+1].Op == ebpf.OpJA && t == i+2 && !o.Known.Target(i+1) {
			neg := ebpf.Negated(in.JmpOp())
			if neg == 0 || neg == ebpf.JmpNotSet {
				continue
			}
			if o.Try("branch-shape", i, i+2, false, func(q *ir.Prog) {
				q.Insts[i].Op = q.Insts[i].Op&^0xf0 | neg
				q.Insts[i].To = q.Insts[i+1].To
				q.Insts[i+1] = ir.Empty()
			}) {
				return true
			}
		}
	}
	return false
}

// passTailMerge: two runs of equal instructions that go on at the same place
// are kept once.
func passTailMerge(o *rewrite.Gate) bool {
	p := o.Prog
	again := map[ending][]int{} // ascending, of each ending those that come behind i
	for i := range p.Insts {
		if in := &p.Insts[i]; in.Ends() && !in.Fixed {
			again[endingOf(in)] = append(again[endingOf(in)], i)
		}
	}
	for i := range p.Insts { // the last instruction of a run
		in := &p.Insts[i]
		if !in.Ends() {
			continue
		}
		if in.Op == ebpf.OpJA && int(in.To) > i && mergeFallen(o, i) {
			return true
		}
		if in.Fixed {
			continue
		}
		rest := again[endingOf(in)][1:]
		again[endingOf(in)] = rest
		for _, j := range rest {
			if sameInst(in, &p.Insts[j]) && mergeRuns(o, i, j) {
				return true
			}
		}
	}
	return false
}

// ending is what two instructions that end a run share where they are the same.
type ending struct {
	op, dst, src uint8
	imm, to      int32
}

func endingOf(in *ir.Inst) ending {
	return ending{in.Op, in.Dst, in.Src, in.Imm, in.To}
}

// sameInst says whether two instructions do the same and go on at the same place.
// What a relocation still changes is equal to nothing: two calls by symbol look
// alike and name different functions.
func sameInst(a, b *ir.Inst) bool {
	if a.Fixed || b.Fixed || a.To != b.To {
		return false
	}
	return a.Insn == b.Insn && a.Hi == b.Hi || a.Jumps() && b.Jumps() && a.Op == b.Op && a.Dst == b.Dst && a.Src == b.Src && a.Imm == b.Imm
}

// alike is how many instructions before i and before j are the same, up to where
// something else jumps to those before i.
func alike(o *rewrite.Gate, i, j int) int {
	p := o.Prog
	k := 0
	for i-1-k >= 0 && j-1-k > i && !p.Insts[i-1-k].Ends() && sameInst(&p.Insts[i-1-k], &p.Insts[j-1-k]) && !o.Known.Target(i-k) {
		k++
	}
	return k
}

// mergeFallen merges the run that ends with the jump i with the run that falls
// into where it goes.
func mergeFallen(o *rewrite.Gate, i int) bool {
	to := int(o.Prog.Insts[i].To)
	k := alike(o, i, to)
	return k > 0 && o.Take("tail-merge", i-k, i+1, false, func(q *ir.Prog) {
		for n := 1; n <= k; n++ {
			q.Insts[i-n] = ir.Empty()
		}
		q.Insts[i].To = int32(to - k)
	})
}

// mergeRuns merges the runs that end with the same instruction at i and at j.
func mergeRuns(o *rewrite.Gate, i, j int) bool {
	k := alike(o, i, j)
	next := j-1-k == i // the second run follows the first: fall into it
	return (next || k > 0) && o.Take("tail-merge", i-k, i+1, false, func(q *ir.Prog) {
		for n := i - k; n <= i; n++ {
			q.Insts[n] = ir.Empty()
		}
		if !next {
			q.Insts[i-k] = ir.Inst{Insn: ebpf.Insn{Op: ebpf.OpJA}, To: int32(j - k), Slot: -1}
		}
	})
}

// passJumpThread: an edge whose facts decide the branch it leads to goes
// straight on.
func passJumpThread(o *rewrite.Gate) bool {
	p := o.Prog
	for i := range p.Insts {
		in := &p.Insts[i]
		if !o.Known.In[i].Reached || !in.Jumps() || int(in.To) <= i {
			continue
		}
		f := *o.Known.In[i]
		if in.IsCondJump() {
			points.Branch(in.Insn, &f, true)
		}
		if !f.Reached {
			continue
		}
		t := int(in.To)
		tn := &p.Insts[t]
		if !tn.IsCondJump() || int(tn.To) <= t {
			continue
		}
		yes, no := f, f
		points.Branch(tn.Insn, &yes, true)
		points.Branch(tn.Insn, &no, false)
		to := -1
		if !no.Reached {
			to = int(tn.To)
		} else if !yes.Reached {
			to = t + 1
		}
		if to < 0 || to == int(in.To) || hasBarrier(p, i, t+1) {
			continue
		}
		if o.Try("jump-thread", i, t+1, true, func(q *ir.Prog) { q.Insts[i].To = int32(to) }) {
			return true
		}
	}
	return false
}

func hasBarrier(p *ir.Prog, s, e int) bool {
	for i := s; i < e; i++ {
		if p.Barrier(&p.Insts[i]) {
			return true
		}
	}
	return false
}
