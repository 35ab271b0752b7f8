package vliw

import "jitnic/host/ebpf"

// chain is the blocks of a piece, in the order control runs through them.
type chain []link

// link is a block of a chain and the way it is left for the next.
type link struct {
	block  int32
	by     way
	copied bool // another piece has it too
}

// way is how control gets from a block of a chain to the next.
type way uint8

const (
	ends     way = iota // the chain ends here
	falls               // falling through
	jumps               // by a jump that is always taken, which goes
	inverted            // by a conditional jump, turned round so that it leaves where it fell through
)

// chains cuts the program into pieces: one from each place that control comes
// to other than along a chain. Where the machine moves code between blocks, a
// chain follows the successor that is the likelier (Ball and Larus, "Branch
// prediction for free", PLDI 1993), and takes a copy of a block that other
// pieces lead to as well, within m.Copies: a superblock (Hwu and others, "The
// superblock", Journal of Supercomputing 7, 1993).
func (f *flowGraph) chains() []chain {
	var out []chain
	queued := make([]bool, len(f.blocks))
	taken := make([]bool, len(f.blocks))
	var work []int32
	head := func(i int32) {
		if i >= 0 && !queued[i] {
			queued[i] = true
			work = append(work, i)
		}
	}
	for i := range f.blocks {
		if f.blocks[i].reached && f.entry[f.blocks[i].start] {
			head(int32(i))
		}
	}
	for len(work) > 0 {
		i := work[0]
		work = work[1:]
		c := f.chain(i, taken, queued)
		for k, l := range c {
			taken[l.block] = true
			for _, s := range f.blocks[l.block].succ {
				if k+1 == len(c) || c[k+1].block != s {
					head(s)
				}
			}
		}
		out = append(out, c)
	}
	return out
}

// chain is the piece that begins with block i.
func (f *flowGraph) chain(i int32, taken, heads []bool) chain {
	c := chain{{block: i, copied: taken[i]}}
	copies, joined := 0, false
	for {
		at := &c[len(c)-1]
		next, by := f.follow(at.block)
		if by == ends || c.has(next) || f.entry[f.blocks[next].start] {
			return c
		}
		n := &f.blocks[next]
		if joined = joined || n.preds > 1 || heads[next]; joined {
			if copies += len(n.ops); copies > f.m.Copies {
				return c
			}
		}
		at.by = by
		c = append(c, link{block: next, copied: taken[next]})
	}
}

func (c chain) has(b int32) bool {
	for _, l := range c {
		if l.block == b {
			return true
		}
	}
	return false
}

// follow is the successor a chain goes on with after block i.
func (f *flowGraph) follow(i int32) (next int32, by way) {
	if !f.m.Speculate && f.m.Branches <= 1 {
		return -1, ends
	}
	b := &f.blocks[i]
	fall := int32(-1)
	if b.end < len(f.insns) {
		fall = f.at[b.end]
	}
	if len(b.ops) == 0 {
		return fall, falls
	}
	o := &b.ops[len(b.ops)-1]
	switch {
	case o.isExit() || leaves(o.In):
		return -1, ends
	case o.In.IsGoto():
		return f.at[o.To], jumps
	case !o.In.IsCondJump():
		return fall, falls
	case o.In.Off == 0:
		return -1, ends
	}
	if to := f.at[o.To]; f.likely(o, to, fall) {
		if _, ok := o.In.Inverted(); ok {
			return to, inverted
		}
	}
	return fall, falls
}

// likely says whether a conditional jump is more likely taken than not, by two
// of Ball and Larus' heuristics: a successor that returns at once is not what a
// program is for, and values are seldom equal to a constant.
func (f *flowGraph) likely(o *Op, to, fall int32) bool {
	if a, b := f.returns(to), f.returns(fall); a != b {
		return b
	}
	return o.In.Op&ebpf.SrcX == 0 && o.In.JmpOp() == ebpf.JmpNE
}

// returns says whether nothing but an exit is done from a block on.
func (f *flowGraph) returns(i int32) bool {
	b := &f.blocks[i]
	for k := range b.ops {
		if o := &b.ops[k]; o.isExit() {
			return true
		} else if c := o.In.Class(); c != ebpf.ClassALU && c != ebpf.ClassALU64 && !o.In.IsGoto() {
			return false
		} else if o.In.IsGoto() {
			return int(o.To) > int(o.Slot) && f.returns(f.at[o.To])
		}
	}
	return b.end < len(f.insns) && len(b.succ) == 1 && b.succ[0] > i && f.returns(b.succ[0])
}

// linked is a block's instructions as they stand in a chain.
func (f *flowGraph) linked(l link) []Op {
	b := &f.blocks[l.block]
	switch l.by {
	case jumps:
		return b.ops[:len(b.ops)-1]
	case inverted:
		ops := append([]Op(nil), b.ops...)
		o := &ops[len(ops)-1]
		o.In, _ = o.In.Inverted()
		o.To = int32(b.end)
		o.In.Off = int16(o.To - o.Slot - 1)
		return ops
	}
	return b.ops
}
