package native

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"unsafe"

	"jitnic/host/vm"
	"jitnic/nic"
	"jitnic/nic/native/readback"
	"jitnic/pathcond/tree"
)

// What leads from packet to packet is read back once for each way it can go and each
// class of lengths: a verdict that is counted and one that isn't, the batch's end,
// packets that aren't code's, those that stay where they are and those that are copied.

// Where a batch stands while it is read back: its vm.Inputs, and the packet's bytes.
const (
	inPlace   = 0x4d44 << 48
	dataPlace = 0x4f55 << 48
)

// halts is where a run is to come to that leaves the code.
const halts = -2

// between carries out what stands between packets, on a context and memory that are
// drawn. All it may touch is the context, the batch and the packet's place in the
// buffer.
type between struct {
	m    *readback.Machine
	cpu  readback.CPU
	s    *vm.State
	x    context
	mem  words
	seed uint64
	n    uint64 // bytes of the packet
	inst readback.Inst
	seen []seenPrelude

	// Of a whole program: what it may clear of the frame, where the verdict goes, and
	// the State's Redirect.
	zeros span
	out   uint64
	to    vm.Redirect
}

func (p *between) draw(what uint64) uint64 { return drawn(p.seed, what) }

// begin draws everything anew.
func (p *between) begin(seed uint64) {
	p.seed, p.n = seed, 0
	p.mem.reset(seed)
	p.x = drawnContext(seed, p.s)
	p.x.limits(p.draw(6))
	p.zeros, p.out, p.to = span{}, 0, vm.Redirect{}
	p.registers()
}

func (p *between) registers() {
	for r, home := range p.m.Home {
		p.cpu.R[home] = p.draw(100 + uint64(r))
	}
	*p.home(readback.Base), *p.home(readback.Ctx) = memBase, ctxBase
}

func (p *between) home(r int) *uint64 { return &p.cpu.R[p.m.Home[r]] }

// run carries code out from a byte to another, or until it returns (halts).
func (p *between) run(text []byte, at, to int) error {
	p.cpu.Mem, p.cpu.Code, p.cpu.IP = p, codeBase, codeBase+uint64(at)
	for step := range maxSteps {
		ip := int(p.cpu.IP - codeBase)
		switch {
		case ip == to && step > 0:
			return nil
		case ip < 0 || ip >= len(text):
			return fmt.Errorf("it comes to byte %d", ip)
		}
		if err := p.m.Scan(text, ip, &p.inst); err != nil {
			return err
		}
		halted, err := p.cpu.Step(&p.inst)
		switch {
		case err != nil:
			return fmt.Errorf("byte %d: %w", ip, err)
		case halted && to == halts:
			return nil
		case halted:
			return fmt.Errorf("it leaves with %d", p.x.pc)
		}
	}
	return fmt.Errorf("no end")
}

// Load is readback.Memory's.
func (p *between) Load(addr uint64, n int) (uint64, error) {
	d := addr - dataPlace
	switch at := addr - ctxBase; {
	case at < uint64(len(p.x.block())) && at+uint64(n) <= uint64(len(p.x.block())):
		return little(p.x.block()[at:], n), nil
	case addr-inPlace < 2*uint64(unsafe.Sizeof(input)), d < p.n && d+uint64(n) <= p.n:
		return p.mem.load(addr, n), nil
	}
	return 0, fmt.Errorf("it reads %d bytes at %#x", n, addr)
}

// Store is readback.Memory's: a part of the packet goes to the same place in the buffer.
func (p *between) Store(addr, v uint64, n int) error {
	d := addr - memBase - inBufferAt(p.s)
	switch at := addr - ctxBase; {
	case at < uint64(len(p.x.block())) && n == 8 && at&7 == 0:
		binary.LittleEndian.PutUint64(p.x.block()[at:], v)
		return nil
	case addr == p.out && n == 4 && p.out != 0:
		p.mem.store(addr, v, n)
		return nil
	case addr-memBase-p.zeros.addr < p.zeros.n && n == 8 && v == 0:
		p.mem.store(addr-memBase, 0, n)
		return nil
	case p.redirects(addr, v, n):
		return nil
	case d < p.n && d+uint64(n) <= p.n && low(v, n) == p.mem.load(dataPlace+d, n):
		p.mem.store(inBufferAt(p.s)+d, v, n)
		return nil
	}
	return fmt.Errorf("it stores %#x in %d bytes at %#x", low(v, n), n, addr)
}

// packet has one of n bytes, and a CPU, at hand, and gives where the fields of its
// vm.Input are.
func (p *between) packet(in, n, cpu uint64) (word func(off uintptr) uint64) {
	word = func(off uintptr) uint64 { return in + uint64(off) }
	p.mem.store(word(inData), dataPlace, 8)
	p.mem.store(word(inLen), n, 8)
	p.mem.store(word(inCPU), cpu, 8)
	p.n = n
	return word
}

// copied says whether so many of the packet's bytes stand in the buffer.
func (p *between) copied(n uint64) bool {
	for d := range n {
		if p.mem.load(dataPlace+d, 1) != p.mem.load(inBufferAt(p.s)+d, 1) {
			return false
		}
	}
	return true
}

// fields has a context as code that reads them wants them.
func (p *between) fields(uses fields, x *context, word func(off uintptr) uint64) {
	for _, f := range []struct {
		use  fields
		to   *uint64
		from uintptr
		size int
	}{
		{useTime, &x.time, inTime, 8}, {usePacket, &x.packet, inPkt, 8}, {useCPU, &x.cpu, inCPU, 8},
		{useIf, &x.ifindex, inIf, 4}, {useQueue, &x.queue, inQueue, 4},
	} {
		if uses&f.use != 0 {
			*f.to = p.mem.load(word(f.from), f.size)
		}
	}
	if uses&useEnd != 0 {
		x.end = inBufferAt(p.s) + x.length
	}
	if uses&useLimits != 0 {
		x.limits(x.length)
	}
}

func inBufferAt(s *vm.State) uint64 { return s.Buf + vm.Headroom }

// between is where that is read back on State s.
func (w *work) between(m *readback.Machine, s *vm.State) *between {
	if w.gaps == nil {
		w.gaps = &between{m: m}
	}
	w.gaps.s = s
	return w.gaps
}

// Where code comes to a packet from.
const (
	fromTrace   = iota // its end: the verdict is to be counted
	fromCounted        // likewise, and the trace has counted it
	fromGo             // to the first one
)

// lengths are those of packets that are treated each in a way of its own.
var lengths = []uint64{
	vm.MinPacket - 1, vm.MinPacket, 15, 16, 17, 31, 32, 33, 63, 64, 65, copied - 1, copied, copied + 1, copied + 17, 4*copied - 1,
	vm.MaxLinear, vm.MaxLinear + 1, 1 << 40,
}

// packets reads back what leads from packet to packet, and the ways in and out.
func (b *treeReader) packets(p *between) error {
	reach := uint64(b.c.reach)
	seed := uint64(0)
	for from, at := range []uintptr{fromTrace: b.made.next, fromCounted: b.made.counted, fromGo: b.made.head} {
		for _, n := range append([]uint64{reach - 1, reach, reach + 1}, lengths...) {
			seed++
			p.begin(seed)
			if err := b.packet(p, from, int(at), n); err != nil {
				return fmt.Errorf("a packet of %d bytes: %w", n, err)
			}
		}
	}
	return b.ends(p)
}

// root is where the tree's first node begins.
func (b *treeReader) root() int { return b.c.lands[edge{node: tree.Nothing}].code }

// packet reads back how code comes to a packet of n bytes.
func (b *treeReader) packet(p *between, from, at int, n uint64) error {
	const size = uint64(unsafe.Sizeof(input))
	verdicts, cpus := uint64(len(nic.Verdicts{})), uint64(b.s.Opt.CPUs)
	verdict := uint64(uint32([...]uint64{0, p.draw(1) % verdicts, verdicts - 1, verdicts, p.draw(1)}[p.draw(2)%5]))
	*p.home(0) = p.draw(3)<<32 | verdict
	x := &p.x
	x.in = inPlace
	in := uint64(inPlace)
	if from != fromGo {
		in += size
	}
	x.stop = uintptr(in + p.draw(4)%4) // 0: there is none
	cpu := [...]uint64{0, p.draw(5) % max(cpus, 1), 0, cpus, p.draw(5)}[p.draw(7)%5]
	word := p.packet(in, n, cpu)

	want, to := *x, b.root()
	ends := func(pc int64) { want.pc, to = pc, halts }
	counted := from != fromTrace || verdict < verdicts
	if from == fromTrace && counted {
		want.verdicts[verdict]++
	}
	if counted {
		want.in = uintptr(in)
	}
	switch {
	case !counted:
		want.r[0] = verdict
		ends(batchOdd)
	case from != fromGo && want.in >= x.stop:
		ends(batchOver)
	case n < vm.MinPacket || n > vm.MaxLinear || cpu >= cpus:
		ends(batchMiss)
	default:
		want.length = n
		p.fields(b.made.uses, &want, word)
	}
	if err := p.run(b.made.text, at, to); err != nil {
		return err
	}
	if *x != want {
		return fmt.Errorf("another context is left (%d, not %d)", x.pc, want.pc)
	}
	if to == halts {
		return nil
	}
	place := uint64(dataPlace)
	if reach := uint64(b.c.reach); reach > vm.MinPacket && n < reach {
		if place = memBase + inBufferAt(b.s); !p.copied(n) {
			return fmt.Errorf("not all of it is copied")
		}
	}
	if got := *p.home(10); got != place {
		return fmt.Errorf("it is looked for at %#x", got)
	}
	return nil
}

// ends reads back the ways in and out.
func (b *treeReader) ends(p *between) error {
	text, root := b.made.text, b.root()
	*p.home(10) = 0
	if err := p.run(text, int(b.made.start), root); err != nil || *p.home(10) != memBase+inBufferAt(b.s) {
		return fmt.Errorf("the way in for one packet: it is looked for at %#x: %w", *p.home(10), err)
	}
	for _, way := range []struct {
		at int
		pc int64
	}{{b.c.Offset(b.c.none), -1}, {int(b.made.found), matchedOne}, {int(b.made.miss), batchMiss}} {
		if err := p.run(text, way.at, halts); err != nil || p.x.pc != way.pc {
			return fmt.Errorf("a way out: it leaves %d, not %d: %w", p.x.pc, way.pc, err)
		}
	}
	p.registers()
	for r := range p.x.r {
		p.x.r[r] = p.draw(200 + uint64(r))
	}
	p.x.resume = uintptr(codeBase + uint64(root))
	kept := p.x.r
	if err := p.run(text, int(b.made.enter), root); err != nil {
		return fmt.Errorf("the way back from Go: %w", err)
	}
	for r := range kept {
		if *p.home(r) != kept[r] {
			return fmt.Errorf("the way back from Go: register %d isn't loaded", r)
		}
	}
	p.x.r = [11]uint64{}
	if err := p.run(text, b.c.Offset(b.c.exit), halts); err != nil || p.x.r != kept {
		return fmt.Errorf("the way to Go: registers aren't left: %w", err)
	}
	return nil
}

// seenPrelude is what stands before a trace in a batch, as it was read back.
type seenPrelude struct {
	text   []byte
	uses   fields
	copies int
	byPkt  bool
}

// prelude reads back what makes a batch's packet ready for a trace, from its batch
// place to the jump at its end. Most traces have one that another had: its bytes are
// compared.
func (p *between) prelude(x *Trace, text []byte) error {
	at, to := int(x.batch), int(x.counts)
	if at == to {
		return nil
	}
	is := seenPrelude{text[at:x.ready], x.uses, x.copies, x.byPkt}
	for i := range p.seen {
		if o := &p.seen[i]; o.uses == is.uses && o.copies == is.copies && o.byPkt == is.byPkt && bytes.Equal(o.text, is.text) {
			return p.run(text, int(x.ready), to)
		}
	}
	for i, n := range lengths {
		if n < vm.MinPacket || n > vm.MaxLinear {
			continue
		}
		p.begin(uint64(i))
		p.x.in, p.x.length = inPlace, n
		word := p.packet(inPlace, n, p.draw(5)%uint64(max(p.s.Opt.CPUs, 1)))
		want := p.x
		p.fields(x.uses, &want, word)
		if err := p.run(text, at, to); err != nil {
			return err
		}
		switch {
		case p.x != want:
			return fmt.Errorf("another context is left")
		case !p.copied(min(n, uint64(x.copies))):
			return fmt.Errorf("its bytes aren't copied")
		case x.copies > 0 && x.byPkt && *p.home(10) != memBase+inBufferAt(p.s):
			return fmt.Errorf("it is looked for at %#x", *p.home(10))
		}
	}
	is.text = bytes.Clone(is.text)
	p.seen = append(p.seen, is)
	return nil
}
