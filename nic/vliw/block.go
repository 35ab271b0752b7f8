package vliw

import "jitnic/host/ebpf"

// block is what the graph must know of a piece of a program: which registers
// are read where its branches go.
type block struct {
	live func(slot int32) ebpf.Regs
}

// liveAt are the registers read where the branch at slot goes when taken.
func (b *block) liveAt(slot int32) ebpf.Regs { return b.live(slot) }
