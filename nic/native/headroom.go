package native

import (
	"jitnic/host/ebpf"
	"jitnic/host/points"
	"jitnic/host/vm"
	"jitnic/nic/native/asm"
)

// bpf_xdp_adjust_head in a trace: where it is certain to succeed, by a number of
// bytes that is the same in every run, the packet only begins at another fixed
// place. Code puts zeros into what it exposes of the headroom, as it stands there
// when a packet begins; the State is told where the packet begins by whoever goes
// back to Go.

// headMove is where a packet begins, and the lowest byte it has had, from the
// instruction behind pc on: in bytes from where it began at first.
type headMove struct{ pc, at, low int32 }

// shift is where the packet begins behind an instruction that moves its head by code.
func (c *compiler) shift(k *known, in ebpf.Insn) (at int32, ok bool) {
	l := c.line
	by := k.R[2]
	if l == nil || l.moved || l.held || in.Op != ebpf.OpCall || in.Src != ebpf.CallHelper || in.Imm != ebpf.FnXdpAdjustHead ||
		k.R[1].Kind != points.Ctx || k.R[1].Off != 0 || !by.IsConst() {
		return 0, false
	}
	to := int64(l.at) + int64(int32(by.Known))
	least := int64(max(l.t.MinLen, vm.MinPacket))
	return int32(to), to >= vm.FrameSize-vm.Headroom && to <= least-vm.MinPacket
}

// shifted is what is known behind it.
func (c *compiler) shifted(k *known, at int32) {
	l := c.line
	l.at, l.low = at, min(l.low, at)
	k.R[0] = points.Constant(0)
	k.Data = min(int64(max(l.t.MinLen, vm.MinPacket))-int64(at), most)
}

// moveHead writes it.
func (c *compiler) moveHead(pc int, at int32) {
	l := c.line
	c.copies = true // the packet is moved in the buffer
	for to := at; to < l.low; {
		n := int32(8)
		for n > l.low-to {
			n /= 2
		}
		m := asm.At(pkt, to)
		if !l.byPkt {
			m = asm.At(asm.Base, c.buffer()+to)
		}
		c.StoreK(int(n), 0, m)
		to += n
	}
	c.Imm(asm.R0, 0)
	l.moves = append(l.moves, headMove{int32(pc), at, min(l.low, at)})
}

// begins tells the State where the packet begins behind the instructions before pc,
// of those that have moved it since the from'th move, and returns the next one's number.
func (t *Trace) begins(from, pc int) int {
	for ; from < len(t.moves) && int(t.moves[from].pc) < pc; from++ {
		m, s := t.moves[from], t.m.S
		data := int64(s.Buf) + vm.Headroom
		s.MoveHead(uint64(data+int64(m.at)), uint64(data+int64(m.low)))
	}
	return from
}
