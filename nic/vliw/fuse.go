package vliw

import "jitnic/host/ebpf"

// fuser joins two instructions of eBPF to one of the core, where the machine
// has such (hXDP, OSDI 2020, section 3.2: "three-operand", "6B load/store",
// "parametrized exit"). It works on ops in program order, before they are
// scheduled, and needs to know only what is read after them.
type fuser struct {
	gone []bool
}

// run fuses what it can and returns the ops that are left, in place. live are
// the registers read after the last op.
func (f *fuser) run(m *Machine, ops []Op, live ebpf.Regs) []Op {
	if !m.ThreeOperand && !m.SixBytes && !m.ExitImm {
		return ops
	}
	f.gone = f.gone[:0]
	for range ops {
		f.gone = append(f.gone, false)
	}
	if m.SixBytes {
		f.six(ops, live)
	}
	if m.ThreeOperand {
		f.three(ops)
	}
	if m.ExitImm {
		f.exit(ops)
	}
	n := 0
	for i := range ops {
		if !f.gone[i] {
			ops[n] = ops[i]
			n++
		}
	}
	return ops[:n]
}

// isMove says whether in copies a register, whole or its low half.
func isMove(in ebpf.Insn) (wide, ok bool) {
	c := in.Class()
	if (c == ebpf.ClassALU64 || c == ebpf.ClassALU) && in.ALUOp() == ebpf.ALUMov && in.Op&ebpf.SrcX != 0 && in.Off == 0 {
		return c == ebpf.ClassALU64, true
	}
	return false, false
}

// three joins a move and the first use of its result, where that is an
// operation on it:
//
//	r3 = r2
//	r3 += 14    ->    r3 = r2 + 14
//
// The move goes down to the operation, so what it reads must stay until then.
func (f *fuser) three(ops []Op) {
	for i := range ops {
		wide, ok := isMove(ops[i].In)
		if !ok || f.gone[i] || ops[i].Form != Plain {
			continue
		}
		d, s := ops[i].In.Dst, ops[i].In.Src
		if d == s {
			continue
		}
		for j := i + 1; j < len(ops); j++ {
			o := &ops[j]
			if f.gone[j] {
				continue
			}
			if o.isBranch() {
				break // the copy may be read where it goes
			}
			if (o.reads() | o.writes()).Has(d) {
				c := o.In.Class()
				if o.Form == Plain && (c == ebpf.ClassALU64 && wide || c == ebpf.ClassALU) && o.In.Dst == d && joins(o.In) {
					o.Form, o.Left, o.With = Three, s, ops[i].Slot
					f.gone[i] = true
				}
				break
			}
			if o.writes().Has(s) {
				break
			}
		}
	}
}

// joins says whether the core has in with another operand to start from: sums,
// differences, bitwise operations and logical shifts, with a constant (the
// *_CMP_OPC of exe_stage_complete, hXDP's PMP_exe_stage_ctrl.vhd).
func joins(in ebpf.Insn) bool {
	if in.Op&ebpf.SrcX != 0 {
		return false
	}
	switch in.ALUOp() {
	case ebpf.ALUAdd, ebpf.ALUSub, ebpf.ALUOr, ebpf.ALUAnd, ebpf.ALUXor, ebpf.ALULsh, ebpf.ALURsh:
		return true
	}
	return false
}

// exit joins the verdict and the exit.
func (f *fuser) exit(ops []Op) {
	last := len(ops) - 1
	if last < 0 || !ops[last].isExit() {
		return
	}
	for i := last - 1; i >= 0; i-- {
		o := &ops[i]
		if f.gone[i] {
			continue
		}
		if o.isBranch() || o.reads().Has(0) {
			return
		}
		if !o.writes().Has(0) {
			continue
		}
		if isConst(o) {
			ops[last].Form, ops[last].In.Imm, ops[last].With = ExitImm, o.In.Imm, o.Slot
			f.gone[i] = true
		} else if wide, ok := isMove(o.In); ok && wide && o.Form == Plain {
			f.kept(ops, i, last)
		}
		return
	}
}

// isConst says whether an op sets a register to a constant.
func isConst(o *Op) bool {
	c := o.In.Class()
	return (c == ebpf.ClassALU64 || c == ebpf.ClassALU) && o.Form == Plain && o.In.ALUOp() == ebpf.ALUMov && o.In.Op&ebpf.SrcX == 0
}

// kept leaves out the move at i that fetches a verdict kept in another register,
// where that is a constant, or r0 still has what was put there:
//
//	r6 = 1
//	...
//	r0 = r6
//	exit       ->    exit 1
func (f *fuser) kept(ops []Op, i, last int) {
	from := ops[i].In.Src
	still := true // r0 is what it was where ops[k] stands
	for k := i - 1; k >= 0; k-- {
		o := &ops[k]
		if f.gone[k] {
			continue
		}
		if o.writes().Has(from) {
			wide, move := isMove(o.In)
			switch {
			case isConst(o):
				ops[last].Form, ops[last].In.Imm, ops[last].With = ExitImm, o.In.Imm, ops[i].Slot
				f.gone[i] = true
			case move && wide && o.Form == Plain && o.In.Src == 0 && still:
				ops[last].With = ops[i].Slot
				f.gone[i] = true
			}
			return
		}
		if o.writes().Has(0) {
			still = false
		}
		if leaves(o.In) {
			return
		}
	}
}

// six joins the two copies a MAC address is moved with:
//
//	r1 = *(u32 *)(r6 +0)      r1 = *(u48 *)(r6 +0)
//	r2 = *(u16 *)(r6 +4)  ->  *(u48 *)(r7 +6) = r1
//	*(u32 *)(r7 +6) = r1
//	*(u16 *)(r7 +10) = r2
//
// in any order in which both loads stand before both stores, nothing else uses
// the two registers, and no other store, call or branch stands among them.
func (f *fuser) six(ops []Op, live ebpf.Regs) {
	for i := range ops {
		if f.gone[i] || !isLoad(&ops[i], 4) && !isLoad(&ops[i], 2) {
			continue
		}
		f.sixAt(ops, i, live)
	}
}

func isLoad(o *Op, n int) bool {
	return o.Form == Plain && o.In.IsLoad() && o.In.Mode() == ebpf.ModeMEM && o.In.Size() == n
}

func isStore(o *Op, n int) bool {
	return o.Form == Plain && o.In.Class() == ebpf.ClassSTX && o.In.Mode() == ebpf.ModeMEM && o.In.Size() == n
}

// The four instructions of such a copy.
const (
	wordLoad = iota
	halfLoad
	wordStore
	halfStore
)

// part says which of the four o may be where those at at were found, -1: none.
func part(ops []Op, at *[4]int, o *Op) int {
	for k := range at {
		size, is := 4>>(k&1), isLoad
		if k >= wordStore {
			if is = isStore; at[wordLoad] < 0 || at[halfLoad] < 0 || o.In.Src != ops[at[k-wordStore]].In.Dst || o.In.Dst == o.In.Src {
				continue
			}
		}
		if at[k] < 0 && is(o, size) && (at[k^1] < 0 || beside(o, &ops[at[k^1]], k)) {
			return k
		}
	}
	return -1
}

// beside says whether o, as part k, goes on where its other half ends or begins.
func beside(o, half *Op, k int) bool {
	off := int(half.In.Off) - int(o.In.Off)
	if k == halfLoad || k == halfStore {
		off = -off
	}
	if k >= wordStore {
		return off == 4 && o.In.Dst == half.In.Dst
	}
	return off == 4 && o.In.Src == half.In.Src && o.In.Dst != half.In.Dst
}

// sixAt tries the pattern that begins with the load at i.
func (f *fuser) sixAt(ops []Op, i int, live ebpf.Regs) {
	at := [4]int{-1, -1, -1, -1}
	var moved, bases ebpf.Regs // what the two registers hold, what addresses are counted from
	for j := i; j < len(ops) && j < i+16; j++ {
		if f.gone[j] {
			continue
		}
		o := &ops[j]
		k := part(ops, &at, o)
		switch {
		case k >= wordStore:
			bases |= 1 << o.In.Dst
		case k >= 0:
			moved |= 1 << o.In.Dst
			bases |= 1 << o.In.Src
		case o.In.IsStore() || o.isCall() || o.isBranch() || (o.reads()|o.writes())&moved != 0 || o.writes()&bases != 0:
			return
		default:
			continue
		}
		at[k] = j
		if at[wordLoad] >= 0 && at[halfLoad] >= 0 && moved&bases != 0 {
			return
		}
		if at[wordStore] >= 0 && at[halfStore] >= 0 {
			if f.dead(ops, j+1, moved, live) {
				f.join(ops, &at)
			}
			return
		}
	}
}

// join makes two of the four.
func (f *fuser) join(ops []Op, at *[4]int) {
	w, ws := ops[at[wordLoad]], ops[at[wordStore]]
	w.Form, w.With = Load6, ops[at[halfLoad]].Slot
	ws.Form, ws.With = Store6, ops[at[halfStore]].Slot
	for _, k := range at {
		f.gone[k] = true
	}
	first, last := min(at[wordLoad], at[halfLoad]), max(at[wordStore], at[halfStore])
	ops[first], ops[last] = w, ws
	f.gone[first], f.gone[last] = false, false
}

// dead says whether no op from i on, and nobody after them, reads regs before
// they are written again.
func (f *fuser) dead(ops []Op, i int, regs, live ebpf.Regs) bool {
	for ; i < len(ops) && regs != 0; i++ {
		if f.gone[i] {
			continue
		}
		if ops[i].reads()&regs != 0 || ops[i].isBranch() && !ops[i].isExit() {
			return false
		}
		regs &^= ops[i].writes()
	}
	return regs&live == 0
}
