package native

import (
	"encoding/binary"
	"fmt"
	"unsafe"

	"jitnic/host/vm"
)

// How packets of whole programs begin and end is read back as what stands between
// those of traces is: for each way and each class of lengths.

// verdictPlace is where a batch's verdicts go while that is done.
const verdictPlace = 0x5c66 << 48

// redirects takes a store to the State's Redirect where there is one to be undone.
func (p *between) redirects(addr, v uint64, n int) bool {
	at := addr - uint64(uintptr(unsafe.Pointer(&p.s.Redirect)))
	bytes := (*[unsafe.Sizeof(vm.Redirect{})]byte)(unsafe.Pointer(&p.to))
	if p.to == (vm.Redirect{}) || n != 8 || at > uint64(len(bytes))-8 {
		return false
	}
	binary.LittleEndian.PutUint64(bytes[at:], v)
	return true
}

// Where code comes to a whole program's packet from, beside fromTrace and fromGo.
const (
	fromTree = 3 // the guard tree has admitted it
	fromOne  = 4 // it has begun on the State
)

// program reads that back.
func (p *between) program(c *compiler, u *unit) error {
	seed := uint64(0)
	reach := uint64(c.reach)
	for from, at := range []uintptr{fromTrace: u.next, fromGo: u.head, fromTree: u.batch, fromOne: u.start} {
		if from == fromCounted {
			continue // a program counts none
		}
		for _, n := range append([]uint64{max(reach, 1) - 1, reach, reach + 1}, lengths...) {
			if seed++; from >= fromTree && (n < vm.MinPacket || n > vm.MaxLinear) {
				continue
			}
			p.begin(seed)
			if err := p.start(c, u, from, int(at), n); err != nil {
				return fmt.Errorf("a packet's beginning: of %d bytes: %w", n, err)
			}
		}
	}
	p.begin(seed)
	verdict, want := *p.home(0), p.x
	want.pc, want.r[0] = done, verdict
	if err := p.run(u.code, int(u.ret), halts); err != nil || p.x != want {
		return fmt.Errorf("a packet's end: it leaves %d: %w", p.x.pc, err)
	}
	return nil
}

// start reads back how code comes to a packet of n bytes.
func (p *between) start(c *compiler, u *unit, from, at int, n uint64) error {
	const size = uint64(unsafe.Sizeof(input))
	x := &p.x
	x.in, x.steps, x.out = inPlace, int64(p.draw(1)), verdictPlace
	in := uint64(inPlace)
	if from == fromTrace {
		in += size
		p.out = verdictPlace
	}
	x.stop = uintptr(in + p.draw(4)%4)
	cpus := uint64(p.s.Opt.CPUs)
	cpu := [...]uint64{0, p.draw(5) % max(cpus, 1), 0, cpus, p.draw(5)}[p.draw(7)%5]
	if from >= fromTree {
		cpu, x.length = p.draw(5)%max(cpus, 1), n
	}
	word := p.packet(in, n, cpu)
	top := p.s.FrameTop(0)
	p.zeros = span{uint64(int64(top) + c.low), uint64(-c.low)}
	if c.sends {
		p.to = vm.Redirect{Kind: vm.RedirectMap, Map: 1, Index: 2, Flags: 3}
	}
	verdict := *p.home(0)
	place := memBase + inBufferAt(p.s)
	if u.copies == 0 && from != fromOne {
		place = dataPlace
	}
	if from == fromTree {
		*p.home(10) = dataPlace
	}

	want, to := *x, int(u.place[0])
	if from == fromTrace {
		want.in, want.out = uintptr(in), verdictPlace+4
	}
	if from == fromTree {
		x.hosted = int64(p.draw(8) % 3)
		want.hosted = x.hosted - 1
	}
	switch {
	case want.hosted < 0:
		want.pc, to = batchMiss, halts
	case from == fromTrace && want.in >= x.stop:
		want.pc, to = batchOver, halts
	case n < vm.MinPacket || n > vm.MaxLinear || cpu >= cpus:
		want.pc, to = batchMiss, halts
	case from != fromOne:
		want.length, want.left = n, x.steps
		p.fields(c.uses, &want, word)
		if c.nested {
			want.depth = 0
		}
	}
	if err := p.run(u.code, at, to); err != nil {
		return err
	}
	switch {
	case *x != want:
		return fmt.Errorf("another context is left (%d, not %d)", x.pc, want.pc)
	case from == fromTrace && p.mem.load(verdictPlace, 4) != low(verdict, 4):
		return fmt.Errorf("another verdict is noted")
	case to == halts:
		return nil
	case from != fromOne && !p.copied(min(n, uint64(u.copies))):
		return fmt.Errorf("its bytes aren't copied")
	case c.inPlace && *p.home(10) != place:
		return fmt.Errorf("it is looked for at %#x", *p.home(10))
	case p.to != vm.Redirect{}:
		return fmt.Errorf("the packet before is still to be redirected")
	}
	for off := c.low; off < 0; off++ {
		if p.mem.load(uint64(int64(top)+off), 1) != 0 {
			return fmt.Errorf("the frame isn't zero at %d", off)
		}
	}
	for r := range uint8(11) {
		v := uint64(0)
		switch r {
		case 1:
			v = p.s.Ctx
		case 10:
			v = top
		}
		if got := *p.home(int(r)); c.live[0].Has(r) && got != v && !(c.inPlace && r == 10) {
			return fmt.Errorf("register %d is %#x, not %#x", r, got, v)
		}
	}
	return nil
}
