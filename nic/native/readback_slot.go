package native

import (
	"encoding/binary"
	"slices"

	"jitnic/host/ebpf"
	"jitnic/host/maps"
	"jitnic/host/vm"
)

// expect works out what the instruction at pc does, and gives the registers behind it.
func (b *reader) expect(pc int) [11]uint64 {
	in := b.c.code[pc]
	r := b.r
	w := &b.now
	*w = slot{}
	w.pc, w.in, w.have, w.note, w.way = pc, in, -1, -1, int(b.draw(1000+uint64(pc))&3)
	switch in.Class() {
	case ebpf.ClassALU, ebpf.ClassALU64:
		switch {
		case !in.IsSelect():
			r[in.Dst] = vm.ALU(in, r[in.Dst], vm.Operand(in, r[in.Src]))
		case r[in.Cond()] != 0:
			r[in.Dst] = r[in.Src]
		}
	case ebpf.ClassLD:
		r[in.Dst] = b.wide(pc)
	case ebpf.ClassLDX:
		w.addr, w.n = r[in.Src]+uint64(int64(in.Off)), in.Size()
		w.reads[0] = span{w.addr, uint64(w.n)}
		if b.s.IsCtx(w.addr) {
			w.way = outside
		}
		r[in.Dst] = b.loaded(w.addr, in)
	case ebpf.ClassST, ebpf.ClassSTX:
		w.addr, w.n, w.stores = r[in.Dst]+uint64(int64(in.Off)), in.Size(), true
		if w.note = slices.IndexFunc(b.stores, func(h heldStore) bool { return int(h.pc) == pc }); w.note >= 0 {
			w.reads[0] = span{w.addr, uint64(w.n)}
		}
		switch {
		case in.IsAtomic():
			b.atomic(&r)
		case in.Class() == ebpf.ClassST:
			w.v = uint64(int64(in.Imm))
		default:
			w.v = r[in.Src]
		}
	default:
		if in.Op == ebpf.OpCall {
			w.v = b.result()
			r[0] = w.v
		}
	}
	return r
}

// wide is the constant of two slots.
func (b *reader) wide(pc int) uint64 {
	in := b.c.code[pc]
	if !in.IsWide() || pc+1 >= len(b.c.code) {
		return b.draw(2000 + uint64(pc)) // a load from the packet, or a fault: Go's
	}
	hi := b.c.code[pc+1]
	known := in.Imm >= 0 && int(in.Imm) < len(b.s.Maps)
	switch {
	case in.Src == ebpf.PseudoNone:
		return uint64(uint32(in.Imm)) | uint64(uint32(hi.Imm))<<32
	case in.Src == ebpf.PseudoMapFD && known:
		return vm.MapPtr(int(in.Imm))
	case in.Src == ebpf.PseudoMapValue && known:
		if v, ok := b.s.ValuePtr(int(in.Imm), uint32(hi.Imm)); ok {
			return v
		}
	}
	return b.draw(2000 + uint64(pc)) // Go knows
}

// loaded is what a load brings: of memory, or of struct xdp_md.
func (b *reader) loaded(addr uint64, in ebpf.Insn) uint64 {
	n := in.Size()
	if b.s.IsCtx(addr) {
		switch x := &b.x; addr - b.s.Ctx {
		case vm.CtxData:
			return b.data
		case vm.CtxDataEnd:
			return x.end
		case vm.CtxMeta:
			return b.meta
		case vm.CtxIfIndex:
			return x.ifindex
		case vm.CtxQueue:
			return x.queue
		}
		return 0
	}
	v := b.mem.load(addr, n)
	if in.Mode() == ebpf.ModeMEMSX {
		v = vm.SignExtend(v, n)
	}
	return v
}

func (b *reader) atomic(r *[11]uint64) {
	w := &b.now
	in := w.in
	if in.Imm == ebpf.AtomicLoadAcq {
		w.addr = r[in.Src] + uint64(int64(in.Off))
	}
	w.reads[0] = span{w.addr, uint64(w.n)}
	old := b.mem.load(w.addr, w.n)
	stored, write, to, back := vm.Atomic(in, w.n, old, r[in.Src], r[0])
	w.v, w.stores = stored, write
	if to >= 0 {
		r[to] = back
	}
}

// result is what a call gives back.
func (b *reader) result() uint64 {
	w := &b.now
	h := w.in.Called()
	drawn := number64(b.draw(3000 + uint64(w.pc)))
	switch {
	case h == nil:
	case h.Latch == ebpf.LatchTime:
		return b.x.time
	case h.Latch == ebpf.LatchCPU:
		return b.x.cpu
	case b.looksUp() && b.mapNamed() >= 0:
		m := b.s.Maps[b.mapNamed()]
		if f, ok := maps.FlatOf(m); ok && f.Kind == maps.FlatArray {
			w.reads[0] = span{b.r[2], 4}
			key := binary.LittleEndian.AppendUint32(nil, uint32(b.mem.load(b.r[2], 4)))
			return m.Peek(key, int(b.x.cpu))
		}
	case b.sums(h):
		w.reads = [2]span{{b.r[1], b.r[2]}, {b.r[3], b.r[4]}}
		return vm.CsumDiff(b.bytes(b.r[1], b.r[2]), b.bytes(b.r[3], b.r[4]), uint32(b.r[5]))
	}
	if h != nil {
		if v, ok := b.redirect(h); ok {
			return v
		}
		if v, ok := b.record(); ok {
			return v
		}
		if h.ID == ebpf.FnXdpAdjustHead && b.c.line != nil && b.moveHead() {
			return 0
		}
	}
	if b.draw(3500+uint64(w.pc))&3 == 0 {
		return 0 // as of a look-up that found nothing
	}
	return drawn
}

func (b *reader) bytes(addr, n uint64) []byte {
	out := make([]byte, n)
	for i := range out {
		out[i] = byte(b.mem.load(addr+uint64(i), 1))
	}
	return out
}

// sums says whether a call is of a checksum that code works out.
func (b *reader) sums(h *ebpf.Helper) bool {
	return h.ID == ebpf.FnCsumDiff && b.r[2] <= maxSum && b.r[4] <= maxSum
}

// here says whether a call may be carried out by code.
func (b *reader) here() bool {
	h := b.now.in.Called()
	switch {
	case h == nil:
		return false
	case b.looksUp():
		m := b.mapNamed()
		if m < 0 {
			return false
		}
		f, ok := maps.FlatOf(b.s.Maps[m])
		return ok && (f.Kind == maps.FlatArray || b.now.key || b.now.have >= 0 && b.now.way&1 == 0)
	}
	return b.now.redirects || b.now.moves || b.now.full || h.Latch == ebpf.LatchTime || h.Latch == ebpf.LatchCPU || b.sums(h)
}
