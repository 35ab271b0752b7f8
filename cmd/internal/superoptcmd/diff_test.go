package superoptcmd

import (
	"strings"
	"testing"

	"jitnic/host/ebpf"
	"jitnic/host/hosttest/must"
	"jitnic/superopt"
)

// prog makes a program of rows (op, src, dst, off, imm).
func prog(t *testing.T, rows ...[5]int) *superopt.Prog {
	t.Helper()
	var in []ebpf.Insn
	for _, r := range rows {
		in = append(in, ebpf.Insn{Op: uint8(r[0]), Src: uint8(r[1]), Dst: uint8(r[2]), Off: int16(r[3]), Imm: int32(r[4])})
	}
	p := must.Get(superopt.FromSlots("p", superopt.KindXDP, in, nil))(t)
	return p
}

// A jump that only goes by another number is unchanged; one that goes on at other
// code is said to, and one on another register is no jump further.
func TestDiffOfJumps(t *testing.T) {
	old := prog(t,
		[5]int{0x61, 1, 2, 12, 0}, // 0: r2 = ifindex
		[5]int{0x15, 0, 2, 2, 0},  // 1: if r2 == 0 goto 4
		[5]int{0xb7, 0, 3, 0, 7},  // 2: r3 = 7
		[5]int{0xb7, 0, 3, 0, 8},  // 3: r3 = 8
		[5]int{0xb7, 0, 0, 0, 1},  // 4: r0 = 1
		[5]int{0x15, 0, 2, 1, 3},  // 5: if r2 == 3 goto 7
		[5]int{0xb7, 0, 0, 0, 2},  // 6: r0 = 2
		[5]int{0x95, 0, 0, 0, 0})  // 7: exit
	edit := func(f func(q *superopt.Prog)) string {
		q := old.Clone()
		f(q)
		q.Compact()
		var notes []string
		for _, r := range diffTable(old, q).Rows {
			if c := strings.TrimPrefix(r[3], "; "); c != "" {
				notes = append(notes, c)
			}
		}
		return strings.Join(notes, "|")
	}
	for _, c := range []struct {
		name, want string
		f          func(q *superopt.Prog)
	}{
		{"nothing", "", func(q *superopt.Prog) {}},
		{"renumbered", "copy that nothing needs|copy that nothing needs", func(q *superopt.Prog) { q.Insts[2].Op, q.Insts[3].Op = 0, 0 }},
		{"target gone", "copy that nothing needs", func(q *superopt.Prog) { q.Insts[4].Op = 0 }},
		{"further", "jumps further", func(q *superopt.Prog) { q.Insts[1].To = 5 }},
		{"nearer", "jumps elsewhere", func(q *superopt.Prog) { q.Insts[1].To = 3 }},
		{"another register", "another register", func(q *superopt.Prog) { q.Insts[5].Dst = 3 }},
		{"another condition", "condition changed", func(q *superopt.Prog) { q.Insts[5].Op = 0x55 }},
	} {
		if got := edit(c.f); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
