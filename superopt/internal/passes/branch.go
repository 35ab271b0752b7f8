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
			if structural(o, "branch-shape", true, func(q *ir.Prog) { q.Insts[i].To = to }) {
				return true
			}
		}
		if in.IsCondJump() && i+1 < len(p.Insts) && p.Insts[i+1].Op == ebpf.OpJA && t == i+2 && !targeted(p, i+1) {
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

func targeted(p *ir.Prog, i int) bool {
	for k := range p.Insts {
		if p.Insts[k].To == int32(i) {
			return true
		}
	}
	return false
}

// structural takes a rewrite that is right by construction: it changes where
// control goes only to places that hold the same code. Nothing is left for a
// solver to decide; WholeVerdict proves the program again at the end.
func structural(o *rewrite.Gate, pass string, enable bool, f rewrite.Edit) bool {
	q := o.Prog.Clone()
	f(q)
	st := o.Stats.Pass(pass)
	st.Proposed++
	b, a := o.Cost(o.Prog), o.Cost(q)
	if a > b || a == b && !enable || !o.InWindows(q) || o.Unsafe(q) != "" {
		return false
	}
	st.Accepted++
	if a < b {
		st.Better++
	}
	o.Prover.Proved++
	o.Prover.ByTerms++
	o.Prog = q
	o.Refresh()
	return true
}

// passTailMerge: two runs of equal instructions that go on at the same place
// are kept once.
func passTailMerge(o *rewrite.Gate) bool {
	p := o.Prog
	for i := range p.Insts { // the last instruction of a run
		in := &p.Insts[i]
		if !in.Ends() {
			continue
		}
		if in.Op == ebpf.OpJA && int(in.To) > i && mergeFallen(o, i) {
			return true
		}
		for j := i + 1; j < len(p.Insts); j++ {
			if sameInst(in, &p.Insts[j]) && mergeRuns(o, i, j) {
				return true
			}
		}
	}
	return false
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
func alike(p *ir.Prog, i, j int) int {
	k := 0
	for i-1-k >= 0 && j-1-k > i && !p.Insts[i-1-k].Ends() && sameInst(&p.Insts[i-1-k], &p.Insts[j-1-k]) && !targetedWithin(p, i-k, i-k+1) {
		k++
	}
	return k
}

// mergeFallen merges the run that ends with the jump i with the run that falls
// into where it goes.
func mergeFallen(o *rewrite.Gate, i int) bool {
	to := int(o.Prog.Insts[i].To)
	k := alike(o.Prog, i, to)
	return k > 0 && structural(o, "tail-merge", false, func(q *ir.Prog) {
		for n := 1; n <= k; n++ {
			q.Insts[i-n] = ir.Empty()
		}
		q.Insts[i].To = int32(to - k)
	})
}

// mergeRuns merges the runs that end with the same instruction at i and at j.
func mergeRuns(o *rewrite.Gate, i, j int) bool {
	k := alike(o.Prog, i, j)
	next := j-1-k == i // the second run follows the first: fall into it
	return (next || k > 0) && structural(o, "tail-merge", false, func(q *ir.Prog) {
		for n := i - k; n <= i; n++ {
			q.Insts[n] = ir.Empty()
		}
		if !next {
			q.Insts[i-k] = ir.Inst{Insn: ebpf.Insn{Op: ebpf.OpJA}, To: int32(j - k), Slot: -1}
		}
	})
}

func targetedWithin(p *ir.Prog, s, e int) bool {
	for k := range p.Insts {
		if t := int(p.Insts[k].To); t >= s && t < e {
			return true
		}
	}
	for _, x := range p.Entry {
		if int(x) >= s && int(x) < e {
			return true
		}
	}
	return false
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
