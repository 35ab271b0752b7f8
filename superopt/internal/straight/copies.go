package straight

import (
	"jitnic/host/ebpf"
	"jitnic/superopt/internal/ir"
)

// copies gives one name to what a move copies, where one of the two is wanted
// no more: the move goes.
func (l *line) copies() {
	for i := range l.prog.Insts {
		in := &l.prog.Insts[i]
		if !isMov(in) || !l.at[i].known || in.Src == 10 || in.Dst == in.Src || l.wants(i)>>in.Src&1 != 0 {
			continue
		}
		if !l.backward(i, in.Dst, in.Src) {
			l.onward(i, in.Dst, in.Src)
		}
	}
}

// renamed exchanges from by to in all operands; ok is false where an operand
// has its name by convention.
func renamed(in ir.Inst, from, to uint8) (ir.Inst, bool) {
	if (in.Reads()|in.Writes())>>from&1 == 0 {
		return in, true
	}
	switch in.Class() {
	case ebpf.ClassALU, ebpf.ClassALU64, ebpf.ClassLDX, ebpf.ClassST, ebpf.ClassSTX:
	case ebpf.ClassLD:
		if in.Op != ebpf.OpLDDW {
			return in, false
		}
	default:
		return in, false
	}
	if in.IsAtomic() && in.Imm == ebpf.AtomicCmpXchg {
		return in, false
	}
	reads := in.Op&ebpf.SrcX != 0 && (in.Class() == ebpf.ClassALU || in.Class() == ebpf.ClassALU64) && in.ALUOp() != ebpf.ALUEnd
	if in.Dst == from {
		in.Dst = to
	}
	if in.IsSelect() && in.Cond() == from {
		in.Imm = int32(to)
	}
	if (reads || in.Class() == ebpf.ClassLDX || in.Class() == ebpf.ClassSTX) && in.Src == from {
		in.Src = to
	}
	return in, true
}

// backward has the making of rS go to rD at once, for the move at i.
func (l *line) backward(i int, d, s uint8) bool {
	code := l.prog.Insts
	var change []int
	for j := i - 1; j >= 0; j-- {
		in := &code[j]
		if in.Op == ir.Nop {
			continue
		}
		if l.at[j].outside || !l.at[j].known {
			return false
		}
		x, ok := renamed(*in, s, d)
		if !ok {
			return false
		}
		if x.Insn != in.Insn {
			change = append(change, j)
		}
		if in.Writes()>>s&1 != 0 && in.Reads()>>s&1 == 0 {
			if in.Writes()&^(1<<s) != 0 { // a call
				return false
			}
			if !l.may() {
				return false
			}
			for _, k := range change {
				y, _ := renamed(code[k], s, d)
				if k == j && in.Reads()>>d&1 != 0 { // it may read what it takes the place of
					y = code[k]
					y.Dst = d
				}
				code[k] = y
			}
			code[i] = ir.Empty()
			l.rename(j, i, s, d)
			return true
		}
		if (in.Reads()|in.Writes())>>d&1 != 0 {
			return false
		}
	}
	return false
}

// onward has what reads rD read rS, from the move at i to where rD ends.
func (l *line) onward(i int, d, s uint8) bool {
	code := l.prog.Insts
	var change []int
	j := i + 1
	for ; j < len(code); j++ {
		in := &code[j]
		if in.Op == ir.Nop {
			continue
		}
		if l.at[j].outside || !l.at[j].known {
			return false
		}
		begins := in.Writes()>>d&1 != 0 && in.Reads()>>d&1 == 0
		if begins && in.Op != ebpf.OpCall && in.Writes()>>s&1 == 0 {
			break
		}
		if (in.Reads()|in.Writes())>>d&1 != 0 {
			if _, ok := renamed(*in, d, s); !ok || begins {
				return false
			}
			change = append(change, j)
		}
		if l.wants(j)>>d&1 == 0 {
			break
		}
		if in.Writes()>>s&1 != 0 {
			return false
		}
	}
	if j == len(code) || !l.may() {
		return false
	}
	for _, k := range change {
		code[k], _ = renamed(code[k], d, s)
	}
	code[i] = ir.Empty()
	l.rename(i, j, d, s)
	return true
}

// rename notes that what register from held after the instructions [i, j), to
// holds now.
func (l *line) rename(i, j int, from, to uint8) {
	for k := i; k < j; k++ {
		w := &l.at[k].want
		w[to], w[from] = w[from], 0
		if k > i {
			r := &l.at[k].regs
			r[to], r[from] = r[from], 0
		}
	}
}
