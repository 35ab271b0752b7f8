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
	if err := b.way(c, u, seed); err != nil {
		return fmt.Errorf("a packet's beginning: %w", err)
	}
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
		if err := b.alone(u, pc); err != nil {
			return fmt.Errorf("insn %d: what would run is not %s: %w", pc, b.name(pc), err)
		}
	}
	return nil
}

// way reads the way in at a packet's beginning.
func (b *reader) way(c *compiler, u *unit, seed uint64) error {
	b.begin(c, u.code, seed)
	end, err := b.goOn(int(u.start), int(u.place[0]), false)
	if err == nil && end != fell {
		err = fmt.Errorf("it doesn't come to slot 0")
	}
	for r := range uint8(11) {
		want := uint64(0)
		switch r {
		case 1:
			want = b.s.Ctx
		case 10:
			want = b.s.FrameTop(0)
		}
		if err == nil && b.home(r) != want {
			err = fmt.Errorf("register %d is %#x, not %#x", r, b.home(r), want)
		}
	}
	return err
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
	b.x.left, b.x.depth, b.x.pc = before, b.draw(11)&1, nowhere
	leader := pc < n && u.f.counts[pc] && !u.f.second[pc]
	if pc < n && !u.f.second[pc] && vm.Valid(b.c.code[pc]) {
		after, next = b.expect(pc), b.follows(pc)
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
	over := end == left && b.x.pc == done
	switch {
	case end == ended:
		return fmt.Errorf("it ends")
	case w.asked && (end == left) != (w.way == outside):
		return fmt.Errorf("the check of its bounds comes out wrong")
	case over && (w.in.Op != ebpf.OpExit || b.x.depth != 0):
		return fmt.Errorf("the program is over")
	case end == left && !over && b.x.pc != int64(pc) && b.x.pc != int64(next):
		return fmt.Errorf("slot %d is left to the interpreter", b.x.pc)
	}
	stays := end == left && !over && b.x.pc == int64(pc) && (next != pc || !w.done)
	switch {
	case stays && w.done:
		return fmt.Errorf("it stores and is left to the interpreter, too")
	case stays:
		after = b.r
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
	for r := range uint8(11) {
		if r == 0 && stays && w.in.Op == ebpf.OpCall {
			continue // the call sets it
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
