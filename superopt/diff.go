package superopt

import (
	"fmt"
	"strings"

	"jitnic/superopt/internal/ir"
)

// Diff prints what became of each instruction: "-" gone, "+" new or changed,
// with the slot it stood at. Instructions that only moved have "~".
func Diff(old, new *ir.Prog) string {
	var b strings.Builder
	byslot := map[int32]int{}
	for i := range new.Insts {
		if s := new.Insts[i].Slot; s >= 0 {
			byslot[s] = i
		}
	}
	text := func(p *ir.Prog, i int) string {
		in := p.Insts[i]
		if in.Jumps() {
			in.Off = 0
			return strings.SplitN(in.String(), "@", 2)[0] + fmt.Sprintf("@%d", p.Insts[i].To)
		}
		return in.String()
	}
	same := func(i, j int) bool {
		x, y := old.Insts[i], new.Insts[j]
		if x.Jumps() && y.Jumps() { // a target that moved is no change
			x.Off, y.Off = 0, 0
		}
		return x.Insn == y.Insn && x.Hi == y.Hi
	}
	next := 0
	added := func(upto int) {
		for ; next < upto; next++ {
			if s := new.Insts[next].Slot; s < 0 {
				fmt.Fprintf(&b, "  +      %s\n", text(new, next))
			}
		}
	}
	for i := range old.Insts {
		j, ok := byslot[old.Insts[i].Slot]
		switch {
		case !ok:
			fmt.Fprintf(&b, "  - %4d %s\n", old.Insts[i].Slot, text(old, i))
		case same(i, j):
			if j >= next {
				added(j)
				next = j + 1
			}
		default:
			if j >= next {
				added(j)
				next = j + 1
			}
			fmt.Fprintf(&b, "  - %4d %s\n  + %4d %s\n", old.Insts[i].Slot, text(old, i), old.Insts[i].Slot, text(new, j))
		}
	}
	added(len(new.Insts))
	return b.String()
}
