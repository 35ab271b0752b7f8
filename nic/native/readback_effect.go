package native

import (
	"encoding/binary"
	"fmt"
	"unsafe"

	"jitnic/host/ebpf"
	"jitnic/host/maps"
	"jitnic/host/vm"
)

// Helpers that code carries out and that do more than give a result:
// bpf_redirect, bpf_redirect_map, bpf_xdp_adjust_head, bpf_ringbuf_reserve and
// bpf_ringbuf_output where they find no room.

// effect is what such a call must have done where it wasn't left to Go.
type effect struct {
	redirects bool
	to        vm.Redirect
	got       vm.Redirect // as code has stored it
	gone      bool        // the packet's next is a program of the map entry: Go's
	moves     bool
	data      uint64 // where the packet begins then
	zeros     span   // what is exposed of the headroom, and so zeros,
	zeroed    uint64 // and how much of it code has zeroed
	ring      ringWords
	full      bool // there is no room for the record
	dropped   bool
}

// ringWords are the positions of a ring buffer, drawn.
type ringWords struct {
	maps.FlatRing
	is    [3]uint64
	drops uint64
}

// drawRing draws positions so that there is room for size bytes, or just not, or that it
// isn't known.
func drawRing(f maps.FlatRing, size uint64, draw func(what uint64) uint64) (w ringWords) {
	w.FlatRing, w.drops = f, draw(1)
	most := f.Mask - maps.RingStep(size)
	ahead := [...]uint64{most, most + 1, most + 1 + draw(2)%64, draw(2) % (f.Mask + 1)}[draw(3)%4]
	w.is[0] = draw(4)
	w.is[1] = w.is[0] + ahead
	w.is[2] = w.is[1]
	if draw(5)%4 == 0 {
		w.is[2] -= 8
	}
	return w
}

// settled says whether all records are committed, as far as is known.
func (w *ringWords) settled() bool { return w.is[1] == w.is[2] }

// room is maps.Room, where that is settled.
func (w *ringWords) room(size uint64) uint64 {
	if w.is[1]-w.is[0]+maps.RingStep(size) > w.Mask {
		return 0
	}
	return w.Addr + w.is[1]&w.Mask + maps.RingHeader
}

// load is a word of them.
func (w *ringWords) load(addr uint64, n int) (v uint64, ok bool) {
	if w.Positions == nil || n != 8 {
		return 0, false
	}
	if addr == uint64(uintptr(unsafe.Pointer(w.Drops))) {
		return w.drops, true
	}
	d := addr - uint64(uintptr(unsafe.Pointer(w.Positions)))
	if d >= uint64(unsafe.Sizeof(w.is)) || d&7 != 0 {
		return 0, false
	}
	return w.is[d/8], true
}

// record is the result of a call that adds a record to a ring buffer, where it finds no
// room.
func (b *reader) record() (v uint64, ok bool) {
	w := &b.now
	f, size, r0, ok := dropping(b.s, w.in, func(r uint8) (uint64, bool) { return b.r[r], true })
	if !ok {
		return 0, false
	}
	w.ring = drawRing(f, size, func(what uint64) uint64 { return b.draw(9000 + 16*uint64(w.pc) + what) })
	w.full = w.ring.settled() && w.ring.room(size) == 0
	return r0, w.full
}

// redirect is bpf_redirect's result, and bpf_redirect_map's, whose entries are
// drawn.
func (b *reader) redirect(h *ebpf.Helper) (uint64, bool) {
	w := &b.now
	switch m := b.mapNamed(); {
	case h.ID == ebpf.FnRedirect && b.r[2] == 0:
		w.effect = effect{redirects: true, to: vm.Redirect{Kind: vm.RedirectIf, Index: uint64(uint32(b.r[1]))}}
		return vm.XDPRedirect, true
	case h.ID == ebpf.FnRedirectMap && m >= 0 && b.r[3] <= vm.XDPTx:
		cells, ok := maps.CellsOf(b.s.Maps[m])
		if _, redirects := b.s.Maps[m].(maps.Redirects); !ok || !redirects {
			return 0, false
		}
		w.effect = effect{redirects: true}
		index := uint64(uint32(b.r[2]))
		cell := cells.Addr + 8*index
		if index < uint64(cells.Max) {
			w.reads[0] = span{cell, 8}
			way := b.draw(8000 + uint64(w.pc))
			b.mem.store(cell, (way>>8|1)*(way&1), 4)
			b.mem.store(cell+4, way>>1&way>>2&1, 4)
			if way&1 != 0 {
				w.to = vm.Redirect{Kind: vm.RedirectMap, Map: int32(m), Index: b.r[2]}
				w.gone = b.mem.load(cell+4, 4) != 0
				return vm.XDPRedirect, true
			}
		}
		return b.r[3], true
	}
	return 0, false
}

// moveHead is bpf_xdp_adjust_head where it succeeds.
func (b *reader) moveHead() bool {
	w := &b.now
	by := int64(int32(b.r[2]))
	if b.r[1] != b.s.Ctx || by > int64(vm.MaxLinear) || by < -vm.Headroom {
		return false
	}
	w.effect = effect{moves: true, data: b.data + uint64(by)}
	if w.data < b.low {
		w.zeros = span{w.data, b.low - w.data}
	}
	return true
}

// exposes says whether a store of zeros is one of what is exposed, and does it.
func (b *reader) exposes(at, v uint64, n int) bool {
	w := &b.now
	if d := at - w.zeros.addr; v != 0 || d != w.zeroed || d+uint64(n) > w.zeros.n {
		return false
	}
	w.zeroed += uint64(n)
	return true
}

// sends takes a store to the State's Redirect.
func (b *reader) sends(addr, v uint64, n int) (bool, error) {
	w := &b.now
	at := addr - uint64(uintptr(unsafe.Pointer(&b.s.Redirect)))
	bytes := (*[unsafe.Sizeof(vm.Redirect{})]byte)(unsafe.Pointer(&w.got))
	if at >= uint64(len(bytes)) {
		return false, nil
	}
	if !w.redirects || at+uint64(n) > uint64(len(bytes)) {
		return true, fmt.Errorf("it redirects the packet")
	}
	var word [8]byte
	binary.LittleEndian.PutUint64(word[:], v)
	copy(bytes[at:], word[:n])
	return true, nil
}

// took says what is wrong with what code has done of an effect.
func (b *reader) took() error {
	switch w := &b.now; {
	case w.redirects && w.gone:
		return fmt.Errorf("the entry's program doesn't run")
	case w.redirects && w.got != w.to:
		return fmt.Errorf("the packet goes to %v, not %v", w.got, w.to)
	case w.full && !w.dropped:
		return fmt.Errorf("what is dropped isn't counted")
	case w.moves && w.zeroed != w.zeros.n:
		return fmt.Errorf("%d of %d bytes of the headroom are zeros", w.zeroed, w.zeros.n)
	}
	return nil
}

// movedHead is where the packet begins after a call that was carried out, by code or,
// if back, by Go, which tells the block so.
func (b *reader) movedHead(back bool) {
	w := &b.now
	for i := range w.zeros.n {
		b.mem.store(w.zeros.addr+i, 0, 1)
	}
	b.data, b.low = w.data, min(b.low, w.data)
	b.meta = b.data
	if back {
		b.tell()
	}
}

// tell puts where the packet begins into the block, as context.load does.
func (b *reader) tell() {
	b.x.data, b.x.meta, b.x.negMeta = b.data, b.meta, -b.meta
}
