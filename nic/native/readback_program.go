package native

import (
	"fmt"

	"jitnic/host/ebpf"
	"jitnic/host/vm"
)

// given is what the analysis knows of a register at a slot, and code relies on.
type given struct {
	pc  int
	reg uint8
	v   uint64
}

// program reads a program back on one set of numbers, each slot by itself: from
// registers that are drawn to the next slot, or to where it leaves to the
// interpreter.
func (b *reader) program(c *compiler, u *unit, seed uint64) error {
	known := c.given
	for pc := range len(c.code) + 1 {
		b.begin(c, u.code, drawn(seed, uint64(pc)))
		b.r[10] = b.s.FrameTop(0)
		for r := range b.r[:10] {
			b.r[r] = number64(b.draw(300 + uint64(r)))
		}
		for ; len(known) > 0 && known[0].pc <= pc; known = known[1:] {
			if known[0].pc == pc {
				b.r[known[0].reg] = known[0].v
			}
		}
		if pc < len(c.code) {
			b.shape(c.code[pc], seed)
		}
		for r := range b.r {
			b.cpu.R[b.m.Home[r]] = b.r[r]
		}
		if u.inPlace {
			b.cpu.R[b.m.Home[10]] = memBase + b.s.Buf + vm.Headroom
			if b.batch = u.copies == 0 && seed&1 == 0; b.batch {
				b.cpu.R[b.m.Home[10]] = pktBase
			}
		}
		if err := b.alone(u, pc); err != nil {
			return fmt.Errorf("insn %d: what would run is not %s: %w", pc, b.name(pc), err)
		}
	}
	return nil
}

// shape makes operands equal on the second set of numbers, and near or opposite on
// later ones: of numbers that are drawn few are. A divisor is 0, then -1.
func (b *reader) shape(in ebpf.Insn, seed uint64) {
	if seed == 0 || in.Dst > 9 || in.Src > 9 {
		return
	}
	switch c := in.Class(); {
	case c == ebpf.ClassJMP || c == ebpf.ClassJMP32:
		if in.Op == ebpf.OpCall || in.Op == ebpf.OpExit {
			return
		}
		v := vm.Operand(in, b.r[in.Src])
		if seed > 1 {
			v = [4]uint64{v + 1, v - 1, ^v, v + 1<<63}[b.draw(12)&3]
		}
		b.r[in.Dst] = v
	case (c == ebpf.ClassALU || c == ebpf.ClassALU64) && in.Op&ebpf.SrcX != 0:
		if op := in.ALUOp(); op == ebpf.ALUDiv || op == ebpf.ALUMod {
			b.r[in.Src] = 1 - seed
		}
	case in.IsAtomic() && in.Imm == ebpf.AtomicCmpXchg:
		b.r[0] = b.mem.load(b.r[in.Dst]+uint64(int64(in.Off)), in.Size())
	}
}

// alone reads one slot of a program.
func (b *reader) alone(u *unit, pc int) error {
	n := len(b.c.code)
	b.now = slot{pc: pc, have: -1, note: -1}
	after, next := b.r, -1
	before := int64(b.draw(10) % 64)
	if u.inPlace {
		after[10] = b.home(10)
	}
	b.x.left, b.x.depth, b.x.pc = before, 0, nowhere
	if b.c.nested {
		b.x.depth = b.draw(11) & 1
	}
	leader := pc < n && u.f.counts[pc] && !u.f.second[pc]
	if pc < n && !u.f.second[pc] && vm.Valid(b.c.code[pc]) {
		frame := after[10]
		after, next = b.expect(pc), b.follows(pc)
		after[10] = frame
	}
	stop := -1
	if next >= 0 && next <= n {
		stop = int(u.place[next])
	}
	// Code that has bytes is carried out, though it may lead to where it begins.
	end, err := b.goOn(int(u.place[pc]), stop, pc < n && (next != pc+1 || leader) && next >= 0)
	if err != nil {
		return err
	}
	w := &b.now
	over := end == ended && b.cpu.IP == nextPlace
	switch {
	case end == ended && !over:
		return fmt.Errorf("it ends")
	case w.asked && (end == left) != (w.way == outside):
		return fmt.Errorf("the check of its bounds comes out wrong")
	case over && (w.in.Op != ebpf.OpExit || b.x.depth != 0):
		return fmt.Errorf("the program is over")
	case end == left && b.x.pc != int64(pc) && b.x.pc != int64(next):
		return fmt.Errorf("slot %d is left to the interpreter", b.x.pc)
	}
	stays := end == left && b.x.pc == int64(pc) && (next != pc || !w.done)
	switch {
	case stays && w.done:
		return fmt.Errorf("it stores and is left to the interpreter, too")
	case stays:
		place := after[10]
		after = b.r
		after[10] = place
	case w.stores && !w.done:
		return fmt.Errorf("nothing is stored")
	case w.in.Op == ebpf.OpCall && !b.here():
		return fmt.Errorf("nothing is called")
	}
	if !stays && w.in.Op == ebpf.OpCall {
		if err := b.took(); err != nil {
			return err
		}
	}
	if leader && !b.c.dead[pc] { // code that control never comes to counts nothing
		before -= int64(u.f.rest[pc])
	}
	if w.in.IsCondJump() && !stays && next != u.f.after(pc) {
		before += int64(u.f.ahead(pc))
	}
	if b.x.left != before {
		return fmt.Errorf("%d steps are left, not %d", b.x.left, before)
	}
	reads := all // by whoever goes on
	switch {
	case stays:
		reads = b.c.live[pc]
	case next >= 0 && next <= n:
		reads = b.c.live[next]
	}
	for r := range uint8(11) {
		if r == 0 && stays && w.in.Op == ebpf.OpCall || !reads.Has(r) {
			continue // the call sets it, or nothing reads it
		}
		v := b.home(r)
		if end == left && r < 10 {
			v = b.x.r[r]
		}
		if over && r > 0 {
			break // the verdict is all that is left
		}
		if v != after[r] && (end == fell || r < 10) {
			return fmt.Errorf("register %d is %#x, not %#x", r, v, after[r])
		}
	}
	return nil
}

// follows is the slot that control goes to, -1 where the instruction ends a
// program or isn't code's.
func (b *reader) follows(pc int) int {
	in := b.c.code[pc]
	switch {
	case in.IsWide():
		return pc + 2
	case in.IsGoto():
		return target(in, pc)
	case in.Op == ebpf.OpExit, in.Op == ebpf.OpMayGo, in.Op == ebpf.OpCallX, in.Op == ebpf.OpCall && in.Src == ebpf.CallLocal:
		return -1
	case in.IsCondJump():
		if vm.Taken(in, b.r[in.Dst], vm.Operand(in, b.r[in.Src])) {
			return target(in, pc)
		}
	}
	return pc + 1
}
