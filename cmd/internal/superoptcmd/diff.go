package superoptcmd

import (
	"fmt"

	"jitnic/cmd/internal/report"
	"jitnic/host/ebpf"
	"jitnic/superopt"
)

// row is one line of the difference: what stood there, what stands there now.
// -1 where there is none.
type row struct{ old, new int }

// align pairs instructions: each new one with the old one it stands for, by
// the slot the optimiser kept with it. What moved against that order is shown
// as gone in one place and new in the other.
func align(old, new *superopt.Prog) []row {
	at := map[int32]int{}
	for i := range old.Insts {
		at[old.Insts[i].Slot] = i
	}
	var rows []row
	next := 0
	for j := range new.Insts {
		i, ok := at[new.Insts[j].Slot]
		if !ok || new.Insts[j].Slot < 0 || i < next {
			rows = append(rows, row{-1, j})
			continue
		}
		for ; next < i; next++ {
			rows = append(rows, row{next, -1})
		}
		rows = append(rows, row{i, j})
		next = i + 1
	}
	for ; next < len(old.Insts); next++ {
		rows = append(rows, row{next, -1})
	}
	return rows
}

// same says whether two instructions differ at most in how far a jump goes.
func same(old, new *superopt.Prog, i, j int) bool {
	a, b := &old.Insts[i], &new.Insts[j]
	x, y := a.Insn, b.Insn
	if a.To >= 0 && b.To >= 0 {
		x.Off, y.Off = 0, 0
		if x.Op == ebpf.OpJA32 || x.Op == ebpf.OpCall || x.Op == ebpf.OpLDDW {
			x.Imm, y.Imm = 0, 0
		}
		return x == y && target(old, a) <= target(new, b)
	}
	return x == y && a.Hi == b.Hi
}

// target is the slot of the original that a jump leads to.
func target(p *superopt.Prog, in *superopt.Inst) int32 {
	for k := int(in.To); k < len(p.Insts); k++ {
		if s := p.Insts[k].Slot; s >= 0 {
			return s
		}
	}
	return 1 << 30
}

// diffTable is the difference of two programs: the instruction before, the one
// after, and a comment on each change. Numbers are indexes of instructions, the
// same that jumps name.
func diffTable(old, new *superopt.Prog) *report.Table {
	t := &report.Table{Left: 4}
	const context = 2
	rows := align(old, new)
	note := make([]string, len(rows))
	show := make([]bool, len(rows))
	for k, r := range rows {
		if note[k] = comment(old, new, r); note[k] == "" {
			continue
		}
		for d := max(0, k-context); d <= min(len(rows)-1, k+context); d++ {
			show[d] = true
		}
	}
	skipped := 0
	flush := func() {
		if skipped > 0 {
			t.Add("  ", fmt.Sprintf("… %d unchanged", skipped), "", "")
			skipped = 0
		}
	}
	for k, r := range rows {
		if !show[k] {
			skipped++
			continue
		}
		flush()
		mark, a, b := " ", "", ""
		if r.old >= 0 {
			a = fmt.Sprintf("%4d: %s", r.old, old.Insts[r.old].String())
		}
		if r.new >= 0 {
			b = fmt.Sprintf("%4d: %s", r.new, new.Insts[r.new].String())
		}
		switch {
		case r.old < 0:
			mark = "+"
		case r.new < 0:
			mark = "-"
		case note[k] != "":
			mark = "~"
		}
		c := note[k]
		if c != "" {
			c = "; " + c
		}
		t.Add(mark, a, b, c)
	}
	flush()
	return t
}

// comment says in a few words what happened to an instruction; "" where
// nothing did.
func comment(old, new *superopt.Prog, r row) string {
	switch {
	case r.new < 0:
		return gone(&old.Insts[r.old])
	case r.old < 0:
		return "in the place of others"
	case same(old, new, r.old, r.new):
		return ""
	}
	a, b := &old.Insts[r.old], &new.Insts[r.new]
	switch {
	case a.To >= 0 && b.To >= 0 && a.Op == b.Op:
		return "jumps further"
	case a.To >= 0 && b.To >= 0:
		return "condition changed"
	case b.IsAtomic() && !a.IsAtomic():
		return "load, add and store in one atomic (more time, fewer instructions)"
	case a.Class() == ebpf.ClassSTX && b.Class() == ebpf.ClassST:
		return "the constant is stored directly"
	case a.IsLoad() && b.IsLoad() && a.Size() != b.Size(), a.IsStore() && b.IsStore() && a.Size() != b.Size():
		if a.Size() < b.Size() {
			return fmt.Sprintf("%d accesses of %d in one of %d bytes", b.Size()/a.Size(), a.Size(), b.Size())
		}
		return fmt.Sprintf("only %d of %d bytes are needed", b.Size(), a.Size())
	case a.IsLoad() && !b.IsLoad():
		return "the value is known"
	case isALU(a) && isALU(b) && a.Op&ebpf.SrcX != 0 && b.Op&ebpf.SrcX == 0:
		return "the operand is known"
	case isALU(a) && isALU(b) && a.Class() != b.Class():
		if b.Class() == ebpf.ClassALU {
			return "32 bits are enough"
		}
		return "64 bits do as well"
	case a.Op == b.Op && a.Imm == b.Imm && a.Hi == b.Hi && a.Off == b.Off:
		return "another register"
	case a.Op == b.Op && a.Dst == b.Dst && a.Src == b.Src:
		return "another constant"
	}
	return "changed"
}

// gone says what an instruction that isn't there any more was.
func gone(in *superopt.Inst) string {
	switch {
	case in.IsStore():
		return "store that nothing reads, or part of another"
	case in.IsLoad():
		return "load that nothing needs, or part of another"
	case in.Op == ebpf.OpCall:
		return "call whose result nothing reads"
	case in.IsCondJump():
		return "branch whose outcome is known, or that is one with another"
	case in.Op == ebpf.OpJA || in.Op == ebpf.OpJA32:
		return "jump to what follows"
	case isALU(in) && in.ALUOp() == ebpf.ALUMov:
		return "copy that nothing needs"
	}
	return "value that nothing needs"
}

func isALU(in *superopt.Inst) bool {
	return in.Class() == ebpf.ClassALU || in.Class() == ebpf.ClassALU64
}
