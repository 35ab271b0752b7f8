package passes

import (
	"slices"

	"jitnic/host/ebpf"
	"jitnic/host/points"
	"jitnic/pathcond/bv"
	"jitnic/superopt/internal/ir"
	"jitnic/superopt/internal/proof"
	"jitnic/superopt/internal/rewrite"
)

// passPathBranch: a branch that the whole way to it decides, which the facts,
// joined from several paths, no longer know. The function is followed
// symbolically from its entry; what the proofs don't model gives values
// nothing is known of, which can only make fewer branches decided.
func passPathBranch(o *rewrite.Gate) bool {
	if !o.Free || o.From > 0 || len(o.Prog.Insts) > 400 || o.PathTried == o.Prog {
		return false
	}
	o.PathTried = o.Prog
	m := proof.NewMachine(o.Prog, proof.AllAccel())
	defer m.Release()
	m.Havoc = true
	st := m.Entry(o.Known.In[0], true)
	if o.Assume != nil {
		st.PC = o.Assume(m, st)
	}
	type br struct {
		at    int
		pc, c bv.Term
	}
	var found []br
	m.OnBranch = func(i int, pc, c bv.Term) { found = append(found, br{i, pc, c}) }
	if _, _, err := m.Run(o.Prog, 0, len(o.Prog.Insts), st); err != nil {
		return false
	}
	elsewhere := callsElsewhere(o.Prog)
	for _, f := range found {
		in := &o.Prog.Insts[f.at]
		if boundsCheck(o.Known.In[f.at], in, elsewhere) {
			continue
		}
		for _, never := range [2]bool{true, false} {
			c := f.c
			if !never {
				c = m.B.Not(c)
			}
			if o.Ctx.Err() != nil {
				return false
			}
			q := m.B.AndB(f.pc, c)
			if o.Prover.TestOnly(m.B, q) {
				continue
			}
			v := o.Prover.Decide(m, q)
			if _, ok := v.(proof.Proved); !ok {
				continue
			}
			g := o.Prog.Clone()
			if never {
				g.Insts[f.at] = ir.Empty()
			} else {
				g.Insts[f.at] = ir.Inst{Insn: ebpf.Insn{Op: ebpf.OpJA}, To: in.To, Slot: in.Slot}
			}
			if !o.InWindows(g) || o.Unsafe(g) != "" { // the verifier doesn't see what the solver sees
				continue
			}
			s := o.Stats.Pass("path-branch")
			s.Proposed++
			s.Accepted++
			s.Better++
			o.Prover.Proved++
			o.Prog = g
			o.Refresh()
			return true
		}
	}
	return false
}

// boundsCheck says whether a branch may be one that the verifier needs though its outcome
// is known: it compares two values that may be ends of the packet, and the facts can't
// tell what goes with it, so that the gate has nothing to miss. They can't where both
// may be any pointers, as those that a function of its own reads from the context it is
// given; nor where a function that isn't here is called (elsewhere), behind which they
// know a pointer into the packet no more, but the verifier does if that function leaves
// the packet where it is.
func boundsCheck(f *points.Facts, in *ir.Inst, elsewhere bool) bool {
	if in.Class() != ebpf.ClassJMP || in.Op&ebpf.SrcX == 0 {
		return false
	}
	x, y := f.R[in.Dst].Kind, f.R[in.Src].Kind
	return x == points.Anything && y == points.Anything || elsewhere && anEnd(x) && anEnd(y)
}

// anEnd says whether a value may be the packet's end, or a pointer compared with it.
func anEnd(k points.Kind) bool {
	return k == points.Packet || k == points.PacketEnd || k == points.Anything
}

// callsElsewhere says whether p calls anything of which only that is known.
func callsElsewhere(p *ir.Prog) bool {
	return slices.ContainsFunc(p.Insts, func(in ir.Inst) bool {
		return in.Op == ebpf.OpCallX || in.Op == ebpf.OpCall && in.To < 0 && in.Called() == nil
	})
}
