package designs

import (
	"jitnic/host/ebpf"
	"jitnic/host/loader"
	"jitnic/host/mem"
	"jitnic/host/vm"
	"jitnic/nic/workload"
	"jitnic/pathcond"
	"jitnic/pathcond/bv"
	"jitnic/trace"
)

// Stateless is how many instructions a recorded run executes before its first
// stateful one, for Setting.Prefix: all of them where the run keeps no state.
// Stateful is a load, store or atomic of a map's memory (constants apart), a
// call of any helper but bpf_redirect, and a tail call.
func Stateless(rec *vm.Recording, obj *loader.Object, s *vm.State) uint32 {
	for i := range rec.Steps {
		st := &rec.Steps[i]
		switch in := obj.Programs[st.Prog].Insns[st.PC]; in.Class() {
		case ebpf.ClassLDX, ebpf.ClassST, ebpf.ClassSTX:
			r := s.Mem.Find(st.Addr, 1)
			if r != nil && r.Kind == mem.KindMap && !s.Maps[r.Owner].Spec().ReadOnly {
				return uint32(i)
			}
		case ebpf.ClassJMP:
			if in.Op == ebpf.OpCall && in.Src != ebpf.CallLocal && !(in.Src == ebpf.CallHelper && in.Imm == ebpf.FnRedirect) {
				return uint32(i)
			}
		}
	}
	return uint32(len(rec.Steps))
}

// lead is how much of a path comes before its first stateful operation.
type lead struct {
	preds, allPreds int
	insns, allInsns int
}

// share estimates the part of the path's instructions, a predicate standing for
// a branch.
func (l lead) share() float64 {
	if l.preds == l.allPreds && l.insns == l.allInsns {
		return 1
	}
	return float64(l.preds+l.insns) / float64(l.allPreds+l.allInsns)
}

// stateless finds in a path's condition and trace, which are both in program
// order, where state comes in.
func (s *Setting) stateless(p *workload.Path) lead {
	l := lead{allPreds: len(p.Cond), preds: len(p.Cond)}
	at := trace.Meta{Prog: -1}
	if t := p.Raw; t != nil && len(t.Meta) == len(t.Code) {
		l.allInsns, l.insns = t.Len(), t.Len()
		n := 0
		for i := 0; i < len(t.Code); i++ {
			if s.stateful(t.Code[i], &t.Meta[i]) {
				l.insns, at = n, t.Meta[i]
				break
			}
			n++
			if t.Code[i].IsWide() {
				i++
			}
		}
	}
	if c := s.W.Compiler; c != nil {
		b := c.B
		seen := map[bv.Term]bool{}
		for i, pr := range p.Cond {
			// Code is laid out forward, mostly: what stands behind the first
			// stateful instruction comes after it.
			if pr.Prog == at.Prog && at.PC >= 0 && pr.PC > at.PC || !s.free(b, pr.Term, seen) {
				l.preds = i
				break
			}
		}
	}
	return l
}

func (s *Setting) stateful(in ebpf.Insn, m *trace.Meta) bool {
	if in.Op == ebpf.OpCall {
		return in.Src != ebpf.CallHelper || in.Imm != ebpf.FnRedirect
	}
	if m.Mem != trace.MemMap {
		return false
	}
	if c := s.W.Compiler; c != nil && m.Map >= 0 && int(m.Map) < len(c.S.Maps) {
		return !c.S.Maps[m.Map].Spec().ReadOnly
	}
	return true
}

// free says whether a term depends on packet bytes, length and context alone.
func (s *Setting) free(b *bv.Builder, t bv.Term, seen map[bv.Term]bool) bool {
	if v, ok := seen[t]; ok {
		return v
	}
	ok := true
	switch b.Op(t) {
	case bv.OpInput:
		switch b.K(t) {
		case pathcond.InLen, pathcond.InIfindex, pathcond.InQueue, pathcond.InEgress:
		default:
			ok = false // time, random, CPU, version of a map entry
		}
	case bv.OpFun:
		ok = b.K(t) == pathcond.FunLoad
		if ok {
			_, off := b.SplitAdd(b.Args(t)[0])
			ok = off-(s.W.Compiler.S.Buf+vm.Headroom) <= vm.MaxLinear
		}
	}
	for _, a := range b.Args(t) {
		ok = ok && s.free(b, a, seen)
	}
	seen[t] = ok
	return ok
}
