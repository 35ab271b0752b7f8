package passes

import (
	"slices"

	"jitnic/host/ebpf"
	"jitnic/superopt/internal/ir"
	"jitnic/superopt/internal/rewrite"
)

// Restore puts instructions back as the original has them wherever nothing is
// lost by it: a change of equal cost that no other rewrite needs says nothing
// to who reads the difference. It runs once, behind the layers. What was changed
// together is put back together: the whole of a straight run is tried first,
// then its neighbours, then each alone.
func Restore(o *rewrite.Gate, original *ir.Prog) {
	was := map[int32]*ir.Inst{}
	for i := range original.Insts {
		if in := &original.Insts[i]; in.Slot >= 0 {
			was[in.Slot] = in
		}
	}
	// other is how an instruction was, where it may be put back.
	other := func(i int) (ir.Inst, bool) {
		in := &o.Prog.Insts[i]
		old := was[in.Slot]
		if old == nil || in.Fixed || old.Fixed || in.To >= 0 || old.To >= 0 || in.Insn == old.Insn && in.Hi == old.Hi {
			return ir.Inst{}, false
		}
		return *old, true
	}
	put := func(at []int) bool {
		at = slices.DeleteFunc(slices.Clone(at), func(i int) bool { _, ok := other(i); return !ok })
		if len(at) == 0 {
			return false
		}
		return o.Try("restore", at[0], at[len(at)-1]+1, true, func(q *ir.Prog) {
			for _, i := range at {
				if old, ok := other(i); ok {
					q.Insts[i] = old
				}
			}
		})
	}
	o.From = 0
	var runs [][]int
	for b := range o.Blocks() {
		var at []int
		for i := b[0]; i < b[1]; i++ {
			if _, ok := other(i); ok {
				at = append(at, i)
			}
		}
		runs = append(runs, at)
	}
	for _, at := range runs { // no place moves: an instruction stays one
		if put(at) {
			continue
		}
		for k := range at {
			if k+1 < len(at) && put(at[k:k+2]) {
				continue
			}
			if !put(at[k : k+1]) {
				width(o, was, at[k])
			}
		}
	}
}

// width gives an operation that stays on other registers the width it had.
func width(o *rewrite.Gate, was map[int32]*ir.Inst, i int) {
	in := &o.Prog.Insts[i]
	old := was[in.Slot]
	if !isALU(in) || old == nil || !isALU(old) || in.Class() == old.Class() || (in.Op^old.Op)&^7 != 0 || in.ALUOp() == ebpf.ALUEnd {
		return
	}
	o.Try("restore", i, i+1, true, func(q *ir.Prog) { q.Insts[i].Op = old.Op })
}

func isALU(in *ir.Inst) bool {
	return in.Class() == ebpf.ClassALU || in.Class() == ebpf.ClassALU64
}
