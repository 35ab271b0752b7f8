package native

import (
	"errors"
	"fmt"
	"math/bits"
	"runtime"
	"slices"
	"strings"

	"jitnic/host/ebpf"
	"jitnic/host/maps"
	"jitnic/host/vm"
	"jitnic/nic/native/readback"
	"jitnic/pathcond/bv"
)

// What was written is read back before it runs. Its bytes are decoded and carried
// out by package readback, slot by slot beside the instructions they stand for, on
// numbers that are drawn: every register, every word of memory, every answer of a
// map. A wrong constant, register, size, address, map or target shows as another
// store, another argument, another result or another way. Which accesses need no
// check is the analysis' word (host/points), and is taken for granted here.
//
// Drawn numbers prove nothing of what depends on few of them. A trace is read
// back on one set of them when it is bound, on [Machine.ReadBack] where the run is
// checked anyway.

// ErrReadBack is an internal error: code is not what it was made of, and doesn't run.
var ErrReadBack = errors.New("internal error: machine code read back")

// Where things stand while code is read back: far apart, so that no number that
// is drawn leads from one to another.
const (
	memBase     = 0x5a3c << 48
	ctxBase     = 0x2b71 << 48
	pktBase     = 0x6e19 << 48
	hitsBase    = 0x3d52 << 48
	undoBase    = 0x4e27 << 48
	codeBase    = 0x7001 << 48
	nextPlace   = 0x1f01 << 48 // where a trace goes on at its end,
	countPlace  = 0x1f02 << 48 // having counted its verdict
	resumePlace = 0x1f03 << 48
)

// nowhere is no slot's number.
const nowhere = -1 << 40

// nearPacket bounds how far from a packet's first byte code reaches.
const nearPacket = 1 << 20

// maxSteps bounds what one slot's code may take: a checksum's is the longest.
const maxSteps = 1 << 12

// reader reads code back.
type reader struct {
	m   *readback.Machine
	cpu readback.CPU
	s   *vm.State
	x   context // what code finds in its block
	mem words

	c    *compiler
	text []byte
	seed uint64
	r    [11]uint64 // BPF's registers
	now  slot
	inst readback.Inst
	subs []sub // by map

	stores  []heldStore
	data    uint64 // where the packet begins, the metadata,
	meta    uint64 //
	low     uint64 // and the least of either that was
	batch   bool   // the packet is reached where it was read to
	hit     uint64
	changed []bool // by map, as line.dirty
	all     bool
}

// slot is what the instruction at hand does, and what code has done of it.
type slot struct {
	pc     int
	in     ebpf.Insn
	stores bool // n bytes of v at addr
	n      int
	addr   uint64
	v      uint64
	done   bool
	key    bool    // a look-up was called for
	reads  [2]span // what it may read in memory
	way    int     // of a check of an access: how it comes out
	asked  bool    // it was checked
	have   int     // of a look-up: its number in context.found, or -1
	elem   uint64
	bit    bool // its reference bit was set
	note   int  // of a store that is held back: its place, or -1
	noted  int  // how much of what it overwrites was noted: the address, and what was there
	effect
}

// span is n bytes of flat memory.
type span struct{ addr, n uint64 }

// How the check of an access comes out.
const (
	inPacket   = iota // its last byte is the packet's last
	inFrame           // one too far in the packet, the last in the frame
	frameStart        // far from the packet, the first in the frame
	outside           // one too far in both
)

// ends of a slot's code.
type ending uint8

const (
	fell  ending = iota // to the place it was to come to
	left                // to Go
	ended               // the trace is over
)

func newReader(s *vm.State) (*reader, error) {
	m, err := readback.Of(runtime.GOARCH)
	if err != nil {
		return nil, err
	}
	b := &reader{m: m, s: s}
	b.cpu.Mem, b.cpu.Code = b, codeBase
	return b, nil
}

// draw is a number for a place, the same for the same seed.
func (b *reader) draw(what uint64) uint64 { return drawn(b.seed, what) }

func drawn(seed, what uint64) uint64 {
	h := (what ^ seed*0x9e3779b97f4a7c15) * 0xff51afd7ed558ccd
	h ^= h >> 32
	h *= 0xc4ceb9fe1a85ec53
	return h ^ h>>29
}

// number64 makes of a drawn number one that code may treat in a way of its own, more
// often than chance has it: small, all ones, the least of its sign.
func number64(h uint64) uint64 {
	switch h >> 60 {
	case 0, 1:
		return h & 3
	case 2:
		return h&3 | h>>8&3<<32
	case 3:
		return ^uint64(0)
	case 4:
		return 1 << 63 >> (h & 1 * 32)
	}
	return h
}

// readBack reads back what was written of a trace or of a program, on so many sets
// of numbers.
func (w *work) readBack(c *compiler, sets int, read func(b *reader, seed uint64) error) error {
	if w.back == nil {
		b, err := newReader(c.a.s)
		if err != nil {
			return err
		}
		w.back = b
	}
	if w.back.s != c.a.s {
		w.back.s, w.back.subs = c.a.s, nil
	}
	for seed := range max(sets, 1) {
		if err := read(w.back, uint64(seed)); err != nil {
			return fmt.Errorf("%w: %w", ErrReadBack, err)
		}
	}
	return nil
}

// begin begins a set of numbers.
func (b *reader) begin(c *compiler, text []byte, seed uint64) {
	s := b.s
	b.c, b.text, b.seed = c, text, seed
	b.mem.reset(seed)
	b.x = drawnContext(seed, s)
	x := &b.x
	x.depth = vm.MaxFrames - 1
	x.next, x.counted, x.resume, x.hits, x.undo = nextPlace, countPlace, resumePlace, hitsBase, undoBase
	x.length = 14 + b.draw(6)%1000
	x.data = s.Buf + vm.Headroom
	x.meta, x.end, x.negMeta = x.data, x.data+x.length, -x.data
	b.data, b.meta, b.low = x.data, x.data, x.data
	for i := range b.cpu.R {
		b.cpu.R[i] = b.draw(100 + uint64(i))
	}
	b.cpu.R[b.m.Home[readback.Base]] = memBase
	b.cpu.R[b.m.Home[readback.Ctx]] = ctxBase
	b.hit, b.batch, b.all, b.stores = 0, false, false, nil
	b.changed = cleared(b.changed, len(s.Maps))
}

// goOn carries code out from at on until it comes to stop, returns or ends.
func (b *reader) goOn(at, stop int, moved bool) (ending, error) {
	b.cpu.IP = codeBase + uint64(at)
	in := &b.inst
	for range maxSteps {
		ip := int(b.cpu.IP - codeBase)
		switch {
		case ip == stop && !moved:
			return fell, nil
		case b.cpu.IP == nextPlace || b.cpu.IP == countPlace || b.cpu.IP == resumePlace:
			return ended, nil
		}
		moved = false
		if err := b.m.Scan(b.text, ip, in); err != nil {
			return 0, err
		}
		if in.Do == readback.Call {
			b.cpu.IP += uint64(in.Len)
			if err := b.called(in.To); err != nil {
				return 0, fmt.Errorf("byte %d: %w", ip, err)
			}
			continue
		}
		halted, err := b.cpu.Step(in)
		if err != nil {
			return 0, fmt.Errorf("byte %d: %w", ip, err)
		}
		if halted {
			return left, nil
		}
	}
	return 0, fmt.Errorf("byte %d: no end", at)
}

// called is a call of a look-up's subroutine, which is read back by itself.
func (b *reader) called(to int) error {
	for _, m := range b.c.wanted {
		if b.c.Offset(b.c.lookup[m]) != to {
			continue
		}
		if !b.looksUp() || b.mapNamed() != int(m) {
			return fmt.Errorf("a look-up in map %d", m)
		}
		if b.home(2) != b.r[2] {
			return fmt.Errorf("a look-up of the key at %#x", b.home(2))
		}
		b.cpu.R[b.m.Home[0]], b.now.key = b.now.v, true
		if f, ok := maps.FlatOf(b.s.Maps[m]); ok {
			for r := range b.m.Home[:readback.Base] {
				if r > 10 || changedBy(&f).Has(uint8(r)) {
					b.cpu.R[b.m.Home[r]] = b.draw(720 + uint64(r))
				}
			}
		}
		return b.subroutine(m, to)
	}
	return fmt.Errorf("a call of byte %d", to)
}

// home is what stands for a register.
func (b *reader) home(r uint8) uint64 { return b.cpu.R[b.m.Home[r]] }

func (b *reader) looksUp() bool {
	in := b.now.in
	return in.Op == ebpf.OpCall && in.Src == ebpf.CallHelper && in.Imm == ebpf.FnMapLookupElem
}

// trace reads a trace back on one set of numbers: the whole, from its beginning to
// its end.
func (b *reader) trace(c *compiler, x *Trace, text []byte, have []bv.Term, seed uint64) error {
	b.begin(c, text, seed)
	b.x.length += uint64(c.line.t.MinLen)
	b.x.end = b.x.data + b.x.length
	b.r = [11]uint64{1: b.s.Ctx, 10: b.s.FrameTop(0)}
	if err := b.edges(x); err != nil {
		return err
	}
	b.stores = x.stores
	if seed&1 != 0 && x.byPkt && x.copies == 0 {
		b.cpu.R[b.m.Home[10]], b.batch = pktBase, true
	}
	for pc, next := 0, 0; pc < len(c.code); pc = next {
		if next = pc + 1; c.code[pc].IsWide() {
			next++
		}
		if err := b.line(x, pc, next, have); err != nil {
			return fmt.Errorf("trace: insn %d: what would run is not %s: %w", pc, b.name(pc), err)
		}
	}
	return nil
}

// edges reads the ways in and out: from the State, from a batch, back from Go, and
// to it.
func (b *reader) edges(x *Trace) error {
	wrong := func(what string, err error) error {
		if err == nil {
			err = fmt.Errorf("it comes to byte %d", b.cpu.IP-codeBase)
		}
		return fmt.Errorf("trace: %s: %w", what, err)
	}
	for r := range b.x.r {
		b.x.r[r] = b.draw(200 + uint64(r))
	}
	kept := b.x.r
	if end, err := b.goOn(int(x.enter), -1, false); err != nil || end != ended || b.cpu.IP != resumePlace {
		return wrong("the way back from Go", err)
	}
	for r := range kept {
		if b.home(uint8(r)) != kept[r] {
			return wrong("the way back from Go", fmt.Errorf("register %d isn't loaded", r))
		}
	}
	if end, err := b.goOn(int(x.ret), -1, false); err != nil || end != left || b.x.r[0] != b.home(0) {
		return wrong("the way back to Go", err)
	}
	b.cpu.R[b.m.Home[0]] = b.draw(7)
	if end, err := b.goOn(int(x.counts), int(x.place[0]), false); err != nil || end != fell || b.hit != hitsBase+8*uint64(x.path) {
		return wrong("the way from a batch", err)
	}
	for _, r := range b.m.Home[:readback.Base] {
		b.cpu.R[r] = b.draw(100 + uint64(r))
	}
	b.hit = 1 // nothing is counted where one packet runs
	if end, err := b.goOn(int(x.start), int(x.place[0]), false); err != nil || end != fell {
		return wrong("the way in", err)
	}
	return nil
}

// line reads one slot of a trace.
func (b *reader) line(x *Trace, pc, next int, have []bv.Term) error {
	after := b.expect(pc)
	w := &b.now
	in := w.in
	if b.looksUp() {
		b.takenOver(have)
	}
	verdicts := b.x.verdicts
	b.x.pc = nowhere
	end, err := b.goOn(int(x.place[pc]), int(x.place[next]), false)
	if err != nil {
		return err
	}
	if in.Op == ebpf.OpExit {
		switch {
		case end != ended || b.cpu.IP == resumePlace:
			return fmt.Errorf("it goes on")
		case b.home(0) != b.r[0]:
			return fmt.Errorf("it ends with %#x, not %#x", b.home(0), b.r[0])
		}
		if b.cpu.IP == countPlace {
			if uint64(uint32(b.r[0])) >= uint64(len(verdicts)) { // a verdict has 32 bits
				return fmt.Errorf("it counts a verdict of %d", uint32(b.r[0]))
			}
			verdicts[uint32(b.r[0])]++
		}
		if b.x.verdicts != verdicts {
			return fmt.Errorf("it counts another verdict")
		}
		return nil
	}
	switch {
	case end == ended:
		return fmt.Errorf("it ends")
	case end == fell && w.asked && w.way == outside:
		return fmt.Errorf("it is done out of bounds")
	case end == left:
		if err := b.leaves(pc, &after); err != nil {
			return err
		}
	case w.stores && !w.done:
		return fmt.Errorf("nothing is stored")
	case w.done && b.c.line.held && w.noted != 2 && w.addr-b.s.Stack >= vm.MaxFrames*vm.StackStride:
		return fmt.Errorf("what it overwrites isn't noted")
	case in.Op == ebpf.OpCall && !b.here():
		return fmt.Errorf("nothing is called")
	case w.have >= 0 && !w.key && w.v != 0 && b.keepsBit() && !w.bit:
		return fmt.Errorf("the element's reference bit isn't set")
	}
	b.r = after
	if in.Op == ebpf.OpCall {
		if end == fell {
			if err := b.took(); err != nil {
				return err
			}
		}
		b.effects(end == left)
	}
	if b.c.line.info[pc].skip {
		return nil
	}
	for writes := uint16(b.written()); writes != 0; writes &= writes - 1 {
		if r := uint8(bits.TrailingZeros16(writes)); b.home(r) != b.r[r] {
			return fmt.Errorf("register %d is %#x, not %#x", r, b.home(r), b.r[r])
		}
	}
	return nil
}

// written are the registers that the instruction at hand writes. A call leaves
// registers 1 to 5 as they are.
func (b *reader) written() ebpf.Regs {
	if b.now.in.Op == ebpf.OpCall {
		return 1
	}
	return b.now.in.Writes()
}

// takenOver finds the number of the guard tree's look-up that a trace's may take
// the place of.
func (b *reader) takenOver(have []bv.Term) {
	w := &b.now
	m := b.mapNamed()
	meta := b.c.line.t.Meta
	w.elem = b.draw(4000+uint64(w.pc)) >> 16
	if meta == nil || meta[w.pc].Found == 0 || m < 0 || b.all || b.changed[m] {
		return
	}
	w.have = slices.Index(have, bv.Term(meta[w.pc].Found))
}

// keepsBit says whether the map of a look-up keeps reference bits.
func (b *reader) keepsBit() bool {
	f, ok := maps.FlatOf(b.s.Maps[b.mapNamed()])
	return ok && f.Ref != nil
}

// leaves is what Go does where code leaves it the instruction at pc, and how code
// goes on.
func (b *reader) leaves(pc int, after *[11]uint64) error {
	w := &b.now
	switch {
	case w.asked && w.way != outside:
		return fmt.Errorf("it is left to Go, though it is in bounds")
	case b.x.pc != int64(pc):
		return fmt.Errorf("slot %d is left to Go", b.x.pc)
	case w.done:
		return fmt.Errorf("it stores and is left to Go, too")
	}
	reads := w.in.Reads()
	for r := range uint8(10) {
		if reads.Has(r) && b.x.r[r] != b.r[r] {
			return fmt.Errorf("register %d is left to Go as %#x, not %#x", r, b.x.r[r], b.r[r])
		}
	}
	if w.stores {
		b.mem.store(w.addr, w.v, w.n)
	}
	writes := b.written()
	for r := range uint8(10) {
		if writes.Has(r) {
			b.x.r[r] = after[r]
		}
		b.cpu.R[b.m.Home[r]] = b.x.r[r]
	}
	b.cpu.R[b.m.Home[10]] = b.r[10]
	if b.c.byPkt() {
		b.cpu.R[b.m.Home[10]] = memBase + b.s.Buf + vm.Headroom
	}
	b.batch = false
	b.cpu.R[b.m.Home[readback.T0]], b.cpu.R[b.m.Home[readback.T1]] = b.draw(8), b.draw(9)
	return nil
}

// effects are what a call does beside its result; back says that Go has done it.
func (b *reader) effects(back bool) {
	h := b.now.in.Called()
	switch {
	case h == nil:
		return
	case b.now.moves:
		b.movedHead(back)
	case h.Moves():
		b.data += b.draw(5000+uint64(b.now.pc)) % 32 * 2
		b.meta, b.low = b.data, min(b.low, b.data)
		b.tell()
	case back:
		b.tell()
	}
	if h.ID != ebpf.FnMapLookupElem && h.Writes&(ebpf.MapKeys|ebpf.AnyMemory) != 0 {
		if m := b.mapNamed(); m >= 0 {
			b.changed[m] = true
		} else {
			b.all = true
		}
	}
	for i, a := range h.Args {
		if !a.Writes {
			continue
		}
		n := uint64(a.Size)
		if r := h.SizeArg(uint8(i + 1)); n == 0 && r != 0 {
			n = b.r[r]
		}
		for k := range min(n, vm.StackSize) {
			b.mem.store(b.r[i+1]+k, b.draw(6000+k), 1)
		}
	}
}

// name is the text of a slot.
func (b *reader) name(pc int) string {
	if pc >= len(b.c.code) {
		return "its end"
	}
	n := pc + 1
	if b.c.code[pc].IsWide() {
		n = min(n+1, len(b.c.code))
	}
	return strings.TrimSpace(ebpf.Printer{}.Code(b.c.code[pc:n]))
}
