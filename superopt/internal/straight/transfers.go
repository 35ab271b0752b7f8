package straight

import (
	"jitnic/host/ebpf"
	"jitnic/pathcond/bv"
	"jitnic/superopt/internal/ir"
	"jitnic/superopt/internal/proof"
)

// transfers joins copies of neighbours: two stores of bytes that lie side by
// side in memory, as they came from there, become one load and one store of
// twice the width.
// It returns how many rewrites there are now.
func (l *line) transfers() int {
	for _, aligned := range [2]bool{true, false} { // halves that fit together first
		for j := 0; j < len(l.prog.Insts); j++ {
			if !l.transferred(j) {
				continue
			}
			for i := j - 1; i >= 0 && i >= j-transferReach; i-- {
				if l.transferred(i) && l.join(i, j, aligned) {
					break
				}
			}
		}
	}
	return l.made
}

// transferReach is how far apart two stores of one copy stand at most.
const transferReach = 40

// transferred: the instruction stores a register that is wanted no more.
func (l *line) transferred(i int) bool {
	in, at := &l.prog.Insts[i], &l.at[i]
	return in.Class() == ebpf.ClassSTX && !in.IsAtomic() && at.known && !at.outside && at.after != nil && in.Size() < 8 && l.wants(i)>>in.Src&1 == 0
}

// join makes one copy of those that end in the stores at i and j, i first.
func (l *line) join(i, j int, aligned bool) bool {
	a, b := &l.prog.Insts[i], &l.prog.Insts[j]
	x, y := l.at[i].foot.Writes, l.at[j].foot.Writes
	n := a.Size()
	if x.Object != y.Object || b.Size() != n || x.Region == proof.ContextRegion || y.Lo-x.Lo != n && x.Lo-y.Lo != n {
		return false
	}
	block := proof.Span{Object: x.Object, Lo: min(x.Lo, y.Lo), N: 2 * n}
	if block.Lo&(2*n-1) != 0 && (aligned || x.Region == proof.StackRegion) {
		return false
	}
	lo, hi := l.b.Extract(l.at[i].regs[a.Src], 0, 8*n), l.b.Extract(l.at[j].regs[b.Src], 0, 8*n)
	if x.Lo > y.Lo {
		lo, hi = hi, lo
	}
	v := l.b.Concat(hi, lo)
	from, ok := l.source(v, j, 2*n)
	if !ok || !l.free(i, j, block, x, false) {
		return false
	}
	from.Dst = b.Src
	wide := *b
	wide.Op = wide.Op&^0x18 | ir.SizeOp(2*n)
	wide.Off += int16(block.Lo - y.Lo)
	if from.Src == from.Dst && wide.Dst == from.Dst || !l.may() {
		return false
	}
	from.To, from.Slot = -1, a.Slot
	copy(l.prog.Insts[i:], l.prog.Insts[i+1:j])
	copy(l.at[i:], l.at[i+1:j])
	l.prog.Insts[j-1], l.prog.Insts[j] = from, wide
	l.at[j-1] = place{}
	l.at[j].foot.Writes = block
	for k := j + 1; k < len(l.prog.Insts) && (k == j+1 || l.prog.Insts[k-1].Writes()>>from.Dst&1 == 0); k++ {
		l.at[k].regs[from.Dst] = 0
	}
	for k := i; k <= j; k++ { // these bytes are written at another time now
		l.at[k].after = nil
	}
	return true
}

// stands says whether the code as it is still gives register r, before
// instruction j, what the walk found in it: what made it may be gone.
func (l *line) stands(r uint8, j int) bool {
	p := j - 1
	for p >= 0 && l.prog.Insts[p].Writes()>>r&1 == 0 {
		p--
	}
	for p++; p < j; p++ {
		if l.at[p].known {
			break
		}
	}
	return l.at[p].known && l.at[p].regs[r] == l.at[j].regs[r]
}

// source is a load, before instruction j, of the n bytes v as they lie in
// memory.
func (l *line) source(v bv.Term, j, n int) (ir.Inst, bool) {
	if l.b.Width(v) < 64 {
		v = l.b.ZExt(v, 64)
	}
	rg, off, got := l.m.WholeLoad(v)
	if got != n {
		return ir.Inst{}, false
	}
	for k := range n { // and nothing has been written there since
		if l.m.Byte(l.at[j].after, rg, l.b.Bin(bv.OpAdd, off, l.b.Const(uint64(k), 64))) != l.b.Extract(v, 8*k, 8) {
			return ir.Inst{}, false
		}
	}
	for r, t := range l.at[j].regs {
		if t == 0 || !l.stands(uint8(r), j) {
			continue
		}
		r2, o2, err := l.m.Locate(t)
		if err != nil || r2 != rg {
			continue
		}
		c, ok := l.b.IsConst(l.b.Bin(bv.OpSub, off, o2))
		if ok && int64(c) == int64(int16(c)) {
			return ir.Inst{Insn: ebpf.Insn{Op: ebpf.ClassLDX | ebpf.ModeMEM | ir.SizeOp(n), Src: uint8(r), Off: int16(c)}}, true
		}
	}
	return ir.Inst{}, false
}
