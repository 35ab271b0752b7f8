package passes

import (
	"jitnic/host/ebpf"
	"jitnic/host/points"
	"jitnic/superopt/internal/ir"
	"jitnic/superopt/internal/rewrite"
)

// passDeadBranch: a branch that the facts decide, code no path reaches, jumps
// to the next instruction.
func passDeadBranch(o *rewrite.Gate) bool {
	p := o.Prog
	for i := range p.Insts {
		in := &p.Insts[i]
		if !o.Known.In[i].Reached {
			// Unreachable: removed without a proof, as nothing leads there.
			j := i
			for j < len(p.Insts) && !o.Known.In[j].Reached && (j == i || !isEntry(p, j, j+1)) {
				j++
			}
			if isEntry(p, i, j) {
				continue
			}
			q := p.Clone()
			for k := i; k < j; k++ {
				q.Insts[k] = ir.Empty()
			}
			if o.InWindows(q) && o.Unsafe(q) == "" && !endsOpen(q) {
				o.Prog = q
				o.Stats.Pass("dead-branch").Accepted++
				o.Refresh()
				return true
			}
			continue
		}
		if ir.IsJumpNext(in, i) || in.IsCondJump() && int(in.To) == i+1 {
			if o.Try("dead-branch", i, i+1, false, func(q *ir.Prog) { q.Insts[i] = ir.Empty() }) {
				return true
			}
		}
		if !in.IsCondJump() || int(in.To) == i+1 {
			continue
		}
		yes, no := *o.Known.In[i], *o.Known.In[i]
		points.Branch(in.Insn, &yes, true)
		points.Branch(in.Insn, &no, false)
		if yes.Reached && no.Reached {
			continue
		}
		if o.Try("dead-branch", i, i+1, true, func(q *ir.Prog) {
			if yes.Reached {
				to := q.Insts[i].To
				q.Insts[i] = ir.Inst{Insn: ebpf.Insn{Op: ebpf.OpJA}, To: to, Slot: q.Insts[i].Slot}
			} else {
				q.Insts[i] = ir.Empty()
			}
		}) {
			return true
		}
	}
	return false
}

func isEntry(p *ir.Prog, s, e int) bool {
	for _, x := range p.Entry {
		if int(x) >= s && int(x) < e {
			return true
		}
	}
	return false
}

// endsOpen: the last instruction could fall off the end.
func endsOpen(p *ir.Prog) bool {
	for i := len(p.Insts) - 1; i >= 0; i-- {
		if p.Insts[i].Op != ir.Nop {
			return !p.Insts[i].Ends()
		}
	}
	return true
}

// passDeadCode: results nobody reads, stores into stack bytes nobody reads.
func passDeadCode(o *rewrite.Gate) bool {
	for i := len(o.Prog.Insts) - 1; i >= 0; i-- {
		in := &o.Prog.Insts[i]
		if !o.Known.In[i].Reached {
			continue
		}
		dead := false
		switch {
		case in.IsAtomic() || in.Op == ir.Nop || in.Fixed:
		case ir.DefReg(in) >= 0:
			dead = o.Known.Live[i].Regs>>ir.DefReg(in)&1 == 0
		case in.IsStore():
			b := o.Known.In[i].R[in.Dst]
			if lo, ok := points.StackBytes(b.Off+int64(in.Off), in.Size()); ok && b.Kind == points.Stack && b.Base == 0 {
				dead = true
				for k := lo; k < lo+in.Size(); k++ {
					if o.Known.Live[i].Stack[k>>6]>>(k&63)&1 != 0 {
						dead = false
					}
				}
			}
		case in.Op == ebpf.OpCall && in.Src == ebpf.CallHelper:
			h := ir.HelperOf(in)
			dead = h != nil && h.LooksUp() && o.Known.Live[i].Regs&0x3f == 0
		}
		if dead && o.Try("dead-code", i, i+1, false, func(q *ir.Prog) { q.Insts[i] = ir.Empty() }) {
			return true
		}
	}
	return false
}

// passDelete tries to leave out one instruction, then two that set one
// register, wherever they stand close together: masks and shifts that do
// nothing, moves there and back.
func passDelete(o *rewrite.Gate) bool {
	for w := range o.Blocks() {
		for i := w[0]; i < w[1]; i++ {
			in := &o.Prog.Insts[i]
			if in.Op == ebpf.OpCall || in.IsAtomic() {
				continue
			}
			e := min(w[1], i+6)
			if !missed(o, i, i, e) && tryOnce(o, "delete", i, e, func(q *ir.Prog) { q.Insts[i] = ir.Empty() }) {
				return true
			}
			d := ir.DefReg(in)
			if d < 0 {
				continue
			}
			for j := i + 1; j < min(w[1], i+5); j++ {
				jn := &o.Prog.Insts[j]
				if jn.Op == ebpf.OpCall {
					break
				}
				if ir.DefReg(jn) == d && !jn.IsAtomic() {
					if e := min(w[1], j+4); !missed(o, i, j, e) && tryOnce(o, "delete", i, e, func(q *ir.Prog) { q.Insts[i], q.Insts[j] = ir.Empty(), ir.Empty() }) {
						return true
					}
				}
			}
		}
	}
	return false
}

// missed says whether what instruction i sets would be missed, it and j left out:
// the register held nothing before, and is read before e, or may be from there on.
func missed(o *rewrite.Gate, i, j, e int) bool {
	d := ir.DefReg(&o.Prog.Insts[i])
	if d < 0 || o.Known.In[i].R[d].Kind != points.Unreadable {
		return false
	}
	for k := i + 1; k < e; k++ {
		in := &o.Prog.Insts[k]
		switch {
		case k == j:
		case in.Reads()>>d&1 != 0:
			return true
		case in.Writes()>>d&1 != 0:
			return false
		}
	}
	return o.LiveAt(e).Regs>>d&1 != 0
}

// tryOnce is try where only something cheaper will do.
func tryOnce(o *rewrite.Gate, pass string, s, e int, f rewrite.Edit) bool {
	return o.Try(pass, s, e, false, f)
}
