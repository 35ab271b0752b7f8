package straight

import (
	"jitnic/host/ebpf"
	"jitnic/pathcond/bv"
	"jitnic/superopt/internal/ir"
	"jitnic/superopt/internal/proof"
)

// walker is the forward walk at one instruction.
type walker struct {
	*line
	i    int
	st   *proof.State
	born [11]int // where each register got what it holds
	acc  []proof.Access
	// lastDef is the last instruction that set a register, readSince whether
	// anything read it since.
	lastDef   [11]int
	readSince [11]bool
}

// forward goes over the code with what registers and memory hold, and replaces
// what can be had cheaper, or from an older register: each rewrite leaves the
// same state, so the walk goes on.
func (l *line) forward() {
	piece := 0
	w := &walker{line: l, st: l.start(0)}
	l.snaps.Reset()
	w.forget()
	code := l.prog.Insts
	for i := range code {
		in := &code[i]
		l.at[i] = place{}
		if in.Op == ir.Nop {
			continue
		}
		w.i = i
		was, made := *in, l.made
		w.operands(in)
		in = &code[i]
		at := &l.at[i]
		at.regs, at.known = w.st.R, true
		at.foot = l.m.Footprint(l.prog, in, w.st)
		if in.Op == ir.Nop || in.Op == ebpf.OpExit {
			continue
		}
		w.acc = w.acc[:0]
		if l.m.Step(l.prog, i, in, w.st, &w.acc) != nil {
			*in, l.made = was, made // the proof holds it to be the same
			at.outside = true
			if piece++; piece == len(l.from.Pieces) {
				return // the proof will say no
			}
			w.st = l.start(piece)
			w.forget()
			continue
		}
		w.result(in, &at.regs)
		if in = &code[i]; !in.IsLoad() && !in.IsStore() && in.Op != ebpf.OpCall {
			at.foot = proof.Footprint{}
		}
		if at.foot.Writes.N > 0 {
			at.after = l.snaps.Keep(w.st)
		}
		w.note(in)
	}
}

func (w *walker) forget() {
	for r := range w.born {
		w.born[r], w.lastDef[r], w.readSince[r] = -1, -1, true
	}
}

// note keeps in mind who set and who read which register.
func (w *walker) note(in *ir.Inst) {
	rd, wr := in.Reads(), in.Writes()
	for r := range w.born {
		if rd>>r&1 != 0 {
			w.readSince[r] = true
		}
		if wr>>r&1 != 0 {
			w.born[r], w.lastDef[r], w.readSince[r] = w.i, w.i, false
		}
	}
}

// operands gives the instruction at hand older registers or constants for what
// it reads.
func (w *walker) operands(in *ir.Inst) {
	switch in.Class() {
	case ebpf.ClassALU, ebpf.ClassALU64:
		w.aluOperand(in)
	case ebpf.ClassLDX:
		x := *in
		if x.Src, x.Off = w.rebase(in.Src, in.Off); x.Src != in.Src {
			w.put(w.i, x)
		}
	case ebpf.ClassST, ebpf.ClassSTX:
		w.storeOperands(in)
	}
}

// oldest is the register that has held t longest, of those the test takes.
func (w *walker) oldest(not int, test func(r int, t bv.Term) bool) int {
	best := -1
	for r, t := range w.st.R {
		if t != 0 && r != not && (best < 0 || w.born[r] < w.born[best]) && test(r, t) {
			best = r
		}
	}
	return best
}

// selectOperands is operands of a select: what is chosen already is moved.
func (w *walker) selectOperands(in *ir.Inst) {
	if w.st.R[in.Dst] == 0 || w.st.R[in.Src] == 0 || w.st.R[in.Cond()] == 0 {
		return
	}
	if c, ok := w.b.IsConst(w.st.R[in.Cond()]); ok {
		if c == 0 {
			w.drop(w.i)
		} else {
			w.put(w.i, ir.MovReg(in.Dst, in.Src))
		}
		return
	}
	x := *in
	older := func(r uint8) uint8 {
		t := w.st.R[r]
		o := w.oldest(int(r), func(_ int, u bv.Term) bool { return u == t })
		if o < 0 || w.born[o] >= w.born[r] {
			return r
		}
		return uint8(o)
	}
	if s := older(in.Src); s != in.Dst { // else the result says it
		x.Src = s
	}
	if c := older(in.Cond()); c != 10 {
		x.Imm = int32(c)
	}
	if x.Insn != in.Insn {
		w.put(w.i, x)
	}
}

func (w *walker) aluOperand(in *ir.Inst) {
	if in.IsSelect() {
		w.selectOperands(in)
		return
	}
	if in.Op&ebpf.SrcX == 0 || in.ALUOp() == ebpf.ALUEnd || in.ALUOp() == ebpf.ALUNeg || in.Off != 0 || w.st.R[in.Src] == 0 {
		return
	}
	y := w.st.R[in.Src]
	if k, ok := w.b.IsConst(y); ok && in.ALUOp() != ebpf.ALUMov {
		w.constantOperand(in, y, k)
		return
	}
	if in.Dst == in.Src && in.ALUOp() != ebpf.ALUMov {
		return
	}
	if r := w.oldest(int(in.Src), func(r int, t bv.Term) bool { return t == y && r != int(in.Dst) }); r >= 0 && w.born[r] < w.born[in.Src] {
		x := *in
		x.Src = uint8(r)
		w.put(w.i, x)
	}
}

// constantOperand puts the constant k in the place of a register; where it has
// 32 bits it may take a 32-bit operation, if that does the same.
func (w *walker) constantOperand(in *ir.Inst, y bv.Term, k uint64) {
	x := *in
	x.Op &^= ebpf.SrcX
	x.Src, x.Imm = 0, int32(k)
	v := w.st.R[in.Dst]
	if v == 0 {
		return
	}
	want, err := w.m.ALUTerm(in, v, y)
	if err != nil {
		return
	}
	for _, class := range [2]uint8{in.Class(), ebpf.ClassALU} {
		x.Op = x.Op&^7 | class
		if got, err := w.m.ALUTerm(&x, v, w.b.Const(uint64(int64(x.Imm)), 64)); err == nil && got == want && x.Check(nil) == nil {
			w.put(w.i, x)
			return
		}
	}
}

// rebase finds an older register that leads to the same place.
func (w *walker) rebase(r uint8, off int16) (uint8, int16) {
	a := w.st.R[r]
	if a == 0 {
		return r, off
	}
	base, c := w.b.SplitAdd(a)
	if base == 0 {
		return r, off
	}
	to := off
	q := w.oldest(int(r), func(_ int, t bv.Term) bool {
		b2, c2 := w.b.SplitAdd(t)
		d := int64(off) + int64(c-c2)
		return b2 == base && d == int64(int16(d))
	})
	if q < 0 || w.born[q] >= w.born[r] {
		return r, off
	}
	_, c2 := w.b.SplitAdd(w.st.R[q])
	to = int16(int64(off) + int64(c-c2))
	return uint8(q), to
}

func (w *walker) storeOperands(in *ir.Inst) {
	x := *in
	if in.IsAtomic() {
		if in.Imm >= ebpf.AtomicLoadAcq {
			return
		}
		if x.Dst, x.Off = w.rebase(in.Dst, in.Off); x.Dst != in.Dst {
			w.put(w.i, x)
		}
		return
	}
	rg, off, err := w.m.Address(w.st, in.Dst, int64(in.Off))
	if err != nil {
		return
	}
	n := in.Size()
	v := w.b.Const(uint64(int64(in.Imm)), 64)
	if in.Class() == ebpf.ClassSTX {
		if v = w.st.R[in.Src]; v == 0 {
			return
		}
	}
	v = w.b.Extract(v, 0, 8*n)
	if w.holds(rg, off, v, n) && w.drop(w.i) {
		return
	}
	x.Dst, x.Off = w.rebase(in.Dst, in.Off)
	if k, ok := w.b.IsConst(v); ok && rg != proof.ContextRegion {
		s := int64(k<<(64-8*n)) >> (64 - 8*n)
		if in.Class() == ebpf.ClassSTX && s == int64(int32(s)) {
			x.Op, x.Src, x.Imm = x.Op&^7|ebpf.ClassST, 0, int32(s)
		}
	} else if in.Class() == ebpf.ClassSTX {
		r := w.oldest(int(in.Src), func(_ int, t bv.Term) bool { return w.b.Extract(t, 0, 8*n) == v })
		if r >= 0 && w.born[r] < w.born[in.Src] {
			x.Src = uint8(r)
		}
	}
	if x.Insn != in.Insn {
		w.put(w.i, x)
	}
}

// holds says whether the n bytes v stand in memory already.
func (w *walker) holds(rg int, off, v bv.Term, n int) bool {
	for k := range n {
		if w.m.Byte(w.st, rg, w.b.Bin(bv.OpAdd, off, w.b.Const(uint64(k), 64))) != w.b.Extract(v, 8*k, 8) {
			return false
		}
	}
	return true
}

// result looks at what an instruction left in its register: was is what the
// registers held before.
func (w *walker) result(in *ir.Inst, was *[11]bv.Term) {
	d := ir.DefReg(in)
	switch in.Class() {
	case ebpf.ClassALU, ebpf.ClassALU64, ebpf.ClassLDX, ebpf.ClassLD:
	default:
		return
	}
	if d < 0 || in.Op == ebpf.OpLDDW && in.Src != ebpf.PseudoNone {
		return
	}
	t := w.st.R[d]
	if was[d] == t && w.drop(w.i) {
		return
	}
	if k, ok := w.b.IsConst(t); ok {
		if mv, ok := ir.MovConst(uint8(d), k); ok && mv.Insn != in.Insn && !isMovImm(in) {
			w.put(w.i, mv)
		}
		return
	}
	best, low := -1, false
	for r, x := range was {
		if x == 0 || r == d || best >= 0 && !low && w.born[r] > w.born[best] {
			continue
		}
		if x == t {
			best, low = r, false
		} else if best < 0 && in.IsLoad() && w.b.Width(x) == 64 && t == w.b.ZExt(w.b.Extract(x, 0, 32), 64) && !w.m.Pointer(x) {
			best, low = r, true
		}
	}
	switch {
	case best < 0 && w.narrow(in, was, t):
	case best < 0:
		w.addAdd(in)
	case low:
		x := ir.MovReg(uint8(d), uint8(best))
		x.Op = ebpf.ClassALU | ebpf.ALUMov | ebpf.SrcX
		w.put(w.i, x)
	case !isMov(in) || int(in.Src) != best:
		w.put(w.i, ir.MovReg(uint8(d), uint8(best)))
	}
}

// narrow makes a 64-bit operation one of 32 bits that leaves the same, where an
// operand was cut to 32 bits for it: then nothing else may want that cut.
func (w *walker) narrow(in *ir.Inst, was *[11]bv.Term, t bv.Term) bool {
	if in.Class() != ebpf.ClassALU64 || isMov(in) || in.ALUOp() == ebpf.ALUEnd || !w.cut(in.Dst) && (in.Op&ebpf.SrcX == 0 || !w.cut(in.Src)) {
		return false
	}
	x := *in
	x.Op = x.Op&^7 | ebpf.ClassALU
	y := w.b.Const(uint64(int64(in.Imm)), 64)
	if in.Op&ebpf.SrcX != 0 {
		y = was[in.Src]
	}
	if was[in.Dst] == 0 || y == 0 || x.Check(nil) != nil {
		return false
	}
	got, err := w.m.ALUTerm(&x, was[in.Dst], y)
	return err == nil && got == t && w.put(w.i, x)
}

// cut says whether a register holds what a 32-bit move from itself left of it.
func (w *walker) cut(r uint8) bool {
	d := w.lastDef[r]
	if d < 0 {
		return false
	}
	in := &w.prog.Insts[d]
	return in.Op == ebpf.ClassALU|ebpf.ALUMov|ebpf.SrcX && in.Src == in.Dst && in.Off == 0
}

// addAdd makes one addition of two to one register, with nothing between that
// reads it.
func (w *walker) addAdd(in *ir.Inst) {
	const add = ebpf.ClassALU64 | ebpf.ALUAdd
	p := w.lastDef[in.Dst]
	if in.Op != add || p < 0 || w.readSince[in.Dst] {
		return
	}
	first := &w.prog.Insts[p]
	sum := int64(first.Imm) + int64(in.Imm)
	if first.Op != add || first.Dst != in.Dst || sum != int64(int32(sum)) || !w.may() {
		return
	}
	*first = ir.Empty()
	w.at[p].known = false
	in.Imm = int32(sum)
	w.at[w.i].regs[in.Dst] = w.at[p].regs[in.Dst]
}

func isMovImm(in *ir.Inst) bool {
	return (in.Class() == ebpf.ClassALU64 || in.Class() == ebpf.ClassALU) && in.ALUOp() == ebpf.ALUMov && in.Op&ebpf.SrcX == 0
}

// isMov: all of one register goes to another.
func isMov(in *ir.Inst) bool {
	return in.Op == ebpf.ClassALU64|ebpf.ALUMov|ebpf.SrcX && in.Off == 0
}
