package vliw

import (
	"jitnic/host/ebpf"
	"jitnic/host/points"
	"jitnic/host/vm"
)

// clean takes out of a program what the hardware does (hXDP, OSDI 2020,
// section 3.1): comparisons of a packet address with data_end, as the packet
// memory itself refuses what lies outside; stores of zero to stack nobody wrote,
// as the stack is cleared for each packet; and what is computed only for these.
// A packet that fails a bounds check then ends otherwise than the program says.
func (f *flowGraph) clean() {
	if !f.m.NoBounds && !f.m.NoZeroing {
		return
	}
	before := 0
	for i := range f.blocks {
		before += f.blocks[i].reachedOps()
	}
	for i := range f.blocks {
		if f.blocks[i].reached {
			f.strip(&f.blocks[i])
		}
	}
	f.link()
	after := 0
	for i := range f.blocks {
		after += f.blocks[i].reachedOps()
	}
	f.unreached = before - f.bounds - f.zeroing - after
	f.analyse()
	f.liveness()
	for f.sweep() {
		f.liveness()
	}
}

func (b *basic) reachedOps() int {
	if !b.reached {
		return 0
	}
	return len(b.ops)
}

// removed says what became of a bounds check.
type removed uint8

const (
	stays      removed = iota // or is no check
	failsTaken                // it is gone: a packet that is too short would jump
	failsOn                   // it always jumps: a packet that is too short would go on
)

// failed says whether a recorded step is of a packet that fails a removed check.
func (r removed) failed(st *vm.Step) bool {
	return r == failsTaken && st.Addr == 1 || r == failsOn && st.Addr == 0
}

// strip removes bounds checks and stores of zero from a block.
func (f *flowGraph) strip(b *basic) {
	b.in.Into(&f.flow)
	dirty := b.in.dirty
	n := 0
	for k := range b.ops {
		o := b.ops[k]
		first := len(f.flow.Acc)
		zero := zeroStore(&o, &f.flow)
		check, inside := f.boundsCheck(&o)
		f.flow.Step(o.insn(k), points.Hint{})
		acc := f.flow.Acc[first:]
		zero = zero && acc[0].Region == points.InStack && acc[0].Base == points.BaseStack
		switch {
		case f.m.NoZeroing && zero && clean(&dirty, &acc[0]):
			f.zeroing++
			continue
		case f.m.NoBounds && check && !inside:
			f.bounds++
			f.gone[o.Slot] = failsTaken
			continue
		case f.m.NoBounds && check:
			f.gone[o.Slot] = failsOn
			o.In = ebpf.Insn{Op: ebpf.OpJA, Off: o.In.Off} // always within
		}
		if !zero {
			soil(&dirty, acc)
		}
		b.ops[n] = o
		n++
	}
	b.ops = b.ops[:n]
}

// clean says whether all bytes of an access are zero.
func clean(dirty *[stackBytes / 64]uint64, a *points.Access) bool {
	if a.Lo < -stackBytes || a.Hi > 0 {
		return false
	}
	for b := a.Lo; b < a.Hi; b++ {
		i := b + stackBytes
		if dirty[i/64]>>(i%64)&1 != 0 {
			return false
		}
	}
	return true
}

// boundsCheck says whether an op compares a packet address with data_end, and
// whether it jumps where the address is within.
func (f *flowGraph) boundsCheck(o *Op) (ok, inside bool) {
	in := o.In
	if in.Class() != ebpf.ClassJMP || !in.IsCondJump() || in.Op&ebpf.SrcX == 0 || in.Op == ebpf.OpMayGo {
		return false, false
	}
	a, b := f.flow.R[in.Dst].Kind, f.flow.R[in.Src].Kind
	var less bool // jumps where dst is the smaller
	switch in.JmpOp() {
	case ebpf.JmpLT, ebpf.JmpLE:
		less = true
	case ebpf.JmpGT, ebpf.JmpGE:
	default:
		return false, false
	}
	switch {
	case a == points.Packet && b == points.PacketEnd:
		return true, less
	case a == points.PacketEnd && b == points.Packet:
		return true, !less
	}
	return false, false
}

// sweep removes what computes a register that nobody reads, and says whether
// there was such.
func (f *flowGraph) sweep() bool {
	found := false
	for i := range f.blocks {
		b := &f.blocks[i]
		if !b.reached {
			continue
		}
		live := b.out
		keep := make([]bool, len(b.ops))
		for k := len(b.ops) - 1; k >= 0; k-- {
			o := &b.ops[k]
			c := o.In.Class()
			pure := c == ebpf.ClassALU || c == ebpf.ClassALU64 || c == ebpf.ClassLDX || o.In.IsWide()
			if pure && o.writes()&live == 0 {
				f.dead++
				found = true
				continue
			}
			keep[k] = true
			live = live.Before(o.reads(), o.writes())
		}
		n := 0
		for k := range b.ops {
			if keep[k] {
				b.ops[n] = b.ops[k]
				n++
			}
		}
		b.ops = b.ops[:n]
	}
	return found
}
