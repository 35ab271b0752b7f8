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

// difference is two programs beside each other.
type difference struct {
	old, new *superopt.Prog
	rows     []row
	// next: of each instruction of old, which of new the first from there on has
	// become that is still there.
	next []int
	kept []bool // of each instruction of new: it stands for one of old, beside it
}

func differ(old, new *superopt.Prog) *difference {
	d := &difference{old: old, new: new, rows: align(old, new), next: make([]int, len(old.Insts)+1), kept: make([]bool, len(new.Insts))}
	at := len(new.Insts)
	d.next[len(old.Insts)] = at
	for k := len(d.rows) - 1; k >= 0; k-- {
		if r := d.rows[k]; r.old >= 0 {
			if r.new >= 0 {
				at, d.kept[r.new] = r.new, true
			}
			d.next[r.old] = at
		}
	}
	return d
}

// leads says how far new's instruction goes beside what became of the place that
// old's goes to: 0 there, and only the number is another one.
func (d *difference) leads(a, b *superopt.Inst) int {
	to := int(b.To)
	for to < len(d.kept) && !d.kept[to] {
		to++
	}
	return to - d.next[a.To]
}

// same says whether two instructions are the same but for the numbers of places.
func (d *difference) same(i, j int) bool {
	a, b := &d.old.Insts[i], &d.new.Insts[j]
	return bare(a) == bare(b) && (a.To < 0) == (b.To < 0) && (a.To < 0 || d.leads(a, b) == 0)
}

// bare is an instruction without the place it leads to.
func bare(in *superopt.Inst) superopt.Inst {
	out := superopt.Inst{Insn: in.Insn, Hi: in.Hi}
	if in.To >= 0 {
		out.Off = 0
		if in.Op == ebpf.OpJA32 || in.Op == ebpf.OpCall || in.Op == ebpf.OpLDDW {
			out.Imm = 0
		}
	}
	return out
}

// diffTable is the difference of two programs: the instruction before, the one
// after, and a comment on each change. Numbers are indexes of instructions, the
// same that jumps name.
func diffTable(old, new *superopt.Prog) *report.Table {
	t := &report.Table{Left: 4}
	const context = 2
	d := differ(old, new)
	rows := d.rows
	note := make([]string, len(rows))
	show := make([]bool, len(rows))
	for k, r := range rows {
		if note[k] = d.comment(r); note[k] == "" {
			continue
		}
		for n := max(0, k-context); n <= min(len(rows)-1, k+context); n++ {
			show[n] = true
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
func (d *difference) comment(r row) string {
	switch {
	case r.new < 0:
		return gone(&d.old.Insts[r.old])
	case r.old < 0:
		return "in the place of others"
	case d.same(r.old, r.new):
		return ""
	}
	a, b := &d.old.Insts[r.old], &d.new.Insts[r.new]
	switch {
	case a.To >= 0 && b.To >= 0 && bare(a) == bare(b):
		if d.leads(a, b) < 0 {
			return "jumps elsewhere"
		}
		return "jumps further"
	case a.To >= 0 && b.To >= 0 && a.Op != b.Op:
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
	case in.IsGoto():
		return "jump to what follows"
	case isALU(in) && in.ALUOp() == ebpf.ALUMov:
		return "copy that nothing needs"
	}
	return "value that nothing needs"
}

func isALU(in *superopt.Inst) bool {
	return in.Class() == ebpf.ClassALU || in.Class() == ebpf.ClassALU64
}
