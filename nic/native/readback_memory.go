package native

import (
	"encoding/binary"
	"fmt"
	"unsafe"

	"jitnic/host/maps"
	"jitnic/host/vm"
	"jitnic/pathcond/bv"
)

// words is memory: what was never written is drawn.
type words struct {
	key, val []uint64
	gen      []uint32
	now      uint32
	used     int
	seed     uint64
}

func (w *words) reset(seed uint64) {
	if w.key == nil {
		w.grow(1 << 8)
	}
	w.now++
	w.used, w.seed = 0, seed
}

func (w *words) grow(n int) {
	old := *w
	w.key, w.val, w.gen, w.used = make([]uint64, n), make([]uint64, n), make([]uint32, n), 0
	if w.now == 0 {
		w.now = 1
	}
	for i, g := range old.gen {
		if g == old.now {
			*w.at(old.key[i]) = old.val[i]
		}
	}
}

// at is the word of that number.
func (w *words) at(k uint64) *uint64 {
	mask := uint64(len(w.key) - 1)
	i := drawn(1, k) & mask
	for ; w.gen[i] == w.now; i = (i + 1) & mask {
		if w.key[i] == k {
			return &w.val[i]
		}
	}
	if w.used++; w.used > len(w.key)/2 {
		w.grow(2 * len(w.key))
		return w.at(k)
	}
	w.gen[i], w.key[i], w.val[i] = w.now, k, number64(drawn(w.seed, k))
	return &w.val[i]
}

func (w *words) load(addr uint64, n int) uint64 {
	at := addr & 7 * 8
	v := *w.at(addr >> 3) >> at
	if at+8*uint64(n) > 64 {
		v |= *w.at((addr>>3 + 1) & (1<<61 - 1)) << (64 - at)
	}
	return low(v, n)
}

func (w *words) store(addr, v uint64, n int) {
	at, mask := addr&7*8, low(^uint64(0), n)
	p := w.at(addr >> 3)
	*p = *p&^(mask<<at) | v&mask<<at
	if at+8*uint64(n) > 64 {
		p = w.at((addr>>3 + 1) & (1<<61 - 1))
		*p = *p&^(mask>>(64-at)) | v&mask>>(64-at)
	}
}

func low(v uint64, n int) uint64 { return v & bv.Mask(8*n) }

// block is the emulated context's bytes.
func (c *context) block() *[unsafe.Sizeof(context{})]byte {
	return (*[unsafe.Sizeof(context{})]byte)(unsafe.Pointer(c))
}

// drawnContext has what code finds in its block of any packet.
func drawnContext(seed uint64, s *vm.State) context {
	return context{
		time: drawn(seed, 1), packet: drawn(seed, 2), ifindex: uint64(uint32(drawn(seed, 3))), queue: uint64(uint32(drawn(seed, 4))),
		cpu: drawn(seed, 5) % uint64(max(s.Opt.CPUs, 1)),
	}
}

// place is the address in flat memory that a machine address stands for.
func (b *reader) place(addr uint64) (uint64, error) {
	if d := addr - pktBase + nearPacket; d < 2*nearPacket {
		return b.s.Buf + vm.Headroom + d - nearPacket, nil
	}
	at := addr - memBase
	if d := at - b.s.Buf; b.batch && d < vm.Headroom+vm.MaxLinear {
		return 0, fmt.Errorf("it reaches for the packet in the buffer, which isn't there in a batch")
	}
	return at, nil
}

// Load is readback.Memory's.
func (b *reader) Load(addr uint64, n int) (uint64, error) {
	if at := addr - ctxBase; at < uint64(len(b.x.block())) {
		return b.field(at, n)
	}
	if addr-hitsBase < 1<<48 {
		return 0, nil
	}
	if v, ok := b.now.ring.load(addr, n); ok {
		return v, nil
	}
	if w := &b.now; w.noted > 0 && n == 8 && addr == undoBase+uint64(w.note)*uint64(sizeOverwritten)+uint64(offAddr) {
		return w.addr, nil
	}
	at, err := b.place(addr)
	if err != nil {
		return 0, err
	}
	if !b.now.mayRead(at, uint64(n)) {
		return 0, fmt.Errorf("it reads %d bytes at %#x", n, at)
	}
	return b.mem.load(at, n), nil
}

func within[T any](at uint64, off int32, _ *T) (uint64, bool) {
	d := at - uint64(off)
	return d, d < uint64(unsafe.Sizeof(*new(T)))
}

// field is what code finds in its block. How a check of an access comes out is
// drawn: in the packet, in the frame, in neither.
func (b *reader) field(at uint64, n int) (uint64, error) {
	if n < 8 && at+uint64(n) > uint64(len(b.x.block())) || n == 8 && at&7 != 0 {
		return 0, fmt.Errorf("%d bytes at %d of its block", n, at)
	}
	x := &b.x
	if d, ok := within(at, offLimit4, &x.limit); ok {
		return b.limit(int(d / 8))
	}
	if _, ok := within(at, offNegFrame, &x.negFrame); ok {
		return b.negFrame()
	}
	if d, ok := within(at, offFound, &x.found); ok {
		if int(d/8) != b.now.have {
			return 0, fmt.Errorf("it takes over look-up %d", d/8)
		}
		if b.now.way&1 != 0 {
			return unknown, nil
		}
		return b.now.v, nil
	}
	if d, ok := within(at, offElem, &x.elem); ok {
		if int(d/8) != b.now.have {
			return 0, fmt.Errorf("it takes the element of look-up %d", d/8)
		}
		return b.now.elem, nil
	}
	return little(b.x.block()[at:], n), nil
}

// limit and negFrame are what the check of an access compares with.
func (b *reader) limit(i int) (uint64, error) {
	w := &b.now
	if w.n == 0 || w.n != 1<<i {
		return 0, fmt.Errorf("it is checked as %d bytes", 1<<i)
	}
	w.asked = true
	if near := w.addr-b.s.Buf-vm.Headroom < nearPacket; b.batch && near != (w.way == inPacket) && w.way != outside {
		// In a batch it makes a difference what is a place in the packet.
		if w.way = inFrame; near {
			w.way = inPacket
		}
	}
	switch d := w.addr + b.x.negMeta; {
	case d == ^uint64(0):
		w.way = inFrame
	case w.way == inPacket:
		return d + 1, nil
	case w.way == inFrame:
		return d, nil
	}
	return 0, nil
}

func (b *reader) negFrame() (uint64, error) {
	w := &b.now
	last := uint64(vm.StackSize-w.n) - w.addr
	switch {
	case !w.asked || w.way == inPacket:
		return 0, fmt.Errorf("it looks for the frame")
	case w.way == frameStart:
		return -w.addr, nil
	case w.way == outside:
		return last + 1, nil
	}
	return last, nil
}

// mayRead says whether an instruction reads there.
func (w *slot) mayRead(addr, n uint64) bool {
	for _, s := range w.reads {
		if addr-s.addr < s.n && n <= s.n-(addr-s.addr) {
			return true
		}
	}
	return false
}

// Store is readback.Memory's.
func (b *reader) Store(addr, v uint64, n int) error {
	if at := addr - ctxBase; at < uint64(len(b.x.block())) {
		if n != 8 || at&7 != 0 {
			return fmt.Errorf("a store of %d bytes at %d of its block", n, at)
		}
		binary.LittleEndian.PutUint64(b.x.block()[at:], v)
		return nil
	}
	if addr-hitsBase < 1<<48 {
		if v != 1 || n != 8 || b.hit != 0 {
			return fmt.Errorf("it counts %d", v)
		}
		b.hit = addr
		return nil
	}
	w := &b.now
	if d := addr - undoBase; d < 1<<48 && n == 8 {
		return w.overwrites(d, v, b.mem.load(w.addr, w.n))
	}
	if w.have >= 0 && n == 1 && v == 1 && b.refBit(addr) {
		w.bit = true
		return nil
	}
	if r := &w.ring; w.full && !w.dropped && n == 8 && v == r.drops+1 && addr == uint64(uintptr(unsafe.Pointer(r.Drops))) {
		w.dropped = true
		return nil
	}
	if here, err := b.sends(addr, v, n); here {
		return err
	}
	at, err := b.place(addr)
	if err != nil {
		return err
	}
	if w.moves && b.exposes(at, v, n) {
		return nil
	}
	if !w.stores || w.done || w.n != n || w.addr != at || low(v, n) != low(w.v, n) {
		return fmt.Errorf("it stores %#x in %d bytes at %#x", low(v, n), n, at)
	}
	w.done = true
	b.mem.store(at, v, n)
	return nil
}

// overwrites is a word noted of what a store overwrites, d bytes into the notes: the
// address, then what was there.
func (w *slot) overwrites(d, v, was uint64) error {
	at, want := int64(offAddr), w.addr
	if w.noted == 1 {
		at, want = int64(offWas), was
	}
	if w.note < 0 || w.done || w.noted > 1 || int64(d) != int64(w.note)*int64(sizeOverwritten)+at || v != want {
		return fmt.Errorf("it notes %#x at %d of what is overwritten", v, d)
	}
	w.noted++
	return nil
}

// refBit says whether an address is that of the element's reference bit.
func (b *reader) refBit(addr uint64) bool {
	f, ok := maps.FlatOf(b.s.Maps[b.mapNamed()])
	return ok && f.Ref != nil && addr == uint64(uintptr(unsafe.Pointer(f.Ref)))+b.now.elem
}

// mapNamed is the map whose address is in register 1, or -1.
func (b *reader) mapNamed() int {
	if m := b.r[1] - vm.MapPtr(0); m < uint64(len(b.s.Maps)) {
		return int(m)
	}
	return -1
}
