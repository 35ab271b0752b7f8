package vliw

import "jitnic/host/ebpf"

// renamer gives values of straight-line code other registers, so that fewer
// anti and output dependences hold the scheduler back.
//
// A web is a value and what is made of it in place (r3 += 1 both reads and
// writes r3, so both values are one web). It occupies its register from its
// first write to its last read. A web moves to another register only if no
// other web occupies that one meanwhile; this holds before and after each
// move, and so the code means the same. Webs that meet a register the
// instruction set prescribes (arguments and results of calls, exit, atomics,
// what is there at the entry, r10) stay; so do those that are read where a
// branch goes, or after the piece of a program.
type renamer struct {
	webs    []web
	use     [][3]int32 // by op: webs of Dst, Src, Left as read or written; -1 none
	byReg   [10][]int32
	renamed int
}

// web occupies reg in [from, to]; op i reads at 2i and writes at 2i+1.
type web struct {
	from, to int32
	reg      uint8
	fixed    bool
}

const (
	fieldDst = iota
	fieldSrc
	fieldLeft
)

// run renames the registers of ops in place. blk says what is read where
// branches go, and out after the last op; a trace has neither.
func (n *renamer) run(ops []Op, blk *block, out ebpf.Regs) {
	n.renamed = 0
	n.webs, n.use = n.webs[:0], n.use[:0]
	var cur [11]int32 // web in each register, -1 none
	for r := range cur {
		cur[r] = n.open(-1, uint8(r), true) // what is there at the entry
	}
	for i := range ops {
		n.one(&ops[i], int32(i), &cur)
		if o := &ops[i]; blk != nil && o.isBranch() && !o.isExit() {
			n.keep(blk.live(o), int32(i), &cur)
		}
	}
	n.keep(out, int32(len(ops)), &cur)
	for r := range n.byReg {
		n.byReg[r] = n.byReg[r][:0]
	}
	for w := range n.webs {
		if r := n.webs[w].reg; r < 10 {
			n.byReg[r] = append(n.byReg[r], int32(w))
		}
	}
	for w := range n.webs {
		n.move(int32(w))
	}
	for i := range ops {
		n.write(&ops[i], n.use[i])
	}
}

// keep has the registers in live read at op i, by nobody one could tell of
// another register.
func (n *renamer) keep(live ebpf.Regs, i int32, cur *[11]int32) {
	for r := range cur {
		if live>>r&1 != 0 {
			w := &n.webs[cur[r]]
			w.to, w.fixed = max(w.to, 2*i), true
		}
	}
}

func (n *renamer) open(at int32, r uint8, fixed bool) int32 {
	n.webs = append(n.webs, web{from: at, to: at, reg: r, fixed: fixed})
	return int32(len(n.webs) - 1)
}

// one takes down which web each field of an op stands for.
func (n *renamer) one(o *Op, i int32, cur *[11]int32) {
	fields := [3]int32{-1, -1, -1}
	in := o.In
	reads, writes := o.reads(), o.writes()
	// Registers that no field names, or that must be what they are.
	prescribed := o.isCall() || o.isBranch() && !in.IsCondJump() || in.IsAtomic() || in.Class() == ebpf.ClassLD && !in.IsWide()
	for r := uint8(0); r < 11; r++ {
		if reads.Has(r) {
			w := &n.webs[cur[r]]
			w.to = 2 * i
			w.fixed = w.fixed || prescribed || in.IsSelect() && r == in.Cond()
		}
	}
	if !prescribed {
		if usesDst(o) && reads.Has(in.Dst) {
			fields[fieldDst] = cur[in.Dst]
		}
		if usesSrc(o) && reads.Has(in.Src) {
			fields[fieldSrc] = cur[in.Src]
		}
		if o.Form == Three {
			fields[fieldLeft] = cur[o.Left]
		}
	}
	for r := uint8(0); r < 11; r++ {
		if !writes.Has(r) {
			continue
		}
		if o.Form == Plain && reads.Has(r) && r == in.Dst && !prescribed && !in.IsLoad() {
			// In place: the web goes on.
			n.webs[cur[r]].to = 2*i + 1
			continue
		}
		cur[r] = n.open(2*i+1, r, prescribed)
		if !prescribed {
			fields[fieldDst] = cur[r]
		}
	}
	n.use = append(n.use, fields)
}

// usesDst says whether an op that doesn't write Dst, or does so in place, reads
// it by that field; usesSrc whether the Src field names a register it reads.
func usesDst(o *Op) bool {
	switch o.In.Class() {
	case ebpf.ClassALU, ebpf.ClassALU64:
		return o.Form == Plain
	case ebpf.ClassST, ebpf.ClassSTX, ebpf.ClassJMP, ebpf.ClassJMP32:
		return true
	}
	return false
}

func usesSrc(o *Op) bool {
	switch o.In.Class() {
	case ebpf.ClassALU, ebpf.ClassALU64:
		return o.In.Op&ebpf.SrcX != 0 && o.In.ALUOp() != ebpf.ALUEnd
	case ebpf.ClassJMP, ebpf.ClassJMP32:
		return o.In.Op&ebpf.SrcX != 0
	case ebpf.ClassLDX, ebpf.ClassSTX:
		return true
	}
	return false
}

// move gives a web the register that has been free longest before it.
func (n *renamer) move(w int32) {
	x := &n.webs[w]
	if x.fixed || x.reg > 9 {
		return
	}
	best, idle := x.reg, n.idle(x.reg, w)
	for r := uint8(0); r < 10; r++ {
		if r != x.reg {
			if t := n.idle(r, w); t > idle {
				best, idle = r, t
			}
		}
	}
	if best == x.reg {
		return
	}
	list := n.byReg[x.reg]
	for k := range list {
		if list[k] == w {
			list[k] = list[len(list)-1]
			n.byReg[x.reg] = list[:len(list)-1]
			break
		}
	}
	x.reg = best
	n.byReg[best] = append(n.byReg[best], w)
	n.renamed++
}

// idle is for how long register r has been free before web w begins; -1 where
// another web occupies it during w.
func (n *renamer) idle(r uint8, w int32) int32 {
	x := &n.webs[w]
	last := int32(-1)
	for _, k := range n.byReg[r] {
		y := &n.webs[k]
		if k == w {
			continue
		}
		if y.from <= x.to && x.from <= y.to {
			return -1
		}
		if y.to < x.from {
			last = max(last, y.to)
		}
	}
	return x.from - last
}

// write puts the registers into an op.
func (n *renamer) write(o *Op, f [3]int32) {
	if f[fieldDst] >= 0 {
		o.In.Dst = n.webs[f[fieldDst]].reg
	}
	if f[fieldSrc] >= 0 {
		o.In.Src = n.webs[f[fieldSrc]].reg
	}
	if f[fieldLeft] >= 0 {
		o.Left = n.webs[f[fieldLeft]].reg
	}
}
